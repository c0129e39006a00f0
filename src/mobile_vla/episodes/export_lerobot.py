"""`mvla episodes export`: write a data set as a LeRobotDataset v3.0.

Training episodes come first, then validation, as LeRobot's `splits` are ranges. The episode's id
and key events (`action_event_types`) are columns of meta/episodes. No state was measured, so
`observation.state` is the velocity commanded when the frame was taken.
Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.croissant import write_croissant
from mobile_vla.episodes.dataset import Dataset
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.hdf5 import EVENTS
from mobile_vla.episodes.formats.lerobot_files import (
    ACTION,
    CAMERA,
    DATA,
    FILE_BYTES,
    FILES_A_CHUNK,
    NUMBERS,
    STATE,
    VIDEO,
    Columns,
    Tables,
    Videos,
    columns_of,
    write_rows,
    write_tasks,
)
from mobile_vla.episodes.formats.lerobot_read import OUR_ID
from mobile_vla.episodes.formats.lerobot_statistics import PictureStatistics, Stats, of_numbers
from mobile_vla.episodes.manifest import ManifestEpisode
from mobile_vla.episodes.optional_imports import need
from mobile_vla.episodes.scan_folder import Progress
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import folder_beside, write_atomic, write_json

ACTION_NAMES = ("x.vel", "y.vel", "theta.vel")
CARD = """---
task_categories: [robotics]
tags: [LeRobot]
configs: [{{config_name: default, data_files: data/*/*.parquet}}]
---
# {name}

{episodes} episodes of a mobile base, {frames} frames, exported by mobile-vla. Velocities are
in m/s ahead, m/s to the left and rad/s counter-clockwise.

`observation.state` was not measured: it is the velocity that was commanded when the frame was
taken, which is the action of the frame before, and rest at an episode's first frame.
"""


def export_lerobot(
    dataset: Dataset, folder: Path, *, video: bool = True, progress: Progress | None = None
) -> None:
    """Write `dataset` to a new `folder`: pictures as h264 video, or without loss as PNG.

    Raises:
        UserError: the folder exists, or another process makes it meanwhile; the data set holds
            nothing or pictures of different sizes, or (video) sizes that are not even; the disk is
            full.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already: export into a new folder.")
    if not dataset.manifest.episodes:
        raise UserError(f"{dataset.folder} holds no episode to export.")
    need("pyarrow", "lerobot")
    with folder_beside(folder, replace=False) as beside:
        _Export(dataset, beside, video).write(progress)


def in_splits(episodes: list[ManifestEpisode]) -> tuple[list[ManifestEpisode], dict[str, str]]:
    """Episodes sorted train, val, eval, and each split's range: {"train": "0:80", …}."""
    ordered: list[ManifestEpisode] = []
    ranges: dict[str, str] = {}
    for split in ("train", "val", "eval"):
        members = [episode for episode in episodes if episode.split == split]
        if members:
            ranges[split] = f"{len(ordered)}:{len(ordered) + len(members)}"
        ordered += members
    return ordered, ranges


@dataclass(slots=True)
class _Export:
    """The state while episodes are written one after another."""

    dataset: Dataset
    folder: Path
    video: bool
    size: tuple[int, int] = (0, 0)
    tasks: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: PictureStatistics = field(default_factory=PictureStatistics)
    columns: list[Columns] = field(default_factory=list)
    frames: int = 0

    @property
    def fps(self) -> float:
        return 1 / self.dataset.manifest.step

    def write(self, progress: Progress | None) -> None:
        episodes, splits = in_splits(self.dataset.manifest.episodes)
        tables = Tables(self.folder, pictures=not self.video)
        with closing(Videos(self.folder, self.fps)) as videos, closing(tables):
            for done, row in enumerate(episodes, start=1):
                self._add(row, videos, tables)
                if progress:
                    progress(done, len(episodes))
        self._write_meta(splits)

    def _add(self, row: ManifestEpisode, videos: Videos, tables: Tables) -> None:
        episode = self.dataset.read(row.id)
        self._check_size(episode)
        number, start = len(self.rows), self.frames
        task = self.tasks.setdefault(episode.instruction, len(self.tasks))
        counted = PictureStatistics()
        counted.add(episode.images)
        self.pictures.merge(counted)
        columns = columns_of(episode, number, start, task, self.fps)
        self.columns.append(columns)
        self.frames += len(episode)
        line: dict[str, Any] = {
            "episode_index": number,
            "tasks": [episode.instruction],
            "length": len(episode),
            OUR_ID: row.id,
            EVENTS: episode.event_types,
            "dataset_from_index": start,
            "dataset_to_index": self.frames,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        line |= {f"data/{key}": value for key, value in tables.add(episode, columns).items()}
        if self.video:
            line |= {f"videos/{CAMERA}/{k}": v for k, v in videos.add(episode).items()}
        line |= _flat({CAMERA: counted.stats(), **_stats_of(columns)})
        self.rows.append(line)

    def _check_size(self, episode: Episode) -> None:
        size = (episode.images.shape[1], episode.images.shape[2])
        if self.size not in ((0, 0), size):
            raise UserError(
                f"{episode.id} has pictures of {size[1]}x{size[0]}, the episodes before "
                f"{self.size[1]}x{self.size[0]}: LeRobot holds one size, so export them apart."
            )
        if self.video and (size[0] % 2 or size[1] % 2):
            raise UserError(
                f"{episode.id} has pictures of {size[1]}x{size[0]}, and video needs even numbers: "
                "export with --images."
            )
        self.size = size

    def _write_meta(self, splits: dict[str, str]) -> None:
        meta = self.folder / "meta"
        if not any(row[EVENTS] for row in self.rows):
            self.rows = [{k: v for k, v in row.items() if k != EVENTS} for row in self.rows]
        write_rows(meta / "episodes" / "chunk-000" / "file-000.parquet", self.rows)
        write_tasks(meta / "tasks.parquet", self.tasks)
        columns = {
            name: np.concatenate([c[name] for c in self.columns]) for name in self.columns[0]
        }
        write_json(meta / "stats.json", {CAMERA: self.pictures.stats(), **_stats_of(columns)})
        write_json(meta / "info.json", self._info(splits))
        card = CARD.format(
            name=self.dataset.manifest.name, episodes=len(self.rows), frames=self.frames
        )
        write_atomic(self.folder / "README.md", card.encode())
        write_croissant(self.folder, self.dataset.manifest, self._features())

    def _info(self, splits: dict[str, str]) -> dict[str, Any]:
        return {
            "codebase_version": "v3.0",
            "robot_type": "mobile_base",
            "total_episodes": len(self.rows),
            "total_frames": self.frames,
            "total_tasks": len(self.tasks),
            "chunks_size": FILES_A_CHUNK,
            "data_files_size_in_mb": FILE_BYTES >> 20,
            "video_files_size_in_mb": FILE_BYTES >> 20,
            "fps": self._rate,
            "splits": splits,
            "data_path": DATA,
            "video_path": VIDEO if self.video else None,
            "features": self._features(),
        }

    def _features(self) -> dict[str, Any]:
        width = self.columns[0][ACTION].shape[1]
        names = list(ACTION_NAMES[:width])
        velocity = {"dtype": "float32", "shape": [width], "names": names}
        kinds = {"timestamp": "float32", **dict.fromkeys(NUMBERS[1:], "int64")}
        single = {
            name: {"dtype": kind, "shape": [1], "names": None} for name, kind in kinds.items()
        }
        return {CAMERA: self._camera(), ACTION: velocity, STATE: velocity, **single}

    def _camera(self) -> dict[str, Any]:
        height, width = self.size
        camera: dict[str, Any] = {
            "dtype": "video" if self.video else "image",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
        if self.video:
            camera["info"] = {
                "video.fps": self._rate,
                "video.height": height,
                "video.width": width,
                "video.channels": 3,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "has_audio": False,
            }
        return camera

    @property
    def _rate(self) -> int | float:
        return int(self.fps) if self.fps == int(self.fps) else self.fps


def _stats_of(columns: Columns) -> dict[str, Stats]:
    return {name: of_numbers(values) for name, values in columns.items()}


def _flat(stats: dict[str, Stats]) -> dict[str, Any]:
    return {
        f"stats/{feature}/{name}": value
        for feature, values in stats.items()
        for name, value in values.items()
    }
