"""What no input may cause: a run of more than some seconds, or a file outside its folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mobile_vla

SECONDS = 2.0
"""Of processor time, so that a busy machine changes nothing."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PACKAGE = Path(mobile_vla.__file__).parents[2]
READABLE = (sys.prefix, sys.base_prefix, str(PACKAGE), "/usr", "/lib", "/proc/",
            "/dev/null", "/dev/urandom", "/sys/", "/etc/localtime",
            "/etc/mime.types", "/etc/apache2")  # fmt: skip
CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod",
           "os.truncate", "shutil.rmtree"}  # fmt: skip
FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}


class TooSlow(BaseException):
    """The time is over. No reader's `except Exception` catches it."""


class Outside(BaseException):
    """A file outside the folder was opened, or a program started."""


class _Watch:
    folder: str | None = None
    seen: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _Watch.folder is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = bool(flags & WRITES) if isinstance(flags, int) else "r" not in str(mode)
        if isinstance(path, str | bytes | os.PathLike):
            _check(os.path.abspath(os.fsdecode(path)), writes)  # noqa: PTH100
    elif event in CHANGES and isinstance(arguments[0], str | bytes | os.PathLike):
        _check(os.path.abspath(os.fsdecode(arguments[0])), True)  # noqa: PTH100
    elif event in FORBIDDEN:
        _refuse(f"{event} {arguments!r}"[:200])


def _check(path: str, writes: bool) -> None:
    if path.startswith(f"{_Watch.folder}/") or path in (_Watch.folder, os.devnull):
        return
    if writes or not path.startswith(READABLE):
        _refuse(f"{'write' if writes else 'read'} {path}")


def _refuse(what: str) -> None:
    _Watch.seen.append(what)
    raise Outside(what)


sys.addaudithook(_hook)  # it stays for the life of the process, and rests between watches


def _too_slow(*_: object) -> None:
    raise TooSlow


@contextmanager
def watched(folder: Path, seconds: float = SECONDS) -> Iterator[None]:
    """Raise `TooSlow` or `Outside` where the block does what no input may cause."""
    before = signal.signal(signal.SIGPROF, _too_slow)
    _Watch.folder, _Watch.seen = str(folder), []
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _Watch.folder = None
        signal.signal(signal.SIGPROF, before)
    if _Watch.seen:  # and something caught it
        raise Outside(_Watch.seen[0])
