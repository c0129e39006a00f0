"""One writer a folder: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import explain_os_error, open_own

HOLDER_SECONDS = 1.0
"""How long the second waits to be told who the first is."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock: shown to the one who must wait."""

    pid: int
    host: str
    command: str


@contextlib.contextmanager
def sole_writer(path: Path, activity: str) -> Iterator[None]:
    """Hold the lock of `path` while the block runs. `activity`: what is done, such as "training".

    The lock is the file `.NAME.lock` beside `path`, which need not exist; it stays there, empty of
    meaning, when it is released.

    Raises: UserError where another process holds it, with that process and its command.
    """
    lock_file = path.with_name(f".{path.name}.lock")
    lock = FileLock(lock_file, timeout=0, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError(_refusal(path)) from None
    except OSError as error:
        raise explain_os_error(error, lock_file) from error
    try:
        _write_holder(path, activity)
        yield
    finally:
        with contextlib.suppress(OSError):
            _holder_file(path).unlink(missing_ok=True)
        lock.release()


def _holder_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock.holder")


def _write_holder(path: Path, activity: str) -> None:
    holder = Holder(pid=os.getpid(), host=socket.gethostname(), command=f"{activity}: {_command()}")
    with contextlib.suppress(OSError):  # the lock holds without it
        descriptor = open_own(_holder_file(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(descriptor, msgspec.json.encode(holder))
        finally:
            os.close(descriptor)


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]


def _refusal(path: Path) -> str:
    end = time.monotonic() + HOLDER_SECONDS
    while (holder := _holder(path)) is None and time.monotonic() < end:
        time.sleep(0.02)  # it has the lock, and is about to say who it is
    who = "another process"
    if holder is not None:
        who = f"process {holder.pid} on {holder.host} ({holder.command})"
    return f"{path} is being written by {who}: wait until it ends, or stop it."


def _holder(path: Path) -> Holder | None:
    """Who says that it holds the lock; None where nobody does, or a part of it is written."""
    try:
        descriptor = open_own(_holder_file(path), os.O_RDONLY)
    except OSError:
        return None
    try:
        return msgspec.json.decode(os.read(descriptor, 4096), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    finally:
        os.close(descriptor)
