"""Which recordings stand below a folder, told by their files; those in the lab's own format."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.find_episodes import episode_id, find_episodes
from mobile_vla.episodes.formats.hdf5 import read_episode, refuse_at_sight
from mobile_vla.episodes.formats.import_source import NO_CHOICE, Choice, Sources, file_stamp
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import written_beside


def find_sources(path: Path, choice: Choice = NO_CHOICE, naming: Naming = LAB_NAMES) -> Sources:
    """Recognise what is below `path` by its files.

    A LeRobotDataset has meta/info.json; ROS bags are folders with metadata.yaml, or *.mcap; a
    folder of pictures has an actions.csv in each episode's folder; else HDF5 files are looked for.

    Raises:
        UserError: the path is missing, or nothing of these is there.
    """
    if (path / "meta" / "info.json").is_file():
        from mobile_vla.episodes.formats.lerobot_read import lerobot_sources

        return lerobot_sources(path, choice)
    if _first(path, "metadata.yaml") or _first(path, "*.mcap") or path.suffix == ".mcap":
        from mobile_vla.episodes.formats.rosbag import bag_sources

        return bag_sources(path, choice)
    if _first(path, "actions.csv"):
        from mobile_vla.episodes.formats.image_folder import picture_sources

        return picture_sources(path, choice)
    found = find_episodes(path, naming)
    if not found.files and not found.findings:
        raise UserError(
            f"{path} holds nothing to import: give a folder of HDF5 files, a LeRobotDataset v3, "
            "folders of pictures each with an actions.csv, or rosbag2 recordings."
        )
    names = [f"{episode_id(found.name(file))}{file.suffix}" for file in found.files]
    files = [HdfSource(file, name) for file, name in zip(found.files, names, strict=True)]
    return Sources(path, "HDF5", list(files), found.findings)


@dataclass(frozen=True, slots=True)
class HdfSource:
    """A file in the lab's format: linked into the data set where possible, else copied."""

    path: Path
    name: str

    @property
    def origin(self) -> str:
        """The file."""
        return str(self.path.absolute())

    @property
    def stamp(self) -> str:
        """Size and time of last writing; "" where the file cannot be looked at."""
        return file_stamp(self.path)

    def bring(self, file: Path) -> Episode:
        """See `Source.bring`. What is read is what stands in the data set."""
        with written_beside(file) as beside:
            self._link_or_copy(beside)
            return replace(read_episode(beside), id=file.stem, source=file)

    def _link_or_copy(self, beside: Path) -> None:
        refuse_at_sight(self.path)
        before = file_stamp(self.path)
        beside.unlink(missing_ok=True)
        try:
            os.link(self.path.resolve(), beside)
        except OSError:
            self._copy(beside)
        if file_stamp(self.path) != before:
            raise EpisodeError(self.path, "changed while it was read", "changed")

    def _copy(self, beside: Path) -> None:
        try:
            shutil.copyfile(self.path, beside)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EIO, errno.ESTALE, errno.EACCES):
                raise  # it is the data set's disk that refuses
            what = f"cannot be read to its end ({error.strerror})"
            raise EpisodeError(self.path, what, "changed") from error


def _first(path: Path, pattern: str) -> Path | None:
    """A file of that name in `path` or the folders right below it."""
    return next((p for deep in (pattern, f"*/{pattern}") for p in sorted(path.glob(deep))), None)
