"""Reading episodes of a LeRobotDataset v3.0: parquet tables, and pictures in them or as video.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.direction import without_direction
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import EVENTS
from mobile_vla.episodes.formats.hdf5_open import placeholder
from mobile_vla.episodes.formats.import_source import RecordingOptions, Source, Sources, path_stamp
from mobile_vla.episodes.formats.lerobot_checks import check_clock, episode_task, span_faults
from mobile_vla.episodes.formats.lerobot_meta import (
    LeRobotInfo,
    Row,
    choose_camera,
    meta_texts,
    read_episode_rows,
    read_info,
    read_tasks,
)
from mobile_vla.episodes.formats.pictures import read_picture
from mobile_vla.episodes.formats.recording_map import NO_MAP, RecordingMap
from mobile_vla.episodes.formats.validation import (
    MAX_FRAMES,
    EpisodeError,
    episode_path,
    finite_actions,
    refuse_too_long,
    stack_frames,
)
from mobile_vla.episodes.optional_imports import need
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason

OUR_ID = "mobile_vla_id"
"""Column of meta/episodes that holds the id of an exported episode; other data sets lack it."""
NUMBERS = ("frame_index", "task_index", "timestamp")
"""Columns of the frames that are checked where they exist."""
MAX_DATA_FILES = 1000
"""Data files that are searched for an episode which is not in its stated file."""


def lerobot_sources(path: Path, options: RecordingOptions) -> Sources:
    """Every episode of the data set in `path`.

    Raises:
        UserError: not v3, no camera (or several and none chosen), no x and y velocity.
    """
    mapping = options.mapping
    if mapping.step is not None or mapping.instruction is not None:
        raise UserError(
            f"{path} is a LeRobotDataset, whose steps and instructions stand in its own tables: "
            "leave `step` and `instruction` out of the map."
        )
    info = read_info(path, mapping)
    camera = choose_camera(info, options.camera)
    tasks, rows = read_tasks(path), read_episode_rows(path)
    faults = span_faults(rows, camera, info.fps)
    episodes: list[Source] = []
    findings = _task_findings(tasks, rows, options)
    for row in rows:
        source = LeRobotSource(info, row, camera, tasks, options.instruction or "", mapping)
        texts = meta_texts(row)
        if len(texts) > 1:
            why = reason("episode.several_instructions", count=len(texts))
            findings.append(Finding(source.origin, why, "shape_or_type"))
        elif row["episode_index"] in faults and row["length"] <= MAX_FRAMES:
            findings.append(Finding(source.origin, *faults[row["episode_index"]]))
        else:
            episodes.append(source)
    return Sources(path, "LeRobotDataset v3", episodes, findings)


def _task_findings(
    tasks: Mapping[int, str] | None, rows: list[Row], options: RecordingOptions
) -> list[Finding]:
    if tasks is not None:
        return []
    if any(meta_texts(row) for row in rows) or options.instruction:
        return [Finding("", reason("episode.no_task_table"), "inconsistent", spoils=False)]
    return [Finding("", reason("episode.no_instruction_in_set"), "no_instruction", spoils=False)]


@dataclass(frozen=True, slots=True)
class LeRobotSource(Source):
    """One episode; `row` is its row of meta/episodes, `tasks` the texts by task_index.

    `instruction` counts where neither meta nor the frames have one.
    """

    info: LeRobotInfo
    row: Row
    camera: str
    tasks: Mapping[int, str] | None
    instruction: str = ""
    mapping: RecordingMap = NO_MAP

    @property
    def name(self) -> str:
        """The id of an exported episode, else the data set's name and the episode's number.

        Direction words of the data set's name are left out: they say nothing about an episode.
        """
        exported = self.row.get(OUR_ID)
        if isinstance(exported, str) and exported and Path(exported).name == exported:
            return f"{exported}.h5"
        folder = self.info.root.absolute().name
        stem = without_direction(folder)
        if stem != folder:
            stem = f"{stem}-{hashlib.sha256(folder.encode()).hexdigest()[:6]}"
        return f"{stem}_{self.row['episode_index']:06d}.h5"

    @property
    def origin(self) -> str:
        """The data set's folder and the episode's number."""
        return f"{self.info.root.absolute()}#{self.row['episode_index']}"

    @property
    def video(self) -> bool:
        """Whether the pictures are a video."""
        return bool(self.info.features[self.camera]["dtype"] == "video")

    @property
    def stamp(self) -> str:
        """Stamps of the files that hold the episode."""
        try:
            return " ".join(map(path_stamp, self._files()))
        except Exception:
            return ""  # reading the episode says what is wrong

    def read(self) -> Episode:
        """Decode the episode.

        Raises:
            EpisodeError: a file is missing or damaged, holds another number of frames, or its
                task, frame numbers or timestamps contradict meta.
        """
        where = Path(self.origin)
        refuse_too_long(where, self.row["length"])
        try:
            return self._decode(where)
        except (UserError, MemoryError):
            raise
        except Exception as error:  # arrow and PyAV raise errors of their own
            why = reason("episode.undecodable", error=f"{type(error).__name__}: {error}")
            raise EpisodeError(where, why, "unreadable") from error

    def _decode(self, where: Path) -> Episode:
        for file in self._files():
            if (why := placeholder(file)) is not None:
                raise EpisodeError(file, why, "not_an_episode")
        length, table = self.row["length"], self._table()
        actions = finite_actions(where, table[self.info.action].to_pylist())
        if len(actions) != length:
            why = reason("episode.actions_for_frames", actions=len(actions), frames=length)
            raise EpisodeError(where, why)
        instruction = episode_task(where, table, self.tasks, meta_texts(self.row))
        check_clock(where, table, self.info.fps)
        return Episode(
            id=Path(self.name).stem,
            images=stack_frames(where, self._frames(table), length),
            actions=self._velocities(actions),
            instruction=instruction or self.instruction,
            step=round(1 / self.info.fps, 9),
            event_types=self._events(),
        )

    def _velocities(self, actions: np.ndarray) -> np.ndarray:
        """(T, 2 or 3) float32 m/s, m/s, rad/s; a robot without a y velocity has y = 0."""
        if self.mapping.has_columns:
            return self.mapping.velocities(Path(self.origin), actions, self.info.names)
        x, y, turn = self.info.columns
        columns = [actions[:, x], np.zeros(len(actions)) if y is None else actions[:, y]]
        if turn is not None:
            turning = actions[:, turn]
            columns.append(np.deg2rad(turning) if self.info.degrees else turning)
        return np.stack(columns, axis=1).astype(np.float32)

    def _events(self) -> tuple[str, ...] | None:
        """The key events of an exported episode."""
        events = self.row.get(EVENTS)
        if not isinstance(events, list) or len(events) != self.row["length"]:
            return None
        return tuple(map(str, events))

    def _table(self) -> Any:
        """The episode's frames, sorted.

        Raises:
            EpisodeError: they stand in another file than meta says.
        """
        parquet, file = need("pyarrow.parquet", "lerobot"), self._data_file()
        present = set(parquet.read_schema(file).names)
        columns = [self.info.action, *(name for name in NUMBERS if name in present)]
        columns += [] if self.video else [self.camera]
        table = parquet.read_table(file, columns=columns, filters=self._filter)
        if not len(table):
            self._refuse_stale_file(file)
        return table.sort_by("frame_index")

    @property
    def _filter(self) -> list[tuple[str, str, int]]:
        return [("episode_index", "=", self.row["episode_index"])]

    def _refuse_stale_file(self, stated: Path) -> None:
        parquet = need("pyarrow.parquet", "lerobot")
        for file in sorted(self.info.root.glob("data/*/*.parquet"))[:MAX_DATA_FILES]:
            columns = ["episode_index"]
            if file != stated and len(
                parquet.read_table(file, columns=columns, filters=self._filter)
            ):
                why = reason("episode.stale_file", actual=file.stem, stated=stated.stem)
                raise EpisodeError(Path(self.origin), why, "inconsistent")

    def _frames(self, table: Any) -> Iterator[np.ndarray]:
        if not self.video:
            return (self._picture(cell.as_py()) for cell in table[self.camera])
        from mobile_vla.episodes.formats.video import read_frames

        start = float(self.row[f"videos/{self.camera}/from_timestamp"])
        return read_frames(self._video_file(), start, self.row["length"], self.info.fps)

    def _picture(self, cell: Mapping[str, Any]) -> np.ndarray:
        """A picture from its bytes, or from its path below the data set's folder."""
        where = Path(self.origin)
        if cell["bytes"] is not None:
            return read_picture(where, io.BytesIO(cell["bytes"]))
        name = str(cell["path"])
        file = episode_path(where, self.info.root, name)
        if not file.is_file():
            why = reason("episode.image_without_bytes", path=name)
            raise EpisodeError(where, why, "unreadable")
        return read_picture(where, file)

    def _files(self) -> list[Path]:
        return [self._data_file(), *([self._video_file()] if self.video else [])]

    def _data_file(self) -> Path:
        chunk, file = self.row["data/chunk_index"], self.row["data/file_index"]
        return self._file(self.info.data_path, chunk, file)

    def _video_file(self) -> Path:
        key = f"videos/{self.camera}"
        chunk, file = int(self.row[f"{key}/chunk_index"]), int(self.row[f"{key}/file_index"])
        return self._file(self.info.video_path, chunk, file)

    def _file(self, template: str, chunk: int, file: int) -> Path:
        name = template.format(video_key=self.camera, chunk_index=chunk, file_index=file)
        return episode_path(Path(self.origin), self.info.root, name)
