"""Files that are whole or absent: written beside, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    import numpy as np


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; sync and rename it to `path` when the block ends.

    Where the block raises, `path` keeps what it held. A full disk, a missing permission or a
    read-only file system becomes a `UserError` that names the path.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with written_beside(path) as beside:
        beside.write_bytes(data)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as `.npy`, whole or not at all.

    `np.save` does not say that it was a full disk that stopped it.
    """
    import numpy as np

    array = np.ascontiguousarray(array)
    header = np.lib.format.header_data_from_array_1_0(array)
    with written_beside(path) as beside, open(beside, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data)


@contextlib.contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a new folder that takes `path`'s place when the block ends well, else is removed."""
    beside = path.with_name(f".{path.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        if path.exists():
            shutil.rmtree(path)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a msgspec struct or plain value as indented JSON, whole or not at all."""
    import msgspec

    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """blake3 of a file's bytes, as 64 hex digits."""
    from blake3 import blake3

    hasher = blake3()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def explain_os_error(error: OSError, path: Path) -> UserError:
    """Turn an operating system's error at `path` into a sentence that says what to do."""
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return UserError(
            f"No permission to write {path}: choose another folder or change its owner."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"The disk is full, so {path} was not written (what stood there is kept): "
            "free some space and run the same command again."
        )
    if isinstance(error, NotADirectoryError | FileExistsError):
        return UserError(f"{path} cannot be made below a file: choose a folder instead.")
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the path.")
    return UserError(f"{path}: {error.strerror or error}.")
