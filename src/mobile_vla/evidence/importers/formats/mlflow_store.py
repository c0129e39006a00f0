"""MLflow's stores, its sqlite database and its folder of files, opened for reading only."""

from __future__ import annotations

import contextlib
import itertools
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.evidence.importers.formats.metric_names import validation_loss
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile
from mobile_vla.study.yaml_text import load_yaml

TABLES = {"runs", "params", "metrics"}
ROWS = 200_000
FILE_LIMIT = 32 * 1024 * 1024
STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


@dataclass(slots=True)
class MlflowRun:
    """One run. `status` is what MLflow last heard, not what became of the process.

    `metrics`: (step, value) by name, in the order of their steps.
    """

    uuid: str
    name: str
    status: str
    start_ms: int | None
    end_ms: int | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    steps: int | None = None

    @property
    def val_losses(self) -> list[tuple[int, float]]:
        """(step, validation loss), empty where none has a usual name."""
        return self.metrics.get(validation_loss(self.metrics) or "", [])


def read_mlflow(path: Path) -> list[MlflowRun] | None:
    """The runs that are not deleted; None where the file is no MLflow database.

    Raises: UnreadableFile where the database is broken.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as db:
            tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
            return _runs(db) if tables >= TABLES else None
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            return None
        raise UnreadableFile("store_broken", text=str(error)) from error


def _runs(db: sqlite3.Connection) -> list[MlflowRun]:
    rows = db.execute(
        "SELECT run_uuid, name, status, start_time, end_time FROM runs "
        "WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
    )
    runs = {str(row[0]): MlflowRun(str(row[0]), str(row[1] or row[0]), str(row[2]),
                                   milliseconds(row[3]), milliseconds(row[4]))
            for row in rows}  # fmt: skip
    for uuid, key, value in db.execute(f"SELECT run_uuid, key, value FROM params LIMIT {ROWS}"):
        if uuid in runs:
            runs[uuid].params[str(key)] = str(value)
    for uuid, key in db.execute("SELECT DISTINCT run_uuid, key FROM metrics"):
        if uuid in runs:
            runs[uuid].metrics[str(key)] = []
    for uuid, run in runs.items():
        for name in {validation_loss(run.metrics), "epoch"} & run.metrics.keys():
            run.metrics[str(name)] = list(_values(db, uuid, str(name)))
    for uuid, step in db.execute("SELECT run_uuid, MAX(step) FROM metrics GROUP BY run_uuid"):
        if uuid in runs and isinstance(step, int):
            runs[uuid].steps = step
    return list(runs.values())


def _values(db: sqlite3.Connection, uuid: str, name: str) -> Iterator[tuple[int, float]]:
    rows = db.execute(
        "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? AND is_nan = 0 "
        f"ORDER BY step LIMIT {ROWS}",
        (uuid, name),
    )
    for step, value in rows:
        if isinstance(step, int) and isinstance(value, int | float):
            yield step, float(value)


def milliseconds(value: object) -> int | None:
    """A time as MLflow stores it, None where there is none."""
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) else None


def read_mlflow_folder(meta: Path) -> MlflowRun | None:
    """One run of a file store by its `meta.yaml`; None where it is deleted or is no run's.

    Raises: OSError; UnreadableFile where `meta.yaml` is no plain mapping.
    """
    entries = _meta(meta)
    uuid = entries.get("run_id") or entries.get("run_uuid")
    if not uuid or entries.get("lifecycle_stage", "active") != "active":
        return None
    status = entries.get("status", "")
    run = MlflowRun(
        uuid,
        entries.get("run_name") or uuid,
        STATUS.get(status, status),
        milliseconds(entries.get("start_time")),
        milliseconds(entries.get("end_time")),
    )
    run.params = {name: _text(path) for name, path in _files(meta.parent / "params")}
    for name, path in _files(meta.parent / "metrics"):
        run.metrics[name] = sorted(_lines(path), key=lambda row: row[0])
    run.steps = max((row[0] for rows in run.metrics.values() for row in rows), default=None)
    return run


def _meta(path: Path) -> dict[str, str]:
    """Top-level `key: value` lines, every value as its text."""
    try:
        content = load_yaml(_text(path), scalars_as_text=True)
    except ValueError as error:
        raise UnreadableFile("no_plain_yaml", text=str(error)) from error
    if not isinstance(content, dict):
        raise UnreadableFile("no_keys")
    return {str(key): value for key, value in content.items() if isinstance(value, str)}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files by their path below the folder: a metric `val/loss` is a file `loss` in `val`."""
    if folder.is_dir():
        for path in sorted(itertools.islice(folder.rglob("*"), ROWS)):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _text(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(64 * 1024)


def _lines(path: Path) -> Iterator[tuple[int, float]]:
    """(step, value) of lines `milliseconds value step`."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read(FILE_LIMIT).splitlines():
            parts = line.split()
            try:
                step, value = int(parts[2]), float(parts[1])
            except (IndexError, ValueError):
                continue
            if math.isfinite(value):
                yield step, value
