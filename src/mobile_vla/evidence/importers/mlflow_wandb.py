"""Runs as MLflow and W&B kept them: what a tracker was told is no proof of how a process ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mobile_vla.evidence.importers.lightning_csv import number
from mobile_vla.evidence.importers.mlflow_store import MlflowRun, read_mlflow
from mobile_vla.evidence.importers.run_builder import Files, factors_of, make_view, settings_known
from mobile_vla.evidence.importers.wandb_files import Wandb, read_wandb
from mobile_vla.evidence.model import Evidence, Foreign, Loss, RunView, State

MLFLOW: dict[str, tuple[State, str]] = {
    "RUNNING": ("unknown", "MLflow says RUNNING, as it does for ever after a kill"),
    "SCHEDULED": ("queued", "MLflow says SCHEDULED"),
    "FINISHED": (
        "unverified",
        "MLflow says FINISHED, as it also does after an uncaught exception; "
        "no checkpoint was scanned with it",
    ),
    "FAILED": ("failed", "MLflow says FAILED and keeps no reason"),
    "KILLED": ("killed", "MLflow says KILLED"),
}


def mlflow_views(path: Path, files: Files) -> list[RunView]:
    """Every run of an MLflow store; none where the database is another program's."""
    return [_mlflow_view(path, run, files) for run in read_mlflow(path) or ()]


def _mlflow_view(path: Path, run: MlflowRun, files: Files) -> RunView:
    at = files.at(path, f"table runs, run_uuid {run.uuid}")
    settings = settings_known(run.params, files.at(path, f"table params, run_uuid {run.uuid}"))
    losses = [
        Loss(epoch=None, value=value, evidence=files.at(path, f"table metrics, step {step}"))
        for step, value in run.val_losses
    ]
    foreign = Foreign(maker="MLflow", files=[path.as_posix()], val_losses=losses, settings=settings)
    verdict = MLFLOW.get(run.status, ("unknown", f"MLflow says {run.status}"))
    return make_view(
        run.name, path / run.uuid, verdict, [at], foreign,
        factors=factors_of(settings), started=_time(run.start_ms), last_sign=_time(run.end_ms),
        steps=run.steps,
    )  # fmt: skip


def wandb_view(path: Path, files: Files) -> RunView:
    """One W&B offline file. Errors: `OSError`; `ValueError` where it is none."""
    read = read_wandb(path)
    at = files.at(path)
    settings = settings_known({k: v for k, v in read.config.items() if k != "_wandb"}, at)
    losses = [
        Loss(epoch=_epoch(values), value=float(loss), evidence=files.at(path, f"record {record}"))
        for record, values in read.history
        for loss in (values.get("val_loss", values.get("val/loss")),)
        if isinstance(loss, int | float)
    ]
    steps = [values["_step"] for _, values in read.history if isinstance(values.get("_step"), int)]
    state, why, evidence = _wandb_state(path, read, files)
    foreign = Foreign(maker="W&B", files=[path.as_posix()], val_losses=losses, settings=settings)
    return make_view(
        read.name or path.stem, path, (state, why), [evidence], foreign,
        conflicts=[f"{path.name}: {read.problem}"] if read.problem else [],
        factors=factors_of(settings), steps=max(steps, default=None),
    )  # fmt: skip


def _wandb_state(path: Path, read: Wandb, files: Files) -> tuple[State, str, Evidence]:
    if read.exit_code is None:
        why = "its file ends without an exit record, so how it ended is unknown"
        return "unknown", why, files.at(path)
    record, code = read.exit_code
    at = files.at(path, f"record {record}")
    if code:
        return "failed", f"W&B recorded exit code {code}", at
    why = "W&B recorded exit code 0; no checkpoint was scanned with it"
    return "unverified", why, at


def _epoch(values: dict[str, object]) -> int | None:
    epoch = values.get("epoch")
    found = epoch if isinstance(epoch, int | float) else number(epoch)
    return int(found) if found is not None and abs(found) < 1e9 else None


def _time(milliseconds: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (ValueError, OverflowError, OSError):
        return None
