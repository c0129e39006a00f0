"""What is to be imported, whatever its format: one source an episode, each able to become one."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.formats.validation import EpisodeError


class Source(Protocol):
    """One episode to import. `name` is its file in the data set, `origin` where it comes from.

    `stamp` changes when the origin does.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def origin(self) -> str: ...  # noqa: D102
    @property
    def stamp(self) -> str: ...  # noqa: D102

    def bring(self, file: Path) -> Episode:
        """Write the episode as `file`, whole or not at all, and return it.

        Raises:
            EpisodeError: the origin is no sound episode.
            UserError: `file` cannot be written.
        """


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found below a folder: its kind in words, the episodes, what is no episode."""

    folder: Path
    kind: str
    episodes: list[Source]
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Choice:
    """What only some formats need to be told: which camera, which command topic, the step in s."""

    camera: str | None = None
    command: str = "/cmd_vel"
    step: float = 0.4
    instruction: str | None = None


NO_CHOICE = Choice()


def write_new(file: Path, episode: Episode) -> Episode:
    """Write an episode that was no HDF5 file, compressed, and return it under its new name."""
    named = replace(episode, id=file.stem, source=file)
    write_episode(file, named, compression="gzip")
    return named


def read_picture(where: Path, file: Path | IO[bytes]) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded picture.

    Raises:
        EpisodeError: of `where`: there is none, or it is damaged.
    """
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # each format raises its own, SyntaxError among them
        what = f"holds a picture that cannot be read ({error})"
        raise EpisodeError(where, what, "unreadable") from error


def file_stamp(path: Path) -> str:
    """Size and time of last writing; "" where the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def folder_stamp(folder: Path) -> str:
    """How many files it holds, their size and the last writing; "" where it cannot be read."""
    try:
        states = [file.stat() for file in folder.iterdir() if file.is_file()]
    except OSError:
        return ""
    size, newest = sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)
    return f"{len(states)}-{size}-{newest}"


def entered(path: Path) -> tuple[list[Path], list[Finding]]:
    """The folders right below `path`, hidden ones left out, and those that cannot be entered."""
    folders, findings = [], []
    for folder in sorted(path.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            next(folder.iterdir(), None)
            os.stat(f"{folder}/.")  # noqa: PTH116  (a path would drop the dot)
        except OSError as error:
            what = f"cannot be read ({error.strerror}), so nothing in it is"
            findings.append(Finding(str(folder.absolute()), what, "unreadable"))
        else:
            folders.append(folder)
    return folders, findings
