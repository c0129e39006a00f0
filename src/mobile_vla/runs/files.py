"""Files and folders that are complete or absent: written beside, synced, then exchanged.

Names beside are `.NAME.PID-TOKEN.part`, so no two processes share one. A folder that is replaced
lies at `.NAME.old` for a moment where the system cannot exchange two folders in one step;
`recover` puts it back after a kill in that moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.process import pid_exists

if TYPE_CHECKING:
    import numpy as np

PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)-[0-9a-f]{8}\.part")
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def open_own(path: Path, flags: int, mode: int = 0o644) -> int:
    """A descriptor of a file that this program writes: a regular file, reached by no link.

    Raises: OSError (ELOOP) where `path` is a link, OSError (EINVAL) where it is no regular file.
    """
    descriptor = os.open(path, flags | NO_FOLLOW | getattr(os, "O_NONBLOCK", 0), mode)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def text_name(path: Path) -> str:
    """A path as text, with slashes; bytes of a name that are no text are written as escapes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def part_name(path: Path) -> Path:
    """A new name beside `path` that belongs to this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; sync and rename it to `path` when the block ends.

    Where the block raises, `path` keeps what it held. A full disk, a missing permission or a
    read-only file system becomes a `UserError` that names the path. A link at `path` is replaced,
    never followed.
    """
    beside = part_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        descriptor = open_own(beside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, completely or not at all."""
    with written_beside(path) as beside:
        beside.write_bytes(data)


def write_named(path: Path, data: bytes) -> None:
    """`write_atomic` of a file that a user named; left-overs of killed writers beside it go."""
    sweep_parts(path.parent)
    write_atomic(path, data)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as `.npy`, completely or not at all.

    `np.save` does not say that it was a full disk that stopped it.
    """
    import numpy as np

    array = np.ascontiguousarray(array)
    header = np.lib.format.header_data_from_array_1_0(array)
    with written_beside(path) as beside, open(beside, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data)


@contextlib.contextmanager
def folder_beside(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a new folder that takes `path`'s place when the block ends well, else is removed.

    Without `replace` a folder that another process has filled at `path` meanwhile stays, and the
    new one is refused.

    At every moment one complete folder, the old or the new, can be had: at `path`, or by
    `recover(path)` after a kill.
    """
    beside = part_name(path)
    try:
        recover(path)
        sweep_parts(path.parent)
        beside.mkdir(parents=True)
        yield beside
        for folder, _, files in os.walk(beside):
            for name in files:
                _sync_file(Path(folder, name))
            sync_folder(Path(folder))
        if replace:
            _take_place(beside, path)
        else:
            beside.rename(path)  # which never replaces a folder that holds anything
            sync_folder(path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _take_place(new: Path, path: Path) -> None:
    if not os.path.lexists(path):
        new.replace(path)
    elif not path.is_symlink() and _exchange(new, path):
        pass  # the old folder now lies at `new` and is removed there
    else:
        old = _old_name(path)
        path.replace(old)
        sync_folder(path.parent)
        new.replace(path)
        sync_folder(path.parent)
        _remove(old)
    sync_folder(path.parent)


def recover(path: Path) -> None:
    """Put back what a kill between two renames left at `.NAME.old`; remove it where not needed."""
    old = _old_name(path)
    if not os.path.lexists(old):
        return
    if os.path.lexists(path):
        _remove(old)
    else:
        old.replace(path)
        sync_folder(path.parent)


def sweep_parts(folder: Path) -> None:
    """Remove names beside (`….part`) whose process is gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return
    for name in names:
        match = PART.fullmatch(name)
        if match and int(match["pid"]) != os.getpid() and pid_exists(int(match["pid"])) is False:
            _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names in one step (Linux `renameat2`); False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), str(b))


def write_json(path: Path, value: Any) -> None:
    """Write a msgspec struct or plain value as indented JSON, completely or not at all."""
    import msgspec

    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _sync_file(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = open_own(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where folders can be opened (not Windows)."""
    if os.name != "posix":
        return
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


ADVICE = {
    errno.ELOOP: "{file} is a link, and links are not followed when writing: "
    "remove it and run the same command again.",
    errno.ENOTEMPTY: "{path} exists already and holds files: choose a new folder.",
}


def explain_os_error(error: OSError, path: Path) -> UserError:
    """Turn an operating system's error at `path` into a sentence that says what to do."""
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return UserError(
            f"No permission to write {path}: choose another folder or change its owner."
        )
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return UserError(
            f"The disk is full, so {path} was not written (what stood there is kept): "
            "free some space and run the same command again."
        )
    if error.errno in ADVICE:
        return UserError(ADVICE[error.errno].format(path=path, file=error.filename or path))
    if isinstance(error, NotADirectoryError | FileExistsError):
        return UserError(f"{path} cannot be made below a file: choose a folder instead.")
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the path.")
    return UserError(f"{path}: {error.strerror or error}.")
