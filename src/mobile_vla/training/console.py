"""`console.log`: everything the process prints, including a crash's traceback."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mobile_vla.messages.printable import printable
from mobile_vla.runs.files import explain_os_error, open_own

LOG = 2
"""The descriptor that leads to the log alone while `console_to` is in force."""


@contextlib.contextmanager
def console_to(path: Path, *, also_terminal: bool) -> Iterator[None]:
    """Send file descriptors 1 and 2 to `path`; with `also_terminal` Python's output to both.

    Libraries that write to the descriptors, and a crash's traceback, end up in the file too.
    Lines that a full disk has no room for are lost; that alone stops nothing.
    """
    try:
        descriptor = open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        log = open(descriptor, "ab", buffering=0)  # noqa: SIM115  # closed by the `with` below
    except OSError as error:
        raise explain_os_error(error, path) from error
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    out, err = sys.stdout, sys.stderr
    try:
        with log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            faulthandler.enable(log.fileno())
            if also_terminal:
                sys.stdout, sys.stderr = _Tee(1, saved[0]), _Tee(2, saved[1])
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
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
    """A text stream to a log, as it is, and to a terminal, without control sequences."""

    encoding = "utf-8"

    def __init__(self, log: int, terminal: int) -> None:
        self._log, self._terminal = log, terminal

    def write(self, text: str) -> int:
        again = "\r" if text.startswith("\r") else ""  # a bar is drawn over itself
        for descriptor, shown in (self._terminal, again + printable(text)), (self._log, text):
            with contextlib.suppress(OSError):
                os.write(descriptor, shown.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""

    def isatty(self) -> bool:
        return os.isatty(self._terminal)

    def fileno(self) -> int:
        return self._terminal
