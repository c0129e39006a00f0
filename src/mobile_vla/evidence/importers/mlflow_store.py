"""MLflow's sqlite store, opened for reading only."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

TABLES = {"runs", "params", "metrics"}
ROWS = 200_000


@dataclass(slots=True)
class MlflowRun:
    """One row of `runs`. `status` is what MLflow last heard, not what became of the process."""

    uuid: str
    name: str
    status: str
    start_ms: int | None
    end_ms: int | None
    params: dict[str, str] = field(default_factory=dict)
    val_losses: list[tuple[int, float]] = field(default_factory=list)
    steps: int | None = None


def read_mlflow(path: Path) -> list[MlflowRun] | None:
    """The runs that are not deleted; None where the file is no MLflow store.

    Errors: `ValueError` where the store is broken.
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
        raise ValueError(f"the store is broken ({error})") from error


def _runs(db: sqlite3.Connection) -> list[MlflowRun]:
    rows = db.execute(
        "SELECT run_uuid, name, status, start_time, end_time FROM runs "
        "WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
    )
    runs = {str(row[0]): MlflowRun(str(row[0]), str(row[1] or row[0]), str(row[2]), _ms(row[3]),
                                   _ms(row[4])) for row in rows}  # fmt: skip
    for uuid, key, value in db.execute(f"SELECT run_uuid, key, value FROM params LIMIT {ROWS}"):
        if uuid in runs:
            runs[uuid].params[str(key)] = str(value)
    losses = db.execute(
        "SELECT run_uuid, step, value FROM metrics WHERE key IN ('val_loss', 'val/loss') "
        f"AND is_nan = 0 ORDER BY run_uuid, step LIMIT {ROWS}"
    )
    for uuid, step, value in losses:
        if uuid in runs and isinstance(value, int | float):
            runs[uuid].val_losses.append((int(step), float(value)))
    for uuid, step in db.execute("SELECT run_uuid, MAX(step) FROM metrics GROUP BY run_uuid"):
        if uuid in runs and isinstance(step, int):
            runs[uuid].steps = step
    return list(runs.values())


def _ms(value: object) -> int | None:
    return value if isinstance(value, int) else None
