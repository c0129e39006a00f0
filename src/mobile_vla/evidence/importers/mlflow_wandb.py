"""Runs as MLflow, W&B and trackio stored them: a tracker's status proves no process's end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.formats.console_metrics import hugging_face_epoch
from mobile_vla.evidence.importers.formats.metric_names import of_validation, validation_loss
from mobile_vla.evidence.importers.formats.mlflow_store import (
    MlflowRun,
    read_mlflow,
    read_mlflow_folder,
)
from mobile_vla.evidence.importers.formats.trackio_store import TrackioRun, read_trackio
from mobile_vla.evidence.importers.formats.wandb_files import WandbFile, read_wandb
from mobile_vla.evidence.importers.run_builder import Files, factors_of, known_settings, make_view
from mobile_vla.evidence.model import Evidence, Foreign, Loss, RunView, State
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.metrics_csv import as_count

MLFLOW: dict[str, tuple[State, str]] = {
    "RUNNING": ("unknown", "mlflow_running"),
    "SCHEDULED": ("queued", "mlflow_status"),
    "FINISHED": ("unverified", "mlflow_finished"),
    "FAILED": ("failed", "mlflow_failed"),
    "KILLED": ("killed", "mlflow_status"),
}


def mlflow_views(path: Path, files: Files) -> list[RunView]:
    """Every run of an MLflow database; none where the database is another program's."""
    return [_mlflow_view(path, path / run.uuid, run, files) for run in read_mlflow(path) or ()]


def mlflow_folder_views(meta: Path, files: Files) -> list[RunView]:
    """The run of a folder of MLflow's file store; none where it is deleted."""
    run = read_mlflow_folder(meta)
    return [_mlflow_view(meta, meta.parent, run, files)] if run else []


def _mlflow_view(file: Path, folder: Path, run: MlflowRun, files: Files) -> RunView:
    def at(table: str, key: str = "") -> Evidence:
        if file.name == "meta.yaml":
            return files.at(file if table == "runs" else file.parent / table / key)
        return files.at(file, f"table {table}, {key or f'run_uuid {run.uuid}'}")

    settings = known_settings(run.params, at("params"))
    name = validation_loss(run.metrics) or ""
    epochs = {step: as_count(value) for step, value in run.metrics.get("epoch", [])}
    losses = [
        Loss(epoch=epochs.get(step), value=value, step=step,
             evidence=at("metrics", name if file.name == "meta.yaml" else f"step {step}"))
        for step, value in run.val_losses
    ]  # fmt: skip
    state, code = MLFLOW.get(run.status, ("unknown", "mlflow_status"))
    fields = {"status": run.status} if code == "mlflow_status" else {}
    foreign = Foreign(maker="MLflow", files=[file.as_posix()], val_losses=losses, settings=settings)
    return make_view(
        run.name, folder, (state, reason(f"import.{code}", **fields)), [at("runs")], foreign,
        conflicts=unread_metrics(file, run.metrics, losses), factors=factors_of(settings),
        started=_time(run.start_ms), last_sign=_time(run.end_ms), steps=run.steps,
    )  # fmt: skip


def trackio_views(path: Path, files: Files) -> list[RunView]:
    """Every run of a database of trackio; none where the database is another program's."""
    return [_trackio_view(path, run, files) for run in read_trackio(path) or ()]


def _trackio_view(path: Path, run: TrackioRun, files: Files) -> RunView:
    at = files.at(path, f"table metrics, run_id {run.run_id}")
    settings = known_settings(run.config, files.at(path, f"table configs, run_id {run.run_id}"))
    names = dict.fromkeys(key for _, _, values in run.rows for key in values)
    losses = [
        Loss(epoch=_epoch(values), value=float(value), step=step,
             evidence=files.at(path, f"table metrics, row {number}"))
        for number, step, values in run.rows
        if isinstance(value := values.get(validation_loss(names) or ""), int | float)
    ]  # fmt: skip
    foreign = Foreign(maker="trackio", files=[path.as_posix()], val_losses=losses,
                      settings=settings)  # fmt: skip
    return make_view(
        run.name, path / run.run_id, ("unknown", reason("import.trackio_no_end")), [at], foreign,
        conflicts=unread_metrics(path, names, losses), factors=factors_of(settings),
        steps=max((step for _, step, _ in run.rows), default=None),
    )  # fmt: skip


def unread_metrics(file: Path, names: Any, losses: list[Loss]) -> list[Reason]:
    """The metrics of validation that a file has, where no loss among them is read."""
    other = of_validation(names)[:12]
    if losses or not other:
        return []
    return [reason("import.other_metrics", file=file.as_posix(), names=list(other))]


def wandb_view(path: Path, files: Files) -> RunView:
    """One W&B offline file.

    Raises: OSError; UnreadableFile where it is none.
    """
    content = read_wandb(path)
    at = files.at(path)
    config = {key: value for key, value in content.config.items() if not key.startswith("_wandb")}
    settings = known_settings(config, at)
    names = dict.fromkeys(key for _, values in content.history for key in values)
    losses = _wandb_losses(path, content, validation_loss(names) or "", files)
    steps = [step for _, values in content.history if isinstance(step := values.get("_step"), int)]
    state, why, evidence = _wandb_state(path, content, files)
    foreign = Foreign(maker="W&B", files=[path.as_posix()], val_losses=losses, settings=settings)
    cut = content.problem
    notes = [reason("import.file_note", file=path.name, note=cut)] if cut else []
    return make_view(
        content.name or path.stem, path, (state, why), [evidence], foreign,
        conflicts=[*notes, *unread_metrics(path, names, losses)],
        factors=factors_of(settings), steps=max(steps, default=None),
    )  # fmt: skip


def _wandb_losses(path: Path, content: WandbFile, name: str, files: Files) -> list[Loss]:
    losses = []
    for record, values in content.history:
        value, step = values.get(name), values.get("_step")
        if isinstance(value, int | float):
            losses.append(Loss(
                epoch=_epoch(values), value=float(value),
                step=step if isinstance(step, int) else None,
                evidence=files.at(path, f"record {record}"),
            ))  # fmt: skip
    return losses


def _wandb_state(path: Path, content: WandbFile, files: Files) -> tuple[State, Reason, Evidence]:
    if content.exit_code is None:
        return "unknown", reason("import.wandb_no_exit"), files.at(path)
    record, code = content.exit_code
    at = files.at(path, f"record {record}")
    if code:
        return "failed", reason("import.wandb_failed", exit=code), at
    return "unverified", reason("import.wandb_exit_zero"), at


def _epoch(values: dict[str, Any]) -> int | None:
    """Lightning's `epoch` counts from 0; `train/epoch` is Hugging Face's fraction."""
    epoch, fraction = values.get("epoch"), values.get("train/epoch")
    if isinstance(epoch, int | float) and abs(epoch) < 1e9:
        return int(epoch)
    return hugging_face_epoch(fraction)


def _time(milliseconds: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (ValueError, OverflowError, OSError):
        return None
