"""The recordings below a folder, recognised by their files; sources of the lab's own format."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.find_episodes import episode_id, find_episodes
from mobile_vla.episodes.formats.hdf5 import is_native, read_episode
from mobile_vla.episodes.formats.hdf5_open import refuse_unopenable
from mobile_vla.episodes.formats.import_source import (
    DEFAULT_OPTIONS,
    RecordingOptions,
    Source,
    Sources,
    path_stamp,
)
from mobile_vla.episodes.formats.recording_map import NO_MAP
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason
from mobile_vla.runs.files import written_beside

BAG_FILES = ("metadata.yaml", "*.mcap", "*.db3", "*.db3.zstd", "*.mcap.zstd", "*.bag")


def find_sources(
    path: Path, options: RecordingOptions = DEFAULT_OPTIONS, naming: Naming = LAB_NAMES
) -> Sources:
    """The recordings below `path`, recognised by their files.

    A LeRobotDataset has meta/info.json; a ROS bag metadata.yaml, *.mcap, *.db3 or *.bag; a folder
    of pictures an actions.csv in each episode's folder. Without any of these, HDF5 files are read.

    Raises:
        UserError: the path is missing, or holds nothing of these.
    """
    if (path / "meta" / "info.json").is_file():
        from mobile_vla.episodes.formats.lerobot_read import lerobot_sources

        return lerobot_sources(path, options)
    if path.suffix in (".mcap", ".db3", ".bag") or any(_first(path, p) for p in BAG_FILES):
        from mobile_vla.episodes.formats.rosbag import bag_sources

        return bag_sources(path, options)
    if _first(path, "actions.csv"):
        from mobile_vla.episodes.formats.image_folder import picture_sources

        return picture_sources(path, options)
    hdf5 = find_episodes(path, naming)
    if not hdf5.files and not hdf5.findings:
        raise UserError(
            f"{path} holds nothing to import: give a folder of HDF5 files, a LeRobotDataset v3, "
            "folders of pictures each with an actions.csv, or rosbag2 recordings."
        )
    files: list[Source] = [Hdf5Source(file, hdf5.name(file), options) for file in hdf5.files]
    return Sources(path, "HDF5", files, hdf5.findings)


@dataclass(frozen=True, slots=True)
class Hdf5Source(Source):
    """A file in the lab's format, called `relative` in the folder that is imported.

    It is linked into the data set where possible, else copied. Encoded pictures, data of other
    files and a given instruction are written into a new file.
    """

    path: Path
    relative: str
    options: RecordingOptions

    @property
    def name(self) -> str:
        """Its name, with the folders that hold it."""
        return f"{episode_id(self.relative)}{self.path.suffix}"

    def read(self) -> Episode:
        """See `Source.read`."""
        options = self.options
        episode = read_episode(
            self.path, follow_external=options.follow_external, mapping=options.mapping
        )
        return replace(episode, instruction=episode.instruction or options.instruction or "")

    def write_to(self, file: Path) -> Episode:
        """See `Source.write_to`. A linked or copied file is read in its new place."""
        refuse_unopenable(self.path)
        mapped = self.options.mapping != NO_MAP
        if mapped or not is_native(self.path, with_instruction=bool(self.options.instruction)):
            return Source.write_to(self, file)
        with written_beside(file) as beside:
            self._link_or_copy(beside)
            return replace(read_episode(beside), id=file.stem, source=file)

    def _link_or_copy(self, beside: Path) -> None:
        before = path_stamp(self.path)
        beside.unlink(missing_ok=True)
        try:
            os.link(self.path.resolve(), beside)
        except OSError:
            self._copy(beside)
        if path_stamp(self.path) != before:
            raise EpisodeError(self.path, reason("episode.changed"), "changed")

    def _copy(self, beside: Path) -> None:
        try:
            shutil.copyfile(self.path, beside)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIO, errno.ESTALE, errno.EACCES):
                raise  # the data set's disk refuses
            why = reason("episode.disk_read_failed", error=str(error.strerror))
            raise EpisodeError(self.path, why, "changed") from error


def _first(path: Path, pattern: str) -> Path | None:
    """A file of that name in `path` or the folders right below it."""
    return next((p for deep in (pattern, f"*/{pattern}") for p in sorted(path.glob(deep))), None)
