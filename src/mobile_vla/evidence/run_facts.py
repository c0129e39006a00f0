"""A run's table of facts, from what its reader read: runs of ours and scanned ones alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from mobile_vla.evidence.fact_table import Fact, FactTable, digit_worth, fact
from mobile_vla.evidence.model import CheckpointView, Evidence, Foreign, RunView
from mobile_vla.evidence.result_facts import offline_facts, rollout_facts
from mobile_vla.evidence.setup_facts import setup_facts
from mobile_vla.runs.metrics_csv import as_count, read_metrics

CAUSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("path", re.compile(r"FileNotFound|No such file|does not exist")),
    ("memory", re.compile(r"out of memory|OutOfMemory|MemoryError|\bOOM\b")),
    ("nan", re.compile(r"\bnan\b|not finite|diverg", re.IGNORECASE)),
    ("import", re.compile(r"Cannot import|ModuleNotFound|ImportError")),
    ("disk", re.compile(r"No space left|disk is full")),
    ("hardware", re.compile(r"\bXid\b|fallen off the bus|uncorrectable ECC")),
    ("killed", re.compile(r"[Kk]illed|SIGKILL|SIGTERM|Terminated")),
)
"""Causes of failure by what programs print of them."""
ROUGHLY = 0.06
"""The worth of the last digit of a time that files give, as a share of it."""


def run_table(run: RunView, base: Path) -> FactTable:
    """Every fact of a run. `base`: the workspace to which its path is relative."""
    return FactTable(_facts(run, base), run.path)


def _facts(run: RunView, base: Path) -> Iterator[Fact]:
    losses = list(_own_losses(run, base) if run.foreign is None else _bar_facts(run.foreign))
    yield from _losses_of_files(run)
    yield from losses
    yield from _summary_losses(run, losses)
    yield from setup_facts(run)
    yield from _state(run)
    yield from _checkpoints(run)
    yield from _times(run)
    if run.offline is not None:
        yield from offline_facts(run.offline, _result_source(run, "offline.json", "evaluation_set"))
    if run.rollouts is not None:
        source = _result_source(run, "rollouts.json", "evaluation_scenes")
        yield from rollout_facts(run.rollouts, source)


def _result_source(run: RunView, file: str, factor: str) -> Evidence:
    factor_value = run.factors.get(factor)
    digest = factor_value.evidence.blake3 if factor_value else ""
    return Evidence(file=f"{run.path}/evaluation/{file}", blake3=digest)


def _own_losses(run: RunView, base: Path) -> Iterator[Fact]:
    """Losses and the probe by epoch of `metrics.csv`, a row a fact; a row may have no epoch."""
    path = base / run.path / "metrics.csv"
    try:
        curves, digest = read_metrics(path), _digest(path)
    except (OSError, ValueError):
        return
    epochs = dict(curves.get("epoch", []))
    for name in ("train_loss", "val_loss", "val_unheard"):
        by_epoch: dict[int | None, tuple[int, float]] = {}
        for line, value in curves.get(name, []):
            if not math.isfinite(value):
                continue  # no result: a loss that diverged, or a placeholder
            by_epoch[as_count(epochs.get(line))] = line, value
        for number, (line, value) in by_epoch.items():
            at = Evidence(file=f"{run.path}/metrics.csv", where=f"line {line}", blake3=digest)
            yield fact(name, value, at, epoch=number, step=digit_worth(value))


def _digest(path: Path) -> str:
    from mobile_vla.runs.files import hash_file

    return hash_file(path)


def _bar_facts(foreign: Foreign) -> Iterator[Fact]:
    """Losses of a run of another program: its curve, and what its progress bars print."""
    for loss in foreign.val_losses:
        if math.isfinite(loss.value):
            step = digit_worth(loss.value)
            yield fact("val_loss", loss.value, loss.evidence, epoch=loss.epoch, step=step)
    for bar in foreign.bars:
        for name, value in bar.values.items():
            quantity, split = _printed_quantity(name)
            if quantity and math.isfinite(value):
                step = digit_worth(value)
                yield fact(quantity, value, bar.evidence, split=split, epoch=bar.epoch, step=step)


def _printed_quantity(name: str) -> tuple[str, str]:
    """The quantity and split of a number of a progress bar; ("", "") for any other number."""
    if name == "train_loss":
        return "train_loss", ""
    split, _, metric = name.partition("_")
    if split in ("train", "val") and metric.startswith("rmse"):
        return "rmse", split
    return "", ""


CURVES = (
    ("val_loss", ""), ("train_loss", ""), ("val_unheard", ""), ("rmse", "train"), ("rmse", "val"),
)  # fmt: skip


def _summary_losses(run: RunView, losses: list[Fact]) -> Iterator[Fact]:
    """Initial, final and best values, where the facts that are there decide them."""
    complete = _is_complete(run, losses)
    ended = run.state in ("finished", "unverified") or run.foreign is None
    for quantity, split in CURVES:
        points = [f for f in losses if f.key.quantity == quantity and f.key.split == split]
        dated = sorted((f for f in points if f.key.epoch is not None), key=_epoch)
        points = dated or points
        if dated and dated[0].key.epoch == 0:
            yield _as(dated[0], "initial")
        if points and ended:
            yield _as(points[-1], "final")
        if points and complete:
            yield _as(min(points, key=lambda f: f.value), "best")
    yield from _best_epoch(run, losses, complete=complete)


def _best_epoch(run: RunView, losses: list[Fact], *, complete: bool) -> Iterator[Fact]:
    validation = [f for f in losses if f.key.quantity == "val_loss" and f.key.epoch is not None]
    if complete and validation:
        best = min(validation, key=lambda f: f.value)
        yield fact("best_epoch", _epoch(best), best.source)
    if not validation and run.foreign is None:
        at = Evidence(file=f"{run.path}/events.jsonl")
        for name, value in (("best", run.best_val_loss), ("final", run.final_val_loss)):
            if value is not None:
                yield fact("val_loss", value, at, qualifier=name, step=digit_worth(value))


def _epoch(of: Fact) -> int:
    return of.key.epoch or 0


def _as(of: Fact, qualifier: str) -> Fact:
    return msgspec.structs.replace(of, key=of.key._replace(qualifier=qualifier))


def _is_complete(run: RunView, losses: list[Fact]) -> bool:
    """Whether the validation loss of every epoch that ran is there, so that the lowest is best."""
    count = len({f.key.epoch for f in losses if f.key.quantity == "val_loss"})
    if run.foreign is None:
        return count > 0 and count >= (run.epochs or 0)
    return run.best_val_loss is not None and count > 0


def _state(run: RunView) -> Iterator[Fact]:
    at = run.evidence[0] if run.evidence else Evidence(file=run.path)
    yield fact("state", run.state, at)
    if run.state in ("failed", "killed"):
        for name in sorted(causes_of(quoted_text(run.why))):
            yield fact("cause", name, at)


def causes_of(text: str) -> set[str]:
    """The causes of failure that a text names as programs print them."""
    return {name for name, pattern in CAUSES if pattern.search(text)}


def quoted_text(why: object) -> str:
    """What a program printed of its end, from the reason of a state."""
    fields = getattr(why, "fields", None)
    if fields is None:
        return str(why)
    return " ".join(quoted_text(value) for value in fields.values())


def _checkpoints(run: RunView) -> Iterator[Fact]:
    views = [view for view in (run.best, run.latest, *run.checkpoints) if view]
    good = [view for view in views if view.problem is None]
    at = run.evidence[0] if run.evidence else Evidence(file=run.path)
    if good:
        yield fact("checkpoint", "yes", good[0].evidence)
    elif _was_looked_for(run, views):
        yield fact("checkpoint", "no", views[0].evidence if views else at)
    for view in {view.path: view for view in views}.values():
        name = view.path.rpartition("/")[2]
        yield fact("checkpoint_file", name, view.evidence, epoch=view.epoch)
        if view.bytes:
            yield fact("size", view.bytes, view.evidence, epoch=view.epoch, unit="B")
    if chosen := run.best or run.latest:
        yield from _size(chosen)


def _losses_of_files(run: RunView) -> Iterator[Fact]:
    """Validation losses by epoch as checkpoints state them, in their names or their events."""
    for view in run.checkpoints:
        if view.val_loss is not None and view.epoch is not None and math.isfinite(view.val_loss):
            step = digit_worth(view.val_loss)
            yield fact("val_loss", view.val_loss, view.evidence, epoch=view.epoch, step=step)


def _was_looked_for(run: RunView, views: list[CheckpointView]) -> bool:
    """Whether the run's checkpoints were among what was read, or it cannot have written any."""
    foreign = run.foreign
    if any(view.bytes for view in views):
        return False
    if foreign is None or foreign.checkpoints is not None:
        return True
    never_trained = not (foreign.bars or foreign.val_losses or foreign.train)
    return run.state in ("failed", "killed") and never_trained


def _size(view: CheckpointView) -> Iterator[Fact]:
    if view.bytes:
        yield fact("size", view.bytes, view.evidence, unit="B")


def _times(run: RunView) -> Iterator[Fact]:
    at = Evidence(file=f"{run.path}/events.jsonl", where="line 1")
    foreign = run.foreign
    if run.started and foreign is None:
        local = run.started.astimezone()
        for day in sorted({run.started.date(), local.date()}):
            yield fact("date", day.isoformat(), at)
        yield _minute(local, at, "local")
        if run.last_sign and run.state not in ("running", "queued"):
            yield _seconds("duration", (run.last_sign - run.started).total_seconds(), at)
    elif run.started:
        yield fact("date", run.started.date().isoformat(), Evidence(file=run.path))
    if run.seconds_per_step is not None:
        paced = Evidence(file=f"{run.path}/events.jsonl")
        yield fact(
            "step_time", run.seconds_per_step, paced, unit="s", step=0.2 * run.seconds_per_step
        )
    if foreign is not None:
        yield from _foreign_times(foreign, run)


def _foreign_times(foreign: Foreign, run: RunView) -> Iterator[Fact]:
    at = run.evidence[0] if run.evidence else Evidence(file=run.path)
    if foreign.date:
        yield fact("date", foreign.date, at)
    if foreign.log_stamp is not None:
        log = Evidence(file=foreign.files[0], where="name") if foreign.files else at
        yield fact("date", foreign.log_stamp.date().isoformat(), log)
        yield _minute(foreign.log_stamp, log, "")
    timed = [bar for bar in foreign.bars if bar.seconds]
    if timed:
        last = timed[-1]
        yield _seconds("epoch_time", last.seconds or 0.0, last.evidence)
        if run.state == "finished":
            total = (last.seconds or 0.0) * (last.epoch + 1)
            yield _seconds("duration", total, last.evidence)


def _minute(when: datetime, at: Evidence, zone: str) -> Fact:
    """The minute of the day. `zone`: "local" where it was converted to this machine's."""
    return fact("started", 60.0 * when.hour + when.minute, at, group=zone, unit="min")


def _seconds(quantity: str, seconds: float, at: Evidence) -> Fact:
    return fact(quantity, seconds, at, unit="s", step=ROUGHLY * seconds)
