"""What is to be imported, whatever its format: one source an episode, each able to become one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.hdf5 import write_episode
from mobile_vla.episodes.schema import Episode


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


def file_stamp(path: Path) -> str:
    """Size and time of last writing; "" where the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"
