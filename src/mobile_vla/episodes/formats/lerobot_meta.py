"""The `meta` folder of a LeRobotDataset v3.0: info, tasks, and a row for each episode.

Layout: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.episodes.formats.recording_map import NO_MAP, RecordingMap
from mobile_vla.episodes.optional_imports import need
from mobile_vla.messages.errors import UserError

VELOCITIES = (
    ("x.vel", "linear_x", "linear.x", "linear_velocity", "vx"),
    ("y.vel", "linear_y", "linear.y", "vy"),
    ("theta.vel", "angular_z", "angular.z", "angular_velocity", "wz"),
)
"""Names of the action columns x, y and turn. LeKiwi uses the first, EarthRover the fourth."""
EPISODE_NUMBERS = ("episode_index", "length", "data/chunk_index", "data/file_index")
"""Columns that every row of meta/episodes must have."""
TURNS_IN_DEGREES = "lekiwi"
"""Robots, by the beginning of their type, whose turning is in degrees a second."""
MAX_FPS = 1000
MAX_WIDTH = 12
"""Digits to which a path template may pad a number."""
TEMPLATE_FIELDS = {"video_key": "x", "chunk_index": 0, "file_index": 0}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LeRobotInfo:
    """`meta/info.json`. `names` are the columns of the feature `action`.

    `columns` are the indices of x, y (None: always 0) and turn (None: none) in it.
    """

    root: Path
    features: Mapping[str, Any]
    data_path: str
    video_path: str
    fps: float
    degrees: bool
    action: str
    names: list[str]
    columns: tuple[int, int | None, int | None]


def read_info(path: Path, mapping: RecordingMap = NO_MAP) -> LeRobotInfo:
    """Read `meta/info.json` of the data set in `path`; `mapping` may name the action's columns.

    Raises:
        UserError: not a LeRobotDataset, not v3, frames in another storage format, a path template
            with unknown fields, or no x velocity with a y velocity or a turn.
    """
    file = path / "meta" / "info.json"
    try:
        info: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        version, features = str(info["codebase_version"]), info["features"]
        if not all(isinstance(feature, dict) for feature in features.values()):
            raise KeyError("features")
        if not 0 < info["fps"] <= MAX_FPS:
            raise KeyError("fps")
        _refuse_other_layouts(path, version, info.get("storage_format"))
        data_path, video_path = info["data_path"], info.get("video_path") or ""
        for template in (data_path, video_path):
            check_template(template)
    except UserError:
        raise
    except Exception as error:  # of values of every kind
        raise UserError(f"{file} does not describe a LeRobotDataset ({error!r}).") from error
    action = mapping.actions or "action"
    names = _names(features.get(action, {}))
    return LeRobotInfo(
        root=path,
        features=features,
        data_path=data_path,
        video_path=video_path,
        fps=float(info["fps"]),
        degrees=str(info.get("robot_type")).startswith(TURNS_IN_DEGREES),
        action=action,
        names=names,
        columns=(0, None, None) if mapping.has_columns else _columns(path, names),
    )


def check_template(template: str) -> None:
    """Refuse a path template with fields or formats that LeRobot does not use.

    Raises:
        ValueError: another field, a conversion, or a width of more than `MAX_WIDTH`.

    >>> check_template("data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet")
    """
    for _, field, spec, conversion in string.Formatter().parse(template):
        if field is None:
            continue
        digits = (spec or "").removesuffix("d")
        if field not in TEMPLATE_FIELDS or conversion or (digits and not digits.isdecimal()):
            raise ValueError(f"{{{field}:{spec}}} in a path")
        if len(digits) > 3 or int(digits or 0) > MAX_WIDTH:
            raise ValueError(f"a width of {digits[:12]} in a path")


def choose_camera(info: LeRobotInfo, chosen: str | None) -> str:
    """The feature that holds the pictures: the only camera, or the `chosen` one.

    Raises:
        UserError: no camera, no such camera, or several and none chosen.
    """
    cameras = [name for name, f in info.features.items() if f.get("dtype") in ("image", "video")]
    matching = [c for c in cameras if chosen in (None, c, c.rpartition(".")[2])]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(cameras) or "none"
    raise UserError(f"{info.root} has the cameras {listed}: choose one of them with --camera.")


def read_tasks(path: Path) -> dict[int, str] | None:
    """Instructions by `task_index`; None where there is no table of tasks.

    The text is the column beside `task_index`, whatever its name. Without tasks.parquet, the
    tasks.jsonl of older versions is read.

    Raises:
        UserError: the table is damaged.
    """
    file, older = path / "meta" / "tasks.parquet", path / "meta" / "tasks.jsonl"
    if file.exists():
        rows = _rows(path, file, ("task_index",))
    elif older.exists():
        try:
            rows = [msgspec.json.decode(line, type=dict) for line in _lines(older)]
            rows = [{**row, "task_index": int(row["task_index"])} for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{older} cannot be read ({error}): copy {path} again.") from error
    else:
        return None
    texts = {k for row in rows for k in row} - {"task_index"}
    return {row["task_index"]: str(row[name]) for row in rows for name in sorted(texts)[:1]}


def read_episode_rows(path: Path) -> list[Row]:
    """The rows of meta/episodes by episode, without statistics.

    Raises:
        UserError: a table is damaged or lacks a column.
    """
    files = sorted((path / "meta" / "episodes").glob("chunk-*/file-*.parquet"))
    rows = [row for file in files for row in _rows(path, file, EPISODE_NUMBERS)]
    return sorted(rows, key=lambda row: int(row["episode_index"]))


def meta_texts(row: Row) -> list[str]:
    """The instructions that a row of meta/episodes gives."""
    tasks = row.get("tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks
    return [str(task) for task in tasks] if isinstance(tasks, list) else []


def _lines(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines() if line.strip()]


def _refuse_other_layouts(path: Path, version: str, storage: object) -> None:
    if not version.startswith("v3"):
        raise UserError(
            f"{path} is a LeRobotDataset {version}, and v3.0 is read: convert it with LeRobot's "
            "convert_dataset_v21_to_v30 first."
        )
    if storage not in (None, "parquet"):
        raise UserError(
            f"{path} has the storage_format {storage!r}, and parquet is read: "
            "convert it with LeRobot first."
        )


def _names(action: Mapping[str, Any]) -> list[str]:
    names = action.get("names") or []
    if isinstance(names, dict):
        names = [name for group in names.values() for name in group]
    return [str(name) for name in names]


def _columns(path: Path, names: list[str]) -> tuple[int, int | None, int | None]:
    x, y, turn = (
        next((names.index(name) for name in synonyms if name in names), None)
        for synonyms in VELOCITIES
    )
    if x is None or (y is None and turn is None):
        raise UserError(
            f"The actions of {path} are {', '.join(names) or 'unnamed'}, where x.vel and "
            "y.vel or theta.vel are needed: name its columns with --map, if it is a mobile base."
        )
    return x, y, turn


def _rows(path: Path, file: Path, numbers: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a table in meta, statistics left out, with `numbers` as int."""
    parquet = need("pyarrow.parquet", "lerobot")
    try:
        names = [n for n in parquet.read_schema(file).names if not n.startswith("stats/")]
        rows: list[dict[str, Any]] = parquet.read_table(file, columns=names).to_pylist()
        for row in rows:
            row.update({name: int(row[name]) for name in numbers})
    except Exception as error:  # arrow raises errors of its own
        raise UserError(f"{file} cannot be read ({error}): copy {path} again.") from error
    return rows
