"""Progress and validation losses in console lines, by the program that prints them."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from mobile_vla.evidence.importers.formats.console_endings import Position
from mobile_vla.evidence.importers.formats.metric_names import number_of, validation_loss
from mobile_vla.evidence.importers.formats.run_log import (
    EpochRow,
    LogLoss,
    LogMetric,
    Progress,
    RunLog,
)

BAR = re.compile(rb"Epoch (\d+):\s+(\d+)%\|[^|]*\|\s*(\d+)/(\d+) \[([^\]]*)")
POSTFIX = re.compile(rb"([\w/]+)=([-+.\w]+)")
ELAPSED = re.compile(rb"(?:(\d+):)?(\d+):(\d+)<")
VALIDATED = re.compile(rb"Validat(?:ion DataLoader \d+|ing): +100%")
PLAIN_BAR = re.compile(rb"^\s*\d+%\|[^|]*\|\s*(\d+)/(\d+) \[")
RICH_BAR = re.compile(rb"^Epoch (\d+)/\d+ .*? (\d+)/(\d+) \d+:.*\xe2\x80\xa2")
REACHED = re.compile(
    rb"Epoch (\d+), global step (\d+): '([^']+)' (?:reached ([-+.\deEnaif]+)|was not in top)"
)
SAVED = re.compile(rb"saving model to '([^']+)'")
LEROBOT = re.compile(rb"\bstep:([\d.]+)([KMB]?)\s+smpl:\S+\s+ep:\S+\s+epch:[\d.]+\s+loss:")
LEROBOT_TOTAL = re.compile(rb"^INFO .*\bcfg\.steps=(\d+)")
LEROBOT_EPISODES = re.compile(rb"^INFO .*\bdataset\.num_episodes=(\d+)")
HUGGING_FACE = re.compile(rb"^\{'(?:loss|eval_\w+|train_runtime)': .*\}$")
NUMBERED = re.compile(rb"^\W{0,12}[Ee]poch:? *\[?(\d+)\]?(?: */ *(\d+))?")
PRINTED_LOSS = re.compile(
    rb"(?i)\b(?:val|valid|validation|eval)[ _/-]?loss\W{1,3}([-+]?[\d.]+(?:e[-+]?\d+)?|nan|inf)\b"
)
KERAS = re.compile(rb"/step - |\d+/\d+ .*[\xe2=]+.*? - loss: ")
STAMP = re.compile(r"(20\d{6})[_-]?(\d{6})")
UNITS = {b"": 1, b"K": 1_000, b"M": 1_000_000, b"B": 1_000_000_000}


def hugging_face_epoch(epoch: object) -> int | None:
    """The epoch, from 0, that ends or runs at Hugging Face's fraction: 1.0 ends epoch 0.

    None where the fraction is no number, or out of range.

    >>> hugging_face_epoch(1.0), hugging_face_epoch(1.5), hugging_face_epoch(0.2)
    (0, 1, 0)
    """
    if not isinstance(epoch, int | float) or not 0 <= epoch < 1e9:
        return None
    return max(0, math.ceil(epoch - 1e-6) - 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One of Lightning's progress bars.

    `values`: by name, None where it is no number. `validated`: a validation ended right before it.
    """

    epoch: int
    done: int
    of: int
    values: dict[str, float | None]
    validated: bool
    seconds: float | None

    @property
    def position(self) -> Position:
        """Where in the run it is."""
        return self.epoch, self.done


class LightningBars:
    """Lightning's bars. A validation loss counts in the bars at the place of its validation."""

    def __init__(self, log: RunLog) -> None:
        self.log = log
        self._validated: bool = False
        self._place: Position | None = None

    def read(self, line: bytes) -> Iterator[Bar]:
        """The bars of one line, in order."""
        validated = VALIDATED.search(line)
        for match in BAR.finditer(line):
            ended = bool(validated and validated.start() < match.start())
            validated = None if ended else validated
            values = {n.decode(): number_of(text) for n, text in POSTFIX.findall(match[5])}
            epoch, done, of = int(match[1]), int(match[3]), int(match[4])
            yield Bar(epoch, done, of, values, ended, _elapsed(match[5]))
        self._validated = self._validated or bool(validated)

    def add(self, number: int | None, bar: Bar) -> None:
        """Count a bar as progress of the run."""
        log = self.log
        log.progress = Progress(number, bar.epoch, bar.done, bar.of)
        log.makers |= {"Lightning"} if "v_num" in bar.values else set()
        if bar.done >= bar.of:
            log.epochs.add(bar.epoch)
            self._metrics(number, bar)
            log.rows[bar.epoch] = self._row(number, bar)
        if bar.validated or self._validated:
            self._validated, self._place = False, bar.position
            log.makers.add("Lightning")
            self._loss(number, bar, again=False)
        elif bar.position == self._place:
            self._loss(number, bar, again=True)
        else:
            self._place = None

    def _row(self, number: int | None, bar: Bar) -> EpochRow:
        """Before validation, a bar still prints the validation values of the epoch before."""
        validated = bar.validated or self._validated or bar.position == self._place
        values = {
            name: value
            for name, value in bar.values.items()
            if value is not None and (validated or not name.startswith("val_"))
        }
        return EpochRow(number, bar.seconds, values)

    def _loss(self, number: int | None, bar: Bar, *, again: bool) -> None:
        value = bar.values.get(validation_loss(bar.values) or "")
        if value is None:
            return
        losses = self.log.val_losses
        if again and losses and losses[-1].epoch == bar.epoch:
            if losses[-1].step is not None:
                return
            losses.pop()
        losses.append(LogLoss(number, bar.epoch, None, value))

    def _metrics(self, number: int | None, bar: Bar) -> None:
        for name, value in bar.values.items():
            if "rmse" in name.lower() and value is not None:
                beside = re.sub("(?i)rmse", "loss", name)
                loss = bar.values.get(beside)
                pair = None if loss is None else (beside, loss)
                self.log.metrics[name] = LogMetric(name, number, bar.epoch, value, pair)


def _elapsed(postfix: bytes) -> float | None:
    """Seconds that a bar ran: "05:57<00:00"."""
    match = ELAPSED.match(postfix)
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


@dataclass(frozen=True, slots=True)
class Step:
    """What a line of another program says: its progress, a validation loss, a setting."""

    maker: str | None = None
    progress: Progress | None = None
    loss: LogLoss | None = None
    position: Position | None = None
    total: int | None = None
    episodes: int | None = None
    saved: str | None = None


def read_step(log: RunLog, number: int | None, line: bytes) -> Step | None:
    """The step that a line tells, None where it is no line of a program that is known."""
    for sign, read in READERS:
        if sign in line and (step := read(log, number, line)) is not None:
            return step
    return None


def add_step(log: RunLog, number: int | None, step: Step) -> None:
    """Count a step as part of the run."""
    log.makers |= {step.maker} if step.maker else set()
    log.total_steps = step.total or log.total_steps
    log.progress = step.progress or log.progress
    if step.episodes is not None:
        log.episodes = (number, step.episodes)
    if step.saved:
        log.checkpoints.append(step.saved)
    if step.progress and step.progress.epoch is not None and step.progress.done == step.progress.of:
        log.epochs.add(step.progress.epoch)
    if step.loss is not None:
        if step.loss.epoch is not None:
            log.epochs.add(step.loss.epoch)
        _add_loss(log.val_losses, step.loss)


def _add_loss(losses: list[LogLoss], loss: LogLoss) -> None:
    """Lightning's "reached" line repeats the loss of a bar with more digits."""
    last = losses[-1] if losses else None
    of_bar = last is not None and last.step is None and last.epoch == loss.epoch
    if last and of_bar and loss.step and abs(last.value - loss.value) <= 0.006 * abs(loss.value):
        losses.pop()
    losses.append(loss)


def _reached(log: RunLog, number: int | None, line: bytes) -> Step | None:
    match = REACHED.search(line)
    if match is None:
        return None
    epoch, step, value = int(match[1]), int(match[2]), number_of(match[4])
    saved = SAVED.search(line)
    loss = None
    if value is not None and validation_loss([match[3].decode("utf-8", "replace")]):
        loss = LogLoss(number, epoch, step, value)
    path = saved[1].decode("utf-8", "replace") if saved else None
    return Step("Lightning", None, loss, None, saved=path)


def _rich_bar(log: RunLog, number: int | None, line: bytes) -> Step | None:
    match = RICH_BAR.match(line)
    if match is None:
        return None
    progress = Progress(number, int(match[1]), int(match[2]), int(match[3]))
    return Step("Lightning", progress, position=progress.position)


def _lerobot(log: RunLog, number: int | None, line: bytes) -> Step | None:
    match = LEROBOT.search(line)
    value = number_of(match[1]) if match else None
    if match is None or value is None:
        return None
    progress = Progress(number, None, round(value * UNITS[match[2]]), log.total_steps)
    return Step("LeRobot", progress, position=progress.position)


def _lerobot_setting(log: RunLog, number: int | None, line: bytes) -> Step | None:
    total, episodes = LEROBOT_TOTAL.match(line), LEROBOT_EPISODES.match(line)
    if total:
        return Step("LeRobot", total=int(total[1]))
    return Step("LeRobot", episodes=int(episodes[1])) if episodes else None


def _hugging_face(log: RunLog, number: int | None, line: bytes) -> Step | None:
    """The dictionaries that Hugging Face's Trainer prints; their values may be text."""
    if not HUGGING_FACE.match(line) or len(line) > 20_000:
        return None
    try:
        values = ast.literal_eval(line.decode("utf-8", "replace").replace(": nan", ": 'nan'"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    fraction = number_of(str(values.get("epoch", "")))
    if fraction is None:
        return None
    loss = number_of(str(values.get("eval_loss", "")))
    logged = None if loss is None else LogLoss(number, hugging_face_epoch(fraction), None, loss)
    trains = (None, round(fraction * 1e6)) if "loss" in values else None
    return Step("HF Trainer", loss=logged, position=trains)


def read_plain_bar(log: RunLog, number: int | None, line: bytes) -> Position | None:
    """A bar without a name, as Hugging Face's Trainer prints; those of evaluations are shorter.

    Returns its position where it is progress of the run.
    """
    match = PLAIN_BAR.match(line)
    if match is None:
        return None
    bar = Progress(number, None, int(match[1]), int(match[2]))
    if log.plain_bar is not None and (bar.of or 0) < (log.plain_bar.of or 0):
        return None
    log.plain_bar = bar
    if "HF Trainer" not in log.makers or bar.done == bar.of:
        return None
    log.progress = bar
    return bar.position


def _printed(log: RunLog, number: int | None, line: bytes) -> Step | None:
    """ "Epoch 1/5 | … val loss: 0.6", or Keras' epoch on one line and its losses on the next."""
    if "Lightning" in log.makers or (log.progress and log.progress.epoch is not None):
        return None
    head, loss = NUMBERED.match(line), PRINTED_LOSS.search(line)
    epoch = int(head[1]) if head else None
    if epoch is None and KERAS.search(line) and log.progress:
        epoch = log.progress.done
    value = number_of(loss[1]) if loss else None
    if epoch is None or (value is None and not (head and head[2])):
        return None
    total = int(head[2]) if head and head[2] else (log.progress.of if log.progress else None)
    progress = Progress(number, None, epoch, total, "epoch")
    logged = None if value is None else LogLoss(number, epoch, None, value)
    maker = "Keras" if KERAS.search(line) else None
    return Step(maker, progress, logged, position=(None, epoch))


READERS: tuple[
    tuple[bytes, Callable[[RunLog, int | None, bytes], Step | None]], ...
] = (
    (b"global step", _reached),
    (b"\xe2\x80\xa2", _rich_bar),
    (b"smpl:", _lerobot),
    (b"INFO ", _lerobot_setting),
    (b"{'", _hugging_face),
    (b"poch", _printed),
    (b"loss", _printed),
)  # fmt: skip
"""Readers of other programs' lines, each with a text that its lines contain."""


def name_stamp(name: str) -> datetime | None:
    """When a run began, by the time in its log's name; None where it holds none."""
    stamp = STAMP.search(name)
    try:
        return datetime.strptime(stamp[1] + stamp[2], "%Y%m%d%H%M%S") if stamp else None
    except ValueError:
        return None
