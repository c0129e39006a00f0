"""trackio's sqlite database of a project, opened for reading only."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.evidence.importers.formats.mlflow_store import ROWS
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile

TABLES = {"metrics", "configs", "project_metadata"}


@dataclass(slots=True)
class TrackioRun:
    """One run, of whose end trackio records nothing. `rows`: (id, step, values) as logged."""

    run_id: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)


def read_trackio(path: Path) -> list[TrackioRun] | None:
    """The runs of a project; None where the file is no database of trackio.

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


def _runs(db: sqlite3.Connection) -> list[TrackioRun]:
    runs: dict[str, TrackioRun] = {}
    for run_id, name, config in db.execute(
        f"SELECT run_id, run_name, config FROM configs ORDER BY id LIMIT {ROWS}"
    ):
        run = runs.setdefault(str(run_id), TrackioRun(str(run_id), str(name)))
        run.config |= {key: v for key, v in _values(config).items() if not key.startswith("_")}
    for number, run_id, name, step, values in db.execute(
        f"SELECT id, run_id, run_name, step, metrics FROM metrics ORDER BY id LIMIT {ROWS}"
    ):
        run = runs.setdefault(str(run_id), TrackioRun(str(run_id), str(name)))
        if isinstance(step, int):
            run.rows.append((number, step, _values(values)))
    return list(runs.values())


def _values(text: Any) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, TypeError, UnicodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
