"""The data and video files of a LeRobotDataset v3.0, to which episodes are appended."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.video import VideoWriter
from mobile_vla.episodes.optional_imports import need

CAMERA = "observation.images.front"
ACTION, STATE = "action", "observation.state"
NUMBERS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_A_CHUNK = 1000
FILE_BYTES = 100 << 20
"""Decoded or encoded size from which the next episode begins a new file."""
Columns = dict[str, np.ndarray]


def columns_of(episode: Episode, number: int, start: int, task: int, fps: float) -> Columns:
    """Every numeric column of an episode's frames, T rows each.

    `number` is the episode's index, `start` the index of its first frame, `task` its task_index.
    """
    frames, ones_column = np.arange(len(episode)), np.ones(len(episode), np.int64)
    in_force = np.concatenate([np.zeros_like(episode.actions[:1]), episode.actions[:-1]])
    times = (frames / fps).astype(np.float32)
    numbers = (times, frames, number * ones_column, start + frames, task * ones_column)
    return {ACTION: episode.actions, STATE: in_force, **dict(zip(NUMBERS, numbers, strict=True))}


@dataclass(slots=True)
class _Growing:
    """Numbered files, one open at a time; `size` is the bytes of the open one."""

    pattern: str
    open: Callable[[Path], Any]
    number: int = -1
    size: int = 0
    writer: Any = None

    @property
    def place(self) -> dict[str, int]:
        """Chunk and number of the open file."""
        chunk, file = divmod(self.number, FILES_A_CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def ready(self, more: int = 0) -> Any:
        """A file with room for `more` bytes; a new one where the open one would pass the limit."""
        if self.writer is None or (self.size and self.size + more > FILE_BYTES):
            self.close()
            self.number, self.size = self.number + 1, 0
            path = Path(self.pattern.format(video_key=CAMERA, **self.place))
            path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = self.open(path)
        self.size += more
        return self.writer

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class Videos:
    """The mp4 files, until they are closed."""

    def __init__(self, folder: Path, fps: float) -> None:
        rate = Fraction(fps).limit_denominator(1000)
        self._files = _Growing(str(folder / VIDEO), lambda path: VideoWriter(path, rate))

    def close(self) -> None:
        """Close the open file."""
        self._files.close()

    def add(self, episode: Episode) -> dict[str, Any]:
        """Append an episode; return its file and time span."""
        writer = self._files.ready()
        start = writer.seconds
        writer.add(episode.images)
        self._files.size = writer.path.stat().st_size
        return {**self._files.place, "from_timestamp": start, "to_timestamp": writer.seconds}


class Tables:
    """The parquet files of frames, a row group for each episode, until they are closed."""

    def __init__(self, folder: Path, *, pictures: bool) -> None:
        self._pictures = pictures
        self._schema: Any = None
        parquet = need("pyarrow.parquet", "lerobot")
        self._files = _Growing(
            str(folder / DATA), lambda path: parquet.ParquetWriter(path, self._schema)
        )

    def close(self) -> None:
        """Close the open file."""
        self._files.close()

    def add(self, episode: Episode, columns: Columns) -> dict[str, int]:
        """Append an episode's frames; return their file."""
        table = self._table(episode, columns)
        self._schema = table.schema
        self._files.ready(table.nbytes).write_table(table)
        return self._files.place

    def _table(self, episode: Episode, columns: Columns) -> Any:
        pa = need("pyarrow", "lerobot")
        arrays: dict[str, Any] = {}
        for name, values in columns.items():
            arrays[name] = pa.array(values.ravel())
            if values.ndim == 2:
                arrays[name] = pa.FixedSizeListArray.from_arrays(arrays[name], values.shape[1])
        if self._pictures:
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            arrays[CAMERA] = pa.array(list(_cells(episode.images)), kind)
        return pa.table(arrays)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write `rows` as a parquet table."""
    pa, parquet = need("pyarrow", "lerobot"), need("pyarrow.parquet", "lerobot")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)


def write_tasks(path: Path, tasks: dict[str, int]) -> None:
    """Write task texts as the index of a pandas frame, as LeRobot reads them."""
    pandas, parquet = need("pandas", "lerobot"), need("pyarrow.parquet", "lerobot")
    index = pandas.Index(list(tasks), name="task", dtype="object")
    frame = pandas.DataFrame({"task_index": list(tasks.values())}, index=index)
    parquet.write_table(need("pyarrow", "lerobot").Table.from_pandas(frame), path)


def _cells(images: np.ndarray) -> Iterator[dict[str, Any]]:
    """Pictures as cells of a LeRobot table: PNG, without loss."""
    from PIL import Image

    for index, image in enumerate(images):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
        yield {"bytes": buffer.getvalue(), "path": f"frame-{index:06d}.png"}
