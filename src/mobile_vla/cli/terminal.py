"""What reaches a terminal: text without control sequences, in whatever encoding it has."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.printable import printable

COLOUR = r"\x1b\[[0-9;]*m"


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
        """Write cleaned text; what the encoding lacks is written as an escape.

        Raises: UserError where the stream behind is full; BrokenPipeError where its reader is gone.
        """
        if self._colours:
            parts = re.split(f"({COLOUR})", text)
            clean = "".join(p if re.fullmatch(COLOUR, p) else printable(p) for p in parts)
        else:
            clean = printable(text)
        fitting = clean.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self._guard(lambda: self._stream.write(fitting))
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._guard(self._stream.flush)

    def _guard(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BrokenPipeError:
            raise
        except OSError as error:
            _point_at_null()
            raise UserError(f"The output could not be written: {reason_of(error)}.") from error

    @property
    def behind(self) -> TextIO:
        """The stream that this one writes to."""
        return self._stream

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return self._colours

    def fileno(self) -> int:
        """The descriptor of the stream behind."""
        return self._stream.fileno()


class ErrorStream(CleanStream):
    """The same for messages: where they cannot be written, the command goes on without them."""

    def _guard(self, act: Callable[[], object]) -> None:
        with suppress(OSError):
            act()


def bare(stream: TextIO) -> TextIO:
    """The stream without cleaning, for progress bars, which move the cursor."""
    return stream.behind if isinstance(stream, CleanStream) else stream


@contextmanager
def clean_output() -> Iterator[None]:
    """Have everything that is printed in the block pass through `CleanStream`.

    A closed standard stream becomes the null device, so no file takes its descriptor.
    """
    for number in (0, 1, 2):
        _occupy(number)
    out, err = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, CleanStream(out or _null_stream()))
    sys.stderr = cast(TextIO, ErrorStream(err or _null_stream()))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def close_output() -> None:
    """Flush standard output. A reader that has gone away (`| head`) is no fault.

    Raises: UserError where the output could not be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _point_at_null()


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def _null_stream() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _point_at_null() -> None:
    """Let the interpreter's own flush at its end succeed."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
