"""`console.log`: all that the process prints, its dying words included."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def console_to(path: Path, *, also_terminal: bool) -> Iterator[None]:
    """Send file descriptors 1 and 2 to `path`; with `also_terminal` Python's output to both.

    Libraries that write to the descriptors, and a crash's traceback, end up in the file too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    out, err = sys.stdout, sys.stderr
    try:
        with open(path, "ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            faulthandler.enable(log.fileno())
            if also_terminal:
                sys.stdout, sys.stderr = _Tee(1, saved[0]), _Tee(2, saved[1])  # type: ignore
            try:
                yield
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
    finally:
        sys.stdout, sys.stderr = out, err
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        faulthandler.enable()
        for descriptor in saved:
            os.close(descriptor)


class _Tee:
    """A text stream to a log and a terminal."""

    encoding = "utf-8"

    def __init__(self, log: int, terminal: int) -> None:
        self._log, self._terminal = log, terminal

    def write(self, text: str) -> int:
        data = text.encode(errors="replace")
        for descriptor in (self._log, self._terminal):
            os.write(descriptor, data)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return os.isatty(self._terminal)

    def fileno(self) -> int:
        return self._terminal
