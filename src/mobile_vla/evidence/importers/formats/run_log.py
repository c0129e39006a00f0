"""What a console log says of one run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from mobile_vla.evidence.importers.formats.console_endings import Ending, Position, Quote
from mobile_vla.evidence.importers.formats.tolerant_config import Settings
from mobile_vla.messages.reason import Reason


@dataclass(slots=True)
class Block:
    """A data set's "initialized" block: its entries as printed, and on which lines."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int | None] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        """Whether it is the training set's."""
        return self.values.get("is_training", "True") == "True"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: batch `done` of `of` in an epoch; of the run where `epoch` is None.

    `unit`: what the run's counter counts, steps or the epochs that it prints.
    """

    line: int | None
    epoch: int | None
    done: int
    of: int | None
    unit: Literal["step", "epoch"] = "step"

    @property
    def position(self) -> Position:
        """Where in the run it is."""
        return self.epoch, self.done


@dataclass(frozen=True, slots=True)
class LogLoss:
    """A validation loss as a log prints it. `step`: the run's global step."""

    line: int | None
    epoch: int | None
    step: int | None
    value: float


@dataclass(frozen=True, slots=True)
class LogMetric:
    """A metric of one epoch's last bar. `loss`: the loss of the same name beside it, if any."""

    name: str
    line: int | None
    epoch: int
    value: float
    loss: tuple[str, float] | None


@dataclass(frozen=True, slots=True)
class EpochRow:
    """The last full progress bar of an epoch: its line, its seconds, the numbers it prints."""

    line: int | None
    seconds: float | None
    values: dict[str, float]


@dataclass(slots=True)
class RunLog:
    """What one run's part of a console log says.

    `trainable`: (line, parameters). `epochs`: those that were completed. `makers`: whose lines
    they are. `checkpoints`: paths that it says it saved. `plain_bar`: the last bar without a name,
    which may be of anything. `sample`: a line that looks like training, of a form that is not read.
    """

    settings: Settings = field(default_factory=dict)
    settings_line: int | None = None
    blocks: list[Block] = field(default_factory=list)
    trainable: tuple[int | None, int] | None = None
    progress: Progress | None = None
    plain_bar: Progress | None = None
    epochs: set[int] = field(default_factory=set)
    val_losses: list[LogLoss] = field(default_factory=list)
    metrics: dict[str, LogMetric] = field(default_factory=dict)
    rows: dict[int, EpochRow] = field(default_factory=dict)
    total_steps: int | None = None
    episodes: tuple[int | None, int] | None = None
    checkpoints: list[str] = field(default_factory=list)
    makers: set[str] = field(default_factory=set)
    ending: Ending | None = None
    sample: Quote | None = None
    problems: list[Reason] = field(default_factory=list)

    @property
    def is_training(self) -> bool:
        """Whether it tells of a training run at all."""
        return bool(self.settings or self.blocks or self.progress or self.ending or self.val_losses)

    @property
    def position(self) -> Position | None:
        """How far it is, None where no progress is printed."""
        plain = self.plain_bar if "HF Trainer" in self.makers else None
        progress = plain or self.progress
        return progress.position if progress else None

    @property
    def reached_data(self) -> bool:
        """Whether the run read its data or trained."""
        return bool(self.blocks or self.progress)

    def settle(self) -> None:
        """Decide what only the last line shows: whose plain bars they are, the first epoch."""
        if "HF Trainer" in self.makers:
            self.progress = self.plain_bar or self.progress
        counts_epochs = self.progress is not None and self.progress.unit == "epoch"
        if counts_epochs and 0 not in self.epochs:
            self.epochs = {epoch - 1 for epoch in self.epochs}
            self.val_losses = [
                replace(loss, epoch=loss.epoch - 1) for loss in self.val_losses
                if loss.epoch is not None
            ]  # fmt: skip
