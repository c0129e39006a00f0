"""A command that is killed, or has a call fail, at the n-th change it makes to the file system."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from small_lab import run_main

CHANGES = ("replace", "rename", "symlink", "unlink", "remove", "mkdir", "rmdir", "fsync")
FREEING = ("unlink", "remove", "rmdir")
"""Changes that no full disk refuses."""
builtin_open = open
WRITES = os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Killer:
    """Counts changes from the first whose path holds `begin`; acts before number `last`.

    It kills the process, or with `fails` has that call say that the disk is full.
    """

    def __init__(self, last: int, log: Path, begin: str, *, fails: bool = False) -> None:
        self.last, self.log, self.begin, self.fails = last, log, begin, fails
        self.count = 0

    def wrap(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.note(name, arguments)
            return function(*arguments, **options)

        return counted

    def note(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open" and not (len(arguments) > 1 and arguments[1] & WRITES):
            return
        if not self.count and self.begin not in str(arguments[0] if arguments else ""):
            return
        if self.fails and name in FREEING:
            return
        self.count += 1
        if self.count == self.last and self.fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        with builtin_open(self.log, "a") as file:
            file.write(f"{name} {arguments[:2]}\n")


def run_killed(
    arguments: Sequence[str],
    folder: Path,
    last: int,
    begin: str = "checkpoints",
    *,
    fails: bool = False,
) -> None:
    """A process: `mvla ARGUMENTS`, killed before its change number `last`, or failing there."""
    from mobile_vla.runs import files

    killer = Killer(last, folder / "changes", begin, fails=fails)
    for name in (*CHANGES, "open"):
        setattr(os, name, killer.wrap(getattr(os, name), name))
    files._exchange = killer.wrap(files._exchange, "exchange")  # type: ignore[assignment]
    run_main(arguments, folder)
