"""Reading a LeRobotDataset v3.0 (Hugging Face): parquet tables, and pictures inside or as video.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import EVENTS
from mobile_vla.episodes.formats.import_source import (
    Choice,
    Source,
    Sources,
    file_stamp,
    read_picture,
    write_new,
)
from mobile_vla.episodes.formats.validation import (
    EpisodeError,
    refuse_long,
    sound_actions,
    stack_frames,
)
from mobile_vla.episodes.optional_imports import need
from mobile_vla.messages.errors import UserError

VELOCITIES = (
    ("x.vel", "linear_x", "linear.x"),
    ("y.vel", "linear_y", "linear.y"),
    ("theta.vel", "angular_z", "angular.z"),
)
"""Names under which an action's column is one of ours. LeRobot's LeKiwi uses the first."""
TASK_NUMBERS = ("task_index",)
EPISODE_NUMBERS = ("episode_index", "length", "data/chunk_index", "data/file_index")
"""What every line of the two tables in meta must have."""
TURNS_IN_DEGREES = "lekiwi"
"""Robots, by the beginning of their type, whose turning is in degrees a second."""
OUR_ID = "mobile_vla_id"
"""Column of meta/episodes in which an export keeps our id; others' data sets have none."""


def lerobot_sources(path: Path, choice: Choice) -> Sources:
    """Every episode of the data set in `path`.

    Raises:
        UserError: not v3, no camera (or several and none chosen), no x and y velocity.
    """
    info = _info(path)
    camera = _camera(path, info["features"], choice.camera)
    columns = _columns(path, info["features"].get("action", {}))
    tasks = _tasks(path)
    episodes: list[Source] = []
    findings = []
    for row in _episode_rows(path):
        told = [str(task) for task in row.get("tasks") or ()]
        source = LeRobotSource(
            root=path,
            row=row,
            camera=camera,
            video=info["features"][camera]["dtype"] == "video",
            templates=(info["data_path"], info.get("video_path") or ""),
            columns=columns,
            degrees=str(info.get("robot_type")).startswith(TURNS_IN_DEGREES),
            fps=float(info["fps"]),
            instruction=(told or [tasks.get(int(row.get("task_index") or 0), "")])[0],
        )
        if len(told) > 1:
            what = f"holds {len(told)} different instructions"
            findings.append(Finding(source.origin, what, "shape_or_type"))
        else:
            episodes.append(source)
    return Sources(path, "LeRobotDataset v3", episodes, findings)


@dataclass(frozen=True, slots=True)
class LeRobotSource:
    """One episode; `row` is its line of meta/episodes, `columns` those of action that are ours."""

    root: Path
    row: Mapping[str, Any]
    camera: str
    video: bool
    templates: tuple[str, str]
    columns: tuple[int, ...]
    degrees: bool
    fps: float
    instruction: str

    @property
    def name(self) -> str:
        """The id that an export kept, else the data set's name and the episode's number."""
        kept = self.row.get(OUR_ID)
        if kept and Path(kept).name == kept:
            return f"{kept}.h5"
        return f"{self.root.absolute().name}_{self.row['episode_index']:06d}.h5"

    @property
    def origin(self) -> str:
        """The data set's folder and the episode's number."""
        return f"{self.root.absolute()}#{self.row['episode_index']}"

    @property
    def stamp(self) -> str:
        """Those of the files that hold the episode."""
        try:
            files = [self._data_file(), *([self._video_file()] if self.video else [])]
        except (LookupError, TypeError, ValueError):
            return ""  # what is missing is told when the episode is read
        return " ".join(file_stamp(file) for file in files)

    def bring(self, file: Path) -> Episode:
        """See `Source.bring`."""
        return write_new(file, self.read())

    def read(self) -> Episode:
        """Decode the episode.

        Raises:
            EpisodeError: a file is missing or damaged, or holds fewer frames than it should.
        """
        length, where = self.row["length"], Path(self.origin)
        refuse_long(where, length)
        try:
            table = self._table()
            actions = sound_actions(where, table["action"].to_pylist())
            if len(actions) != length:
                raise EpisodeError(where, f"has {len(actions)} actions for {length} frames")
            images = stack_frames(where, self._frames(table), length)
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError) as error:
            what = f"cannot be decoded ({type(error).__name__}: {error})"
            raise EpisodeError(where, what, "unreadable") from error
        return Episode(
            id=Path(self.name).stem,
            images=images,
            actions=self._velocities(actions),
            instruction=self.instruction,
            step=round(1 / self.fps, 9),
            event_types=self._events(),
        )

    def _velocities(self, actions: np.ndarray) -> np.ndarray:
        """(T, 2 or 3) float32 m/s, m/s, rad/s of all that the robot was told."""
        own = np.ascontiguousarray(actions[:, list(self.columns)])
        if self.degrees:
            own[:, 2:] = np.deg2rad(own[:, 2:])
        return own

    def _events(self) -> tuple[str, ...] | None:
        """The key events that an export kept."""
        kept = self.row.get(EVENTS)
        if kept is None or len(kept) != self.row["length"]:
            return None
        return tuple(map(str, kept))

    def _table(self) -> Any:
        parquet = need("pyarrow.parquet", "lerobot")
        columns = ["action", "frame_index", *([] if self.video else [self.camera])]
        own = [("episode_index", "=", self.row["episode_index"])]
        table = parquet.read_table(self._data_file(), columns=columns, filters=own)
        return table.sort_by("frame_index")

    def _frames(self, table: Any) -> Iterator[np.ndarray]:
        if not self.video:
            cells = (io.BytesIO(cell["bytes"].as_py()) for cell in table[self.camera])
            return (read_picture(Path(self.origin), cell) for cell in cells)
        from mobile_vla.episodes.formats.video import read_frames

        start = float(self.row[f"videos/{self.camera}/from_timestamp"])
        return read_frames(self._video_file(), start, self.row["length"], self.fps)

    def _data_file(self) -> Path:
        chunk, file = self.row["data/chunk_index"], self.row["data/file_index"]
        return self.root / self.templates[0].format(chunk_index=chunk, file_index=file)

    def _video_file(self) -> Path:
        key = f"videos/{self.camera}"
        chunk, file = int(self.row[f"{key}/chunk_index"]), int(self.row[f"{key}/file_index"])
        return self.root / self.templates[1].format(
            video_key=self.camera, chunk_index=chunk, file_index=file
        )


def _info(path: Path) -> dict[str, Any]:
    file = path / "meta" / "info.json"
    try:
        info: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        version = str(info["codebase_version"])
        features = info["features"].values()
        if not all(isinstance(f, dict) for f in features):
            raise KeyError("features")
        info["data_path"].format(chunk_index=0, file_index=0)
        if not info["fps"] > 0:
            raise KeyError("fps")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{file} does not describe a LeRobotDataset ({error!r}).") from error
    if not version.startswith("v3"):
        raise UserError(
            f"{path} is a LeRobotDataset {version}, and v3.0 is read: convert it with LeRobot's "
            "convert_dataset_v21_to_v30 first."
        )
    return info


def _camera(path: Path, features: Mapping[str, Any], chosen: str | None) -> str:
    cameras = [name for name, f in features.items() if f.get("dtype") in ("image", "video")]
    if chosen:
        cameras = [c for c in cameras if chosen in (c, c.rpartition(".")[2])] or cameras
    if len(cameras) == 1 and (not chosen or chosen in (cameras[0], cameras[0].rpartition(".")[2])):
        return cameras[0]
    said = ", ".join(cameras) or "none"
    raise UserError(f"{path} has the cameras {said}: choose one of them with --camera.")


def _columns(path: Path, action: Mapping[str, Any]) -> tuple[int, ...]:
    names = action.get("names") or []
    if isinstance(names, dict):
        names = [name for group in names.values() for name in group]
    places = [next((names.index(n) for n in known if n in names), None) for known in VELOCITIES]
    if None in places[:2]:
        raise UserError(
            f"The actions of {path} are {', '.join(map(str, names)) or 'unnamed'}, where x.vel and "
            "y.vel are needed: it is a recording of another kind of robot."
        )
    return tuple(place for place in places if place is not None)


def _tasks(path: Path) -> dict[int, str]:
    """Instructions by `task_index`: the text is the column that is not it, whatever its name."""
    file = path / "meta" / "tasks.parquet"
    if not file.exists():
        return {}
    rows = _rows(path, file)
    texts = {k for row in rows for k in row} - {"task_index"}
    return {row["task_index"]: str(row[name]) for row in rows for name in sorted(texts)[:1]}


def _episode_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of meta/episodes in order."""
    files = sorted((path / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    return sorted(
        (row for file in files for row in _rows(path, file)), key=lambda row: row["episode_index"]
    )


def _rows(path: Path, file: Path) -> list[dict[str, Any]]:
    """The lines of one of the files in meta, statistics left out."""
    parquet = need("pyarrow.parquet", "lerobot")
    numbers = TASK_NUMBERS if file.stem == "tasks" else EPISODE_NUMBERS
    try:
        names = parquet.read_schema(file).names
        wanted = [name for name in names if not name.startswith("stats/")]
        rows: list[dict[str, Any]] = parquet.read_table(file, columns=wanted).to_pylist()
        for row in rows:
            row.update({name: int(row[name]) for name in numbers})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} cannot be read ({error}): copy {path} again.") from error
    return rows
