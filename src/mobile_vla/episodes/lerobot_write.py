"""`mvla episodes export`: a data set as a LeRobotDataset v3.0, for other people's readers.

Training episodes come first, then validation, so that LeRobot's `splits` can say which is which.
Our id stays in meta/episodes; key events (`action_event_types`) have no place there and are left.
Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.dataset import Dataset
from mobile_vla.episodes.lerobot_read import OUR_ID, need
from mobile_vla.episodes.manifest import ManifestEpisode
from mobile_vla.episodes.schema import Episode
from mobile_vla.episodes.statistics import PictureStatistics, Stats, of_numbers
from mobile_vla.episodes.video import VideoWriter
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import explain_os_error, sync_folder, write_json

CAMERA = "observation.images.front"
ACTION_NAMES = ("x.vel", "y.vel", "theta.vel")
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_A_CHUNK = 1000
FILE_BYTES = 100 << 20
"""Decoded or encoded size from which the next episode begins a new file."""
NUMBERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
Progress = Callable[[int, int], None]


def export_lerobot(
    dataset: Dataset, folder: Path, *, video: bool = True, progress: Progress | None = None
) -> None:
    """Write `dataset` to a new `folder`: pictures as h264 video, or without loss as PNG.

    Raises:
        UserError: the folder exists, the data set holds nothing or pictures of different sizes,
            or (video) sizes that are not even; the disk is full.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already: export into a new folder.")
    if not dataset.manifest.episodes:
        raise UserError(f"{dataset.folder} holds no episode to export.")
    need("pyarrow", "lerobot")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        _Export(dataset, beside, video).write(progress)
        beside.replace(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def in_splits(episodes: list[ManifestEpisode]) -> tuple[list[ManifestEpisode], dict[str, str]]:
    """Episodes sorted train, val, eval, and each split's range: {"train": "0:80", …}."""
    ordered: list[ManifestEpisode] = []
    ranges: dict[str, str] = {}
    for split in ("train", "val", "eval"):
        own = [episode for episode in episodes if episode.split == split]
        if own:
            ranges[split] = f"{len(ordered)}:{len(ordered) + len(own)}"
        ordered += own
    return ordered, ranges


@dataclass(slots=True)
class _File:
    """A growing data or video file: its number, and how much is in it."""

    number: int = 0
    size: int = 0

    @property
    def place(self) -> dict[str, int]:
        chunk, file = divmod(self.number, FILES_A_CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def grow(self, size: int) -> bool:
        """Count `size` bytes more; true where they begin a new file."""
        new = self.size > 0 and self.size + size > FILE_BYTES
        self.number, self.size = (self.number + 1, size) if new else (self.number, self.size + size)
        return new


@dataclass(slots=True)
class _Export:
    """What is known while episodes are written one after another."""

    dataset: Dataset
    folder: Path
    video: bool
    size: tuple[int, int] = (0, 0)
    tasks: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: PictureStatistics = field(default_factory=PictureStatistics)
    numbers: list[np.ndarray] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return 1 / self.dataset.manifest.step

    def write(self, progress: Progress | None) -> None:
        episodes, splits = in_splits(self.dataset.manifest.episodes)
        with _Videos(self) as videos, _Tables(self) as tables:
            for done, row in enumerate(episodes, start=1):
                self._add(row, videos, tables)
                if progress:
                    progress(done, len(episodes))
        self._write_meta(splits)

    def _add(self, row: ManifestEpisode, videos: _Videos, tables: _Tables) -> None:
        episode = self.dataset.read(row.id)
        self._check_size(episode)
        number, start = len(self.rows), sum(map(len, self.numbers))
        task = self.tasks.setdefault(episode.instruction, len(self.tasks))
        counted = PictureStatistics()
        counted.add(episode.images)
        self.pictures.merge(counted)
        numbers = _numbers(len(episode), number, start, task, self.fps)
        self.numbers.append(numbers)
        self.actions.append(episode.actions)
        line: dict[str, Any] = {
            "episode_index": number,
            "tasks": [episode.instruction],
            "length": len(episode),
            OUR_ID: row.id,
            "dataset_from_index": start,
            "dataset_to_index": start + len(episode),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        line |= {f"data/{key}": value for key, value in tables.add(episode, numbers).items()}
        if self.video:
            line |= {f"videos/{CAMERA}/{k}": v for k, v in videos.add(episode).items()}
        line |= _flat({CAMERA: counted.stats(), **_stats_of(episode.actions, numbers)})
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
        _write_rows(meta / "episodes" / "chunk-000" / "file-000.parquet", self.rows)
        _write_tasks(meta / "tasks.parquet", self.tasks)
        stats = {
            CAMERA: self.pictures.stats(),
            **_stats_of(np.concatenate(self.actions), np.concatenate(self.numbers)),
        }
        write_json(meta / "stats.json", stats)
        write_json(meta / "info.json", self._info(splits))

    def _info(self, splits: dict[str, str]) -> dict[str, Any]:
        fps = int(self.fps) if self.fps == int(self.fps) else self.fps
        height, width = self.size
        camera: dict[str, Any] = {
            "dtype": "video" if self.video else "image",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
        if self.video:
            camera["info"] = {
                "video.fps": fps,
                "video.height": height,
                "video.width": width,
                "video.channels": 3,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "has_audio": False,
            }
        columns = self.actions[0].shape[1]
        action = {"dtype": "float32", "shape": [columns], "names": list(ACTION_NAMES[:columns])}
        single = {name: {"dtype": "int64", "shape": [1], "names": None} for name in NUMBERS[1:]}
        timestamp = {"dtype": "float32", "shape": [1], "names": None}
        return {
            "codebase_version": "v3.0",
            "robot_type": "mobile_base",
            "total_episodes": len(self.rows),
            "total_frames": sum(row["length"] for row in self.rows),
            "total_tasks": len(self.tasks),
            "chunks_size": FILES_A_CHUNK,
            "data_files_size_in_mb": FILE_BYTES >> 20,
            "video_files_size_in_mb": FILE_BYTES >> 20,
            "fps": fps,
            "splits": splits,
            "data_path": DATA,
            "video_path": VIDEO if self.video else None,
            "features": {CAMERA: camera, "action": action, "timestamp": timestamp, **single},
        }


class _Videos:
    """The mp4 files, one open at a time."""

    def __init__(self, export: _Export) -> None:
        self._export, self._file = export, _File()
        self._writer: VideoWriter | None = None

    def __enter__(self) -> _Videos:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer:
            self._writer.close()

    def add(self, episode: Episode) -> dict[str, Any]:
        """Append an episode; where it stands."""
        if self._writer is not None and self._writer.path.stat().st_size > FILE_BYTES:
            self._writer.close()
            self._file.number, self._writer = self._file.number + 1, None
        if self._writer is None:
            path = self._export.folder / VIDEO.format(video_key=CAMERA, **self._file.place)
            fps = Fraction(self._export.fps).limit_denominator(1000)
            self._writer = VideoWriter(path, self._export.size, fps)
        start = self._writer.seconds
        self._writer.add(episode.images)
        return {**self._file.place, "from_timestamp": start, "to_timestamp": self._writer.seconds}


class _Tables:
    """The parquet files of frames, one open at a time, a row group for each episode."""

    def __init__(self, export: _Export) -> None:
        self._export, self._file = export, _File()
        self._writer: Any = None

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, episode: Episode, numbers: np.ndarray) -> dict[str, int]:
        """Append an episode's frames; where they stand."""
        table = _frame_table(episode, numbers, None if self._export.video else CAMERA)
        if self._file.grow(table.nbytes) and self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            path = self._export.folder / DATA.format(**self._file.place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = need("pyarrow.parquet", "lerobot").ParquetWriter(path, table.schema)
        self._writer.write_table(table)
        return self._file.place


def _numbers(length: int, episode: int, start: int, task: int, fps: float) -> np.ndarray:
    """(T, 5) of `NUMBERS`."""
    frames = np.arange(length)
    same = np.ones(length)
    return np.stack([frames / fps, frames, episode * same, start + frames, task * same], axis=1)


def _frame_table(episode: Episode, numbers: np.ndarray, camera: str | None) -> Any:
    pa = need("pyarrow", "lerobot")
    flat = pa.array(episode.actions.ravel(), pa.float32())
    columns = {"action": pa.FixedSizeListArray.from_arrays(flat, episode.actions.shape[1])}
    for place, name in enumerate(NUMBERS):
        kind = pa.float32() if name == "timestamp" else pa.int64()
        columns[name] = pa.array(numbers[:, place]).cast(kind)
    if camera:
        cells = [
            {"bytes": png, "path": f"frame-{index:06d}.png"}
            for index, png in enumerate(_pngs(episode.images))
        ]
        columns[camera] = pa.array(
            cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        )
    return pa.table(columns)


def _pngs(images: np.ndarray) -> Iterator[bytes]:
    from PIL import Image

    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue()


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    pa, parquet = need("pyarrow", "lerobot"), need("pyarrow.parquet", "lerobot")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)


def _write_tasks(path: Path, tasks: dict[str, int]) -> None:
    """Task texts as the index of a pandas frame, which is what LeRobot reads."""
    pandas, parquet = need("pandas", "lerobot"), need("pyarrow.parquet", "lerobot")
    pa = need("pyarrow", "lerobot")
    index = pandas.Index(list(tasks), name="task", dtype="object")
    frame = pandas.DataFrame({"task_index": list(tasks.values())}, index=index)
    parquet.write_table(pa.Table.from_pandas(frame), path)


def _stats_of(actions: np.ndarray, numbers: np.ndarray) -> dict[str, Stats]:
    columns = {name: numbers[:, place : place + 1] for place, name in enumerate(NUMBERS)}
    return {"action": of_numbers(actions)} | {n: of_numbers(v) for n, v in columns.items()}


def _flat(stats: dict[str, Stats]) -> dict[str, Any]:
    return {
        f"stats/{feature}/{name}": value
        for feature, found in stats.items()
        for name, value in found.items()
    }
