"""What evidence says of each case, by quantity: numbers, words, each with its file and place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mobile_vla.evidence.model import CaseView, Evidence, RunView
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.study.models import Counts

SETTINGS: dict[str, str] = {
    "lora_r": "recipe.lora.r",
    "lora_alpha": "recipe.lora.alpha",
    "lora_dropout": "recipe.lora.dropout",
    "learning_rate": "recipe.learning_rate",
    "weight_decay": "recipe.weight_decay",
    "accumulate": "recipe.accumulate",
    "batch": "recipe.batch",
    "window": "recipe.window",
    "chunk": "recipe.chunk",
    "action_dim": "recipe.action_dim",
    "hidden": "recipe.head.hidden",
    "epochs": "epochs",
    "seed": "seed",
    "steps": "optimiser_steps",
}
BAR = re.compile(
    rb"Epoch (\d+):\s+100%\|[^|]*\|[^\[]*\[(\d+):(\d+)(?::(\d+))?<[^,]*,[^,]*,([^\]\r]*)"
)
PAIR = re.compile(rb"(\w+)=([-+.\deE]+)")
STAMP = re.compile(r"(20\d{6})[_-]?(\d{6})")
ROUGHLY = 0.06
"""The worth of the last digit of a time that the files tell, as a share of it."""
TAIL = 4 * 1024 * 1024
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """One number that evidence gives. `step`: the worth of its last digit, 0 where it is exact."""

    number: float
    evidence: Evidence
    step: float = 0.0


@dataclass(slots=True)
class RunFacts:
    """What one run's files say. `episodes` by split: a count, or counts by direction.

    `best_below`: the best validation loss lies at or below it, where not every epoch is known.
    `alive`: from when to when it ran, local time, where that can be told.
    """

    run: RunView
    numbers: dict[Key, Fact] = field(default_factory=dict)
    episodes: dict[str, tuple[int, Evidence]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    best_below: float | None = None
    dates: dict[str, Evidence] = field(default_factory=dict)
    alive: tuple[datetime, datetime] | None = None


@dataclass(slots=True)
class CaseFacts:
    """A case with the facts of all its runs; `speaking` is the one that speaks for it."""

    view: CaseView
    speaking: RunFacts | None
    earlier: list[RunFacts]


def case_facts(view: CaseView, base: Path) -> CaseFacts:
    """Read what the evidence says of a case. `base`: the workspace that its paths start from."""
    if view.run is None:
        return CaseFacts(view, None, [])
    earlier = [_run_facts(run, base) for run in view.runs if run is not view.run]
    return CaseFacts(view, _run_facts(view.run, base), earlier)


def _run_facts(run: RunView, base: Path) -> RunFacts:
    facts = RunFacts(run)
    for quantity, factor in SETTINGS.items():
        known = run.factors.get(factor)
        number = _float(known.value) if known else None
        if known is not None and number is not None:
            facts.numbers[quantity, "", ""] = Fact(number, known.evidence)
    if run.foreign is not None:
        _foreign(facts, run)
    else:
        _own(facts, run, base)
    return facts


def _own(facts: RunFacts, run: RunView, base: Path) -> None:
    """What a run folder of our own says beyond its factors."""
    held = {"train": run.train, "val": run.validation}
    counts = {split: counts for split, counts in held.items() if counts is not None}
    at = Evidence(file=f"{run.path}/manifest.json", where="key episodes")
    for split, count in counts.items():
        facts.counts[split] = count
        facts.episodes[split] = (count.total, at)
    if len(counts) == 2:
        facts.counts[""] = _total(counts["train"], counts["val"])
        facts.episodes[""] = (facts.counts[""].total, at)
    curve = Evidence(file=f"{run.path}/metrics.csv")
    _curves(facts, base / run.path / "metrics.csv", curve)
    for name, value in (("best", run.best_val_loss), ("final", run.final_val_loss)):
        if value is not None:
            facts.numbers.setdefault(("val_loss", name, ""), Fact(value, curve))
    _best_epoch(facts, run.epochs)
    if run.seconds_per_step is not None:
        paced = Evidence(file=f"{run.path}/events.jsonl")
        value = run.seconds_per_step
        facts.numbers["step_time", "", ""] = Fact(value, paced, 0.2 * value)
    if run.total_steps is not None:
        planned = Evidence(file=f"{run.path}/case.yaml")
        facts.numbers["any_steps", "planned", ""] = Fact(run.total_steps, planned)
    if run.trained_parts:
        report = Evidence(file=f"{run.path}/load_report.json", where="key trainable")
        facts.numbers["params", "", ""] = Fact(sum(run.trained_parts.values()), report)
        for part, trained in run.trained_parts.items():
            facts.numbers["params", part, ""] = Fact(trained, report)
    kept = run.best or run.latest
    if kept is not None and kept.bytes:
        facts.numbers["size", "", ""] = Fact(kept.bytes, kept.evidence)
    if run.started:
        when = Evidence(file=f"{run.path}/events.jsonl", where="line 1")
        facts.dates[run.started.date().isoformat()] = when
        facts.dates[run.started.astimezone().date().isoformat()] = when
        if run.last_sign:
            zone = (run.started.astimezone(), run.last_sign.astimezone())
            facts.alive = (zone[0].replace(tzinfo=None), zone[1].replace(tzinfo=None))
            _lived(facts, when)


def _lived(facts: RunFacts, at: Evidence) -> None:
    """How long it ran, and the minute when it began."""
    assert facts.alive is not None
    began, ended = facts.alive
    seconds = (ended - began).total_seconds()
    if seconds > 0 and facts.run.state not in ("running", "queued"):
        facts.numbers["duration", "", ""] = Fact(seconds, at, ROUGHLY * seconds)
    facts.numbers["started", "", ""] = Fact(60.0 * began.hour + began.minute, at)


def _best_epoch(facts: RunFacts, epochs: int | None) -> None:
    """The epoch of the lowest validation loss, where every epoch's is known."""
    losses = {
        int(name.split()[1]): fact
        for (quantity, name, _), fact in facts.numbers.items()
        if quantity == "val_loss" and name.startswith("epoch ")
    }
    if losses and epochs and len(losses) >= epochs:
        best = min(losses, key=lambda epoch: losses[epoch].number)
        facts.numbers["best_epoch", "", ""] = Fact(best, losses[best].evidence)
    if 0 in losses:
        facts.numbers["val_loss", "initial", ""] = losses[0]


def _curves(facts: RunFacts, path: Path, at: Evidence) -> None:
    try:
        curves = read_metrics(path)
    except (OSError, ValueError):
        return
    epochs = dict(curves.get("epoch", []))
    for name in ("train_loss", "val_loss"):
        points = curves.get(name, [])
        for line, value in points:
            if line in epochs:
                place = msgspec.structs.replace(at, where=f"line {line}")
                facts.numbers[name, f"epoch {int(epochs[line])}", ""] = Fact(value, place)
        if points:
            for told, (line, value) in (
                ("final", points[-1]), ("best", min(points, key=lambda point: point[1]))
            ):  # fmt: skip
                place = msgspec.structs.replace(at, where=f"line {line}")
                facts.numbers[name, told, ""] = Fact(value, place)


def _foreign(facts: RunFacts, run: RunView) -> None:
    found = run.foreign
    assert found is not None
    for split, read in (("train", found.train), ("val", found.validation)):
        if read is not None:
            facts.episodes[split] = (read.episodes, read.evidence)
            if read.frames is not None:
                facts.numbers["frames", "", split] = Fact(read.frames, read.evidence)
    if len(facts.episodes) == 2:
        total = facts.episodes["train"][0] + facts.episodes["val"][0]
        facts.episodes[""] = (total, facts.episodes["train"][1])
    _foreign_losses(facts, run)
    if found.trained_parameters is not None:
        at = Evidence(file=found.files[0] if found.files else run.path, where="Trainable params")
        count = found.trained_parameters
        facts.numbers["params", "", ""] = Fact(count, at, _printed(count))
    kept = run.best or run.latest
    if kept is not None and kept.bytes:
        facts.numbers["size", "", ""] = Fact(kept.bytes, kept.evidence)
    if found.date:
        facts.dates[found.date] = run.evidence[0] if run.evidence else Evidence(file=run.path)
    if run.started:
        facts.dates[run.started.date().isoformat()] = Evidence(file=run.path)
    for name in found.files:
        if name.endswith((".txt", ".log", ".out")):
            _log(facts, Path(name))
    _best_epoch(facts, found.max_epochs)
    if found.steps_per_epoch and found.max_epochs and run.state == "finished":
        at = found.train.evidence if found.train else Evidence(file=run.path)
        batches = found.steps_per_epoch * found.max_epochs
        facts.numbers["any_steps", "batches", ""] = Fact(batches, at)


def _foreign_losses(facts: RunFacts, run: RunView) -> None:
    found = run.foreign
    assert found is not None
    losses = [loss for loss in found.val_losses if loss.value == loss.value]
    for loss in losses:
        if loss.epoch is not None:
            facts.numbers["val_loss", f"epoch {loss.epoch}", ""] = Fact(loss.value, loss.evidence)
    if losses:
        last = losses[-1]
        if run.state in ("finished", "unverified"):
            facts.numbers["val_loss", "final", ""] = Fact(last.value, last.evidence)
        lowest = min(losses, key=lambda loss: loss.value)
        facts.best_below = lowest.value
        if run.best_val_loss is not None:
            best = next((x for x in losses if x.value == run.best_val_loss), lowest)
            facts.numbers["val_loss", "best", ""] = Fact(run.best_val_loss, best.evidence)


def _log(facts: RunFacts, path: Path) -> None:
    """Training losses and the time of a console log: its whole epochs, and its name's stamp."""
    seconds = 0.0
    epochs = 0
    for line, match in _bars(path):
        values = {key.decode(): _float(value.decode()) for key, value in PAIR.findall(match[5])}
        hours, minutes, rest = (match[2], match[3], match[4])
        seconds = float(hours) * 60 + float(minutes)
        if rest is not None:
            seconds = float(hours) * 3600 + float(minutes) * 60 + float(rest)
        epochs = int(match[1]) + 1
        at = Evidence(file=path.as_posix(), where=f"line {line}")
        for name, value in _told(values):
            facts.numbers[name[0], f"epoch {int(match[1])}", name[1]] = Fact(value, at)
            if match[1] == b"0":
                facts.numbers[name[0], "initial", name[1]] = Fact(value, at)
            facts.numbers[name[0], "final", name[1]] = Fact(value, at)
    began = began_of(path.name)
    if began is not None:
        facts.alive = (began, began + timedelta(seconds=seconds * epochs))
        at = Evidence(file=path.as_posix(), where="name")
        facts.numbers["started", "", ""] = Fact(60.0 * began.hour + began.minute, at)
        if epochs and facts.run.state == "finished":
            total = seconds * epochs
            facts.numbers["duration", "", ""] = Fact(total, at, ROUGHLY * total)
            facts.numbers["epoch_time", "", ""] = Fact(seconds, at, ROUGHLY * seconds)
        facts.dates.setdefault(
            began.date().isoformat(), Evidence(file=path.as_posix(), where="name")
        )


def began_of(name: str) -> datetime | None:
    """When a run began, by the stamp in its log's name; None where there is none."""
    stamp = STAMP.search(name.rpartition("/")[2])
    try:
        return datetime.strptime(stamp[1] + stamp[2], "%Y%m%d%H%M%S") if stamp else None
    except ValueError:
        return None


def _told(values: dict[str, float | None]) -> Iterator[tuple[tuple[str, str], float]]:
    for key, value in values.items():
        if value is None:
            continue
        if key == "train_loss":
            yield ("train_loss", ""), value
        elif key.startswith(("train_rmse", "val_rmse")):
            yield ("rmse", key.split("_")[0]), value


def _bars(path: Path) -> Iterator[tuple[int, re.Match[bytes]]]:
    try:
        with open(path, "rb") as file:
            data = file.read(TAIL)
    except OSError:
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if b"100%|" in line:
            for match in BAR.finditer(line):
                yield number, match


def directions(facts: RunFacts) -> dict[str, int] | None:
    """Episodes by direction in all, None where the evidence tells no directions."""
    counts = facts.counts.get("")
    return {str(way): n for way, n in counts.by_direction().items()} if counts else None


def _total(a: Counts, b: Counts) -> Counts:
    return Counts(left=a.left + b.left, right=a.right + b.right, straight=a.straight + b.straight)


def _printed(count: int) -> float:
    """The worth of the last digit of a count that a log prints as "55.8 M": three figures."""
    digits = len(str(count))
    return 10.0 ** (digits - 3) if digits > 3 and count % 10 ** (digits - 3) == 0 else 0.0


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
