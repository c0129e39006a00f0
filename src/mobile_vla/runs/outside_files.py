"""Read what others wrote: regular files alone, opened without blocking, decoded strictly."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

T = TypeVar("T")
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path | str) -> BinaryIO:
    """Open a regular file for reading; links to one are followed.

    A FIFO, a device or a socket of that name neither blocks nor never ends.

    Raises: OSError where there is no such file, or (EINVAL) where it is no regular file.
    """
    descriptor = os.open(path, READ_FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return open(descriptor, "rb")


def read_regular(path: Path | str, limit: int) -> bytes:
    """The bytes of a regular file.

    Raises: OSError as `open_regular`, or (EFBIG) where it holds more than `limit` bytes.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it holds more than {limit:,} bytes", str(path))
    return data


def decode_json(data: bytes, kind: type[T]) -> T:
    """JSON as a value of type `kind`.

    Raises: ValueError with the cause, whatever the bytes are.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
