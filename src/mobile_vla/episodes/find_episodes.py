"""The episode files of a folder and its subfolders; hidden files are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import Finding
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason

SUFFIXES = (".h5", ".hdf5")


@dataclass(slots=True)
class EpisodeFiles:
    """Episode files of `folder`, sorted by relative path; folders and names that were left out."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A file's path relative to the folder."""
        return path.relative_to(self.folder).as_posix()


def find_episodes(folder: Path, naming: Naming = LAB_NAMES) -> EpisodeFiles:
    """Every HDF5 file below `folder`.

    A folder that cannot be read is a finding. With a strict naming, so is a name that does not
    fit it.

    Raises:
        UserError: `folder` itself is missing or cannot be read.
    """
    episodes = EpisodeFiles(folder)
    try:
        next(os.scandir(folder), None)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}): check the path and its permissions."
        ) from error
    for path in _walk(folder, episodes):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if naming.strict and naming.parts(path.name) is None:
            why = reason("episode.name_pattern", pattern=naming.pattern)
            episodes.findings.append(Finding(episodes.name(path), why, "name", spoils=False))
        else:
            episodes.files.append(path)
    episodes.files.sort(key=episodes.name)
    return episodes


def episode_id(name: str) -> str:
    """The id of the file called `name` in its folder: no suffix, folders joined by `__`."""
    return name.rpartition(".")[0].replace("/", "__")


def _walk(folder: Path, episodes: EpisodeFiles) -> Iterator[Path]:
    """Files below `folder`; a folder reached again through a link is not entered again."""

    def refused(error: OSError) -> None:
        why = reason("episode.folder_unreadable", error=str(error.strerror))
        name = episodes.name(Path(error.filename))
        episodes.findings.append(Finding(name, why, "unreadable"))

    entered: set[tuple[int, int]] = set()
    for current, folders, files in os.walk(folder, onerror=refused, followlinks=True):
        status = Path(current).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(current) / name for name in files if not name.startswith("."))
