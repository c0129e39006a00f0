"""Hugging Face Trainer's folders, by `trainer_state.json`, and histories such as Keras'."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.discover import absolute
from mobile_vla.evidence.importers.formats.console_metrics import hugging_face_epoch
from mobile_vla.evidence.importers.formats.metric_names import validation_loss
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile
from mobile_vla.evidence.importers.join_files import folder_name
from mobile_vla.evidence.importers.mlflow_wandb import unread_metrics
from mobile_vla.evidence.importers.run_builder import Files, factors_of, known_settings, make_view
from mobile_vla.evidence.importers.step_checkpoints import STEP, step_state, step_view
from mobile_vla.evidence.model import Foreign, Loss, RunView
from mobile_vla.messages.reason import reason

LIMIT = 64 * 1024 * 1024
SETTINGS = ("num_train_epochs", "max_steps", "train_batch_size", "save_steps", "eval_steps")


def trainer_folders(states: Iterable[Path]) -> dict[Path, list[Path]]:
    """The `trainer_state.json` files by run folder, the last written step last."""
    folders: dict[Path, list[Path]] = {}
    for state in states:
        parent = absolute(state).parent
        inside = parent.name.startswith("checkpoint-")
        folders.setdefault(parent.parent if inside else parent, []).append(state)
    return {folder: sorted(files, key=_order) for folder, files in folders.items()}


def _order(path: Path) -> tuple[bool, int]:
    name = absolute(path).parent.name
    step = STEP.search(name) if name.startswith("checkpoint-") else None
    return step is None, int(step[1]) if step else 0


def trainer_view(folder: Path, states: list[Path], files: Files) -> RunView:
    """One run of Hugging Face's Trainer: its last state and its checkpoints.

    Raises: OSError; ValueError where the state cannot be read.
    """
    path = states[-1]
    state = _json(path)
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        raise UnreadableFile("no_keys")
    rows = [row for row in state["log_history"] if isinstance(row, dict)]
    name = validation_loss(key for row in rows for key in row) or ""
    losses = [
        Loss(
            epoch=hugging_face_epoch(row.get("epoch")),
            step=_integer(row.get("step")),
            value=float(row[name]),
            evidence=files.at(path, f"log_history, step {row.get('step')}"),
        )
        for row in rows
        if isinstance(row.get(name), int | float)
    ]
    inside = [file.parent for file in states if _order(file)[0] is False]
    views = [step_view(checkpoint, absolute(checkpoint).name, files) for checkpoint in inside]
    steps, total = _integer(state.get("global_step")), _integer(state.get("max_steps"))
    settings = known_settings({key: state[key] for key in SETTINGS if key in state}, files.at(path))
    foreign = Foreign(
        maker="HF Trainer", files=[file.as_posix() for file in states], val_losses=losses,
        checkpoints=views, settings=settings, max_epochs=_integer(state.get("num_train_epochs")),
    )  # fmt: skip
    epoch = state.get("epoch")
    return make_view(
        folder_name(folder), folder, step_state(views, steps, total or None),
        [files.at(path, "key global_step")], foreign, factors=factors_of(settings),
        steps=steps, total_steps=total or None,
        epochs=int(epoch + 1e-6) if isinstance(epoch, int | float) and 0 <= epoch < 1e9 else None,
    )  # fmt: skip


def history_view(path: Path, files: Files) -> RunView:
    """A history that a script stored as JSON: columns as Keras stores them, or a row an epoch.

    Raises: OSError; UnreadableFile where it is none.
    """
    names, rows = _rows(_json(path))
    column = validation_loss(names) or ""
    losses = [
        Loss(epoch=epoch, value=float(row[column]), evidence=files.at(path, f"{column}, row {n}"))
        for n, (epoch, row) in enumerate(rows)
        if isinstance(row.get(column), int | float)
    ]
    folder = absolute(path).parent
    epochs = [epoch for epoch, _ in rows if epoch is not None]
    return make_view(
        folder_name(folder), path, ("unknown", reason("import.history_only")), [files.at(path)],
        Foreign(maker="unknown", files=[path.as_posix()], val_losses=losses),
        conflicts=unread_metrics(path, names, losses),
        epochs=max(epochs) + 1 if epochs else None,
    )  # fmt: skip


Rows = list[tuple[int | None, Mapping[str, Any]]]


def _rows(content: Any) -> tuple[list[str], Rows]:
    """(epoch, values) of every row, and the names of the columns."""
    if isinstance(content, dict) and isinstance(content.get("history"), dict | list):
        content = content["history"]
    if isinstance(content, dict):
        columns = {str(key): column for key, column in content.items() if isinstance(column, list)}
        length = max(map(len, columns.values()), default=0)
        rows: Rows = [
            (n, {key: column[n] for key, column in columns.items() if n < len(column)})
            for n in range(length)
        ]
    elif isinstance(content, list):
        rows = [(_integer(row.get("epoch")), row) for row in content if isinstance(row, dict)]
    else:
        rows = []
    names = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    if not rows or not any("loss" in name or name == "epoch" for name in names):
        raise UnreadableFile("no_metric_columns")
    if any(epoch == 0 for epoch, _ in rows) or isinstance(content, dict):
        return names, rows
    return names, [(None if epoch is None else epoch - 1, row) for epoch, row in rows]


def _json(path: Path) -> Any:
    if path.stat().st_size > LIMIT:
        raise UnreadableFile("too_large")
    return json.loads(path.read_bytes())


def _integer(value: object) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return int(value) if is_number else None  # type: ignore[arg-type,call-overload]
