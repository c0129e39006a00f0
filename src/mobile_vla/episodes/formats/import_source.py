"""The interface of importers: one source for each episode, whatever its format."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.formats.recording_map import NO_MAP, RecordingMap
from mobile_vla.messages.reason import reason


class Source(ABC):
    """One episode to import, from the file or folder `path`."""

    path: Path

    @property
    @abstractmethod
    def name(self) -> str:
        """The episode's file in the data set."""

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return str(self.path.absolute())

    @property
    def stamp(self) -> str:
        """A text that changes when the origin does; "" where the origin cannot be read."""
        return path_stamp(self.path)

    @abstractmethod
    def read(self) -> Episode:
        """Decode the episode.

        Raises:
            EpisodeError: the origin is no usable episode.
        """

    def write_to(self, file: Path) -> Episode:
        """Write the episode in the lab's format, atomically and compressed; return it renamed.

        Raises:
            EpisodeError: the origin is no usable episode.
            UserError: `file` cannot be written.
        """
        named = replace(self.read(), id=file.stem, source=file)
        write_episode(file, named, compression="gzip")
        return named


@dataclass(frozen=True, slots=True)
class Sources:
    """The recordings of a folder: their kind in words, the episodes, and the unusable parts."""

    folder: Path
    kind: str
    episodes: list[Source]
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """Options of an import. Not every format uses each.

    `camera` and `command` choose a camera and a ROS topic, `step` is in s, `instruction` counts
    where a recording has none, `follow_external` reads HDF5 data that stand in other files,
    `mapping` names keys and columns of other recorders.
    """

    camera: str | None = None
    command: str = "/cmd_vel"
    step: float = 0.4
    instruction: str | None = None
    follow_external: bool = False
    mapping: RecordingMap = NO_MAP


DEFAULT_OPTIONS = RecordingOptions()


def path_stamp(path: Path) -> str:
    """Size and last writing of a file, or of a folder's files; "" where it cannot be read."""
    try:
        if not path.is_dir():
            status = path.stat()
            return f"{status.st_size}-{status.st_mtime_ns}"
        states = [file.stat() for file in path.iterdir() if file.is_file()]
    except OSError:
        return ""
    size, newest = sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)
    return f"{len(states)}-{size}-{newest}"


def subfolders(path: Path) -> tuple[list[Path], list[Finding]]:
    """The folders right below `path` without hidden ones, and a finding for each unreadable one."""
    folders, findings = [], []
    for folder in sorted(path.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        try:
            next(folder.iterdir(), None)
            os.stat(f"{folder}/.")  # noqa: PTH116  (a path would drop the dot)
        except OSError as error:
            why = reason("episode.folder_unreadable", error=str(error.strerror))
            findings.append(Finding(str(folder.absolute()), why, "unreadable"))
        else:
            folders.append(folder)
    return folders, findings
