"""What reaches a terminal: text without control sequences, in whatever encoding it has."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

COLOUR = r"\x1b\[[0-9;]*m"
SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # operating system commands: title, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # device control strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]?|\x9b[0-?]*[ -/]*[@-~]?"  # control sequences: cursor, screen, colour
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # control, direction
)


def printable(text: str) -> str:
    r"""The text without escape sequences, control characters and marks that turn its direction.

    Newlines and tabs stay; a lone surrogate becomes a question mark.

    >>> printable("\x1b]0;title\x07red \x1b[31mlight\x1b[0m\r")
    'red light'
    """
    return SEQUENCE.sub("", text).encode("utf-8", "replace").decode("utf-8")


class CleanStream(io.TextIOBase):
    """A text stream that writes `printable` text to another; colours pass on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colours = stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return self._stream.encoding or "utf-8"

    @property
    def buffer(self) -> Any:
        """The bytes behind, for protocols that speak over standard output."""
        return self._stream.buffer

    def write(self, text: str) -> int:
        """Write cleaned text; what the encoding lacks is written as an escape."""
        if self._colours:
            parts = re.split(f"({COLOUR})", text)
            clean = "".join(p if re.fullmatch(COLOUR, p) else printable(p) for p in parts)
        else:
            clean = printable(text)
        self._stream.write(clean.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return self._colours

    def fileno(self) -> int:
        """The descriptor of the stream behind."""
        return self._stream.fileno()


@contextmanager
def clean_output() -> Iterator[None]:
    """Have everything that is printed in the block pass through `CleanStream`."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = CleanStream(out), CleanStream(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def close_output() -> str | None:
    """Flush standard output; a sentence where it could not be written, None where all is well.

    A reader that has gone away (`| head`) is no fault.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _point_at_null()
    except OSError as error:
        _point_at_null()
        return f"The output could not be written: {error.strerror or error}."
    return None


def _point_at_null() -> None:
    """Let the interpreter's own flush at its end succeed."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.close(null)
