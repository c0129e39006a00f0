"""A run's validation losses: from its log, from `metrics.csv`, from TensorBoard's events."""

from __future__ import annotations

import math
from pathlib import Path

from mobile_vla.evidence.importers.discover import RunFiles
from mobile_vla.evidence.importers.formats.lightning_csv import read_metric_table
from mobile_vla.evidence.importers.formats.metric_names import of_validation, validation_loss
from mobile_vla.evidence.importers.formats.run_log import LogMetric, RunLog
from mobile_vla.evidence.importers.formats.tensorboard_events import Scalars, read_scalars
from mobile_vla.evidence.importers.formats.unreadable import unreadable
from mobile_vla.evidence.importers.run_builder import Files
from mobile_vla.evidence.model import Loss
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.metrics_csv import as_count

TAGS = {"train/epoch": "HF Trainer", "train/global_step": "HF Trainer", "epoch_loss": "Keras"}
"""Tags that only one program writes."""


class Curve:
    """The losses of a run folder, a row each: a repeated step or epoch is not merged.

    `epochs`: one more than the last epoch of any row. `makers`: whose tags or tables they are.
    """

    def __init__(self, folder: RunFiles | None, files: Files) -> None:
        self.files = files
        self.losses: list[Loss] = []
        self.problems: list[Reason] = []
        self.epochs: int | None = None
        self.makers: set[str] = set()
        for path in folder.metrics if folder else ():
            self._table(path)
        if folder and not self.losses:
            self._events(folder.events)

    def _table(self, path: Path) -> None:
        try:
            table = read_metric_table(path)
        except Exception as error:  # a file of another program can raise anything
            self.problems.append(unreadable(path.as_posix(), error))
            return
        self.epochs = table.epochs
        self.losses += [
            Loss(epoch=epoch, step=step, value=value, evidence=self.files.at(path, f"line {line}"))
            for line, epoch, step, value in table.rows
        ]
        if not table.rows:
            self._other_names(path, table.columns)

    def _other_names(self, path: Path, names: list[str]) -> None:
        other = of_validation(names) or [name for name in names if name not in ("epoch", "step")]
        if validation_loss(names) is None and other:
            note = reason("import.other_metrics", file=path.as_posix(), names=list(other[:12]))
            self.problems.append(note)

    def _events(self, paths: list[Path]) -> None:
        """Values by step; a later file's value of a step replaces an earlier one's."""
        by_step: dict[int, Loss] = {}
        names: dict[str, None] = {}
        for path in paths:
            try:
                scalars = read_scalars(path)
            except Exception as error:  # a file of another program can raise anything
                self.problems.append(unreadable(path.as_posix(), error))
                continue
            if scalars.problem:
                note = reason("import.file_note", file=path.as_posix(), note=scalars.problem)
                self.problems.append(note)
            names |= dict.fromkeys(scalars.tags)
            by_step |= self._scalar_losses(path, scalars)
        self.makers |= {TAGS[name] for name in names if name in TAGS}
        self.losses = [by_step[step] for step in sorted(by_step)]
        if paths and not by_step:
            self._other_names(paths[-1], list(names))

    def _scalar_losses(self, path: Path, scalars: Scalars) -> dict[int, Loss]:
        name = validation_loss(scalars.tags) or ""
        if not name and path.parent.name.startswith("val") and "epoch_loss" in scalars.tags:
            name = "epoch_loss"  # Keras writes one folder a split
        epochs = {step: as_count(value) for _, step, value in scalars.tags.get("epoch", [])}
        if name == "epoch_loss":
            epochs = {step: step for _, step, _ in scalars.tags[name]}
        return {
            step: Loss(epoch=epochs.get(step), step=step, value=value,
                       evidence=self.files.at(path, f"record {record}, step {step}"))
            for record, step, value in scalars.tags.get(name, [])
        }  # fmt: skip


def log_losses(path: Path | None, log: RunLog, files: Files) -> list[Loss]:
    """The validation losses that a console log prints, by epoch in the order of their lines."""
    if path is None:
        return []
    ordered = sorted(enumerate(log.val_losses), key=lambda pair: (pair[1].epoch or 0, pair[0]))
    return [
        Loss(epoch=logged.epoch, step=logged.step, value=logged.value,
             evidence=files.line(path, logged.line))
        for _, logged in ordered
    ]  # fmt: skip


def root_of_loss(metric: LogMetric) -> Reason | None:
    """A note where a printed RMSE is the root of the loss printed beside it, to its digits.

    Such a number is no error in the unit of the actions: the loss may be Huber's, on normalised
    and clipped actions.
    """
    if metric.loss is None or metric.loss[1] < 0:
        return None
    name, loss = metric.loss
    if abs(math.sqrt(loss) - metric.value) > 0.006 * max(metric.value, 1e-9):
        return None
    return reason("import.rmse_is_root", metric=metric.name, value=metric.value,
                  epoch=metric.epoch, loss=name)  # fmt: skip
