"""Which files of a folder are episodes: below it too, links followed once, nothing hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import Finding
from mobile_vla.messages.errors import UserError

SUFFIXES = (".h5", ".hdf5")


@dataclass(slots=True)
class Found:
    """Episode files of `folder`, sorted by path below it, and what could not be walked or named."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A file's path below the folder."""
        return path.relative_to(self.folder).as_posix()


def find_episodes(folder: Path, naming: Naming = LAB_NAMES) -> Found:
    """Every HDF5 file below `folder`.

    A folder that cannot be read is a finding, and so is, where the naming is strict, a name that
    does not fit it.

    Raises:
        UserError: `folder` itself is missing or cannot be read.
    """
    found = Found(folder)
    try:
        next(os.scandir(folder), None)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}): check the path and its permissions."
        ) from error
    for path in _walk(folder, found):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if naming.strict and naming.parts(path.name) is None:
            what = f"does not fit the pattern {naming.pattern}, and is left out"
            found.findings.append(Finding(found.name(path), what, "name", spoils=False))
        else:
            found.files.append(path)
    found.files.sort(key=found.name)
    return found


def episode_id(name: str) -> str:
    """The id of the file called `name` below its folder: no suffix, folders joined by `__`."""
    return name.rpartition(".")[0].replace("/", "__")


def _walk(folder: Path, found: Found) -> Iterator[Path]:
    """Files below `folder`; a folder reached again, by a link, is not entered again."""

    def refused(error: OSError) -> None:
        path = Path(error.filename)
        what = f"cannot be read ({error.strerror}), so nothing in it is"
        found.findings.append(Finding(found.name(path), what, "unreadable"))

    entered: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, onerror=refused, followlinks=True):
        status = Path(here).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here) / name for name in files if not name.startswith("."))
