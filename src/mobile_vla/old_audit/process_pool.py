"""One work over several parts, each but the first in a process forked off this one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")


def workers() -> int:
    """How many processes may share a work: one where forking is not to be had, or not safe."""
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return 1
    return len(os.sched_getaffinity(0))


def in_forks(work: Callable[[Part], bytes], parts: Sequence[Part]) -> list[bytes]:
    """What `work` gives for every part. A part whose process fails is worked on here again."""
    children = [_fork(work, part) for part in parts[1:]]
    found = [work(part) for part in parts[:1]]
    for (child, answer), part in zip(children, parts[1:], strict=True):
        with os.fdopen(answer, "rb") as file:
            data = file.read()
        failed = os.waitpid(child, 0)[1] != 0
        found.append(work(part) if failed else data)
    return found


def _fork(work: Callable[[Part], bytes], part: Part) -> tuple[int, int]:
    answer, end = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.close(answer)
            data = work(part)
            with os.fdopen(end, "wb") as file:
                file.write(data)
            code = 0
        os._exit(code)  # nothing of the parent's is to be ended twice
    os.close(end)
    return child, answer
