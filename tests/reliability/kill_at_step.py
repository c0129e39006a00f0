"""A command that is killed before the n-th change it makes to the file system."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from small_lab import run_main

CHANGES = ("replace", "rename", "symlink", "unlink", "remove", "mkdir", "rmdir", "fsync")
WRITES = os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Killer:
    """Counts changes from the first one below `checkpoints/` on; kills before number `last`."""

    def __init__(self, last: int, log: Path) -> None:
        self.last, self.log = last, log
        self.count = 0

    def wrap(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.note(name, arguments)
            return function(*arguments, **options)

        return counted

    def note(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open" and not (len(arguments) > 1 and arguments[1] & WRITES):
            return
        if not self.count and "checkpoints" not in str(arguments[0]):
            return
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(self.log, "a") as file:
            file.write(f"{name} {arguments[:2]}\n")


def run_killed(arguments: Sequence[str], folder: Path, last: int) -> None:
    """A process: `mvla ARGUMENTS`, killed before its change number `last`."""
    from mobile_vla.runs import files

    killer = Killer(last, folder / "changes")
    for name in (*CHANGES, "open"):
        setattr(os, name, killer.wrap(getattr(os, name), name))
    files._exchange = killer.wrap(files._exchange, "exchange")  # type: ignore[assignment]
    run_main(arguments, folder)
