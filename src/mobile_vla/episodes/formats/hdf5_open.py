"""Opening an HDF5 file, and why one cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.episodes.findings import Check
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""At byte 0 or behind a user block of 512, 1024, 2048 … bytes (HDF5 File Format, III.A)."""
LARGEST_USER_BLOCK = 1 << 20


def refuse_unopenable(path: Path) -> None:
    """Refuse paths that cannot be opened, are no regular file, or are empty.

    Raises:
        EpisodeError: one of these.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
            raise EpisodeError(path, reason("episode.not_a_file"), "not_an_episode")
        with open(path, "rb") as file:
            if not file.read(1):
                raise EpisodeError(path, reason("episode.empty"), "truncated")
    except OSError as error:
        why = reason("episode.unopenable", error=str(error.strerror))
        raise EpisodeError(path, why, "unreadable") from error


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An open HDF5 file; low-level errors become an `EpisodeError` about the file.

    Raises:
        EpisodeError: it cannot be opened or decoded, or changed while it was open.
    """
    import h5py

    refuse_unopenable(path)
    before = _stamp(path)
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        raise EpisodeError(path, *_why_not_opened(path, str(error))) from error
    try:
        with file:
            yield file
    except (UserError, MemoryError):
        raise
    except Exception as error:  # h5py raises others for each place of the damage
        why = reason("episode.damaged", error=str(error))
        raise EpisodeError(path, why, "unreadable") from error
    if _stamp(path) != before:
        raise EpisodeError(path, reason("episode.changed"), "changed")


def placeholder(path: Path) -> Reason | None:
    """Why a file holds a stand-in instead of a recording: a Git LFS pointer or a web page."""
    with open(path, "rb") as file:
        head = file.read(64).lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return reason("episode.git_lfs_pointer")
    if head.startswith((b"<!doctype html", b"<html")):
        return reason("episode.web_page")
    return None


def _why_not_opened(path: Path, error: str) -> tuple[Reason, Check]:
    """The reason and check for a file that HDF5 refused with the message `error`."""
    if "truncated" in error:
        return reason("episode.cut_off"), "truncated"
    if "unable to lock file" in error and "errno = 11" in error:
        return reason("episode.being_written"), "unreadable"
    if "already open for" in error:
        return reason("episode.not_closed", file=path.name), "unreadable"
    if (stand_in := placeholder(path)) is not None:
        return stand_in, "not_an_episode"
    if _has_signature(path):
        return reason("episode.damaged", error=error), "unreadable"
    return reason("episode.not_hdf5"), "not_an_episode"


def _has_signature(path: Path) -> bool:
    with open(path, "rb") as file:
        offset = 0
        while offset <= LARGEST_USER_BLOCK:
            file.seek(offset)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            offset = 2 * offset or 512
    return False


def _stamp(path: Path) -> tuple[int, int, int]:
    """Values that differ after a write to the file or its replacement."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
