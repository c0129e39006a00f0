"""Facts of how a run was set up: settings, progress, trained parameters, episodes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import msgspec

from mobile_vla.evidence.fact_table import Fact, fact
from mobile_vla.evidence.model import Evidence, Foreign, RunView
from mobile_vla.study.models import Counts

SETTINGS: dict[str, tuple[str, str, str]] = {
    "recipe.lora.r": ("lora_r", "", ""),
    "recipe.lora.alpha": ("lora_alpha", "", ""),
    "recipe.lora.dropout": ("lora_dropout", "", ""),
    "recipe.learning_rate": ("learning_rate", "", ""),
    "recipe.weight_decay": ("weight_decay", "", ""),
    "recipe.accumulate": ("accumulate", "", ""),
    "recipe.batch": ("batch", "", ""),
    "recipe.window": ("window", "", ""),
    "recipe.chunk": ("chunk", "", ""),
    "recipe.action_dim": ("action_dim", "", ""),
    "recipe.head.hidden": ("hidden", "", ""),
    "epochs": ("epochs", "planned", ""),
    "seed": ("seed", "", ""),
    "optimiser_steps": ("steps", "done", ""),
}
"""Quantity, qualifier and split of each factor that is a number."""
DIRECTIONS = ("left", "right", "straight")
LORA_KEYS = ("train_setup.lora_enable", "lora_enable", "use_lora")
FROZEN_KEYS = ("train_setup.freeze_backbone", "freeze_backbone")
BACKBONE = ("vision", "projection", "text")
"""Parts of a policy that are its VLM."""


def setup_facts(run: RunView) -> Iterator[Fact]:
    """Settings, planned and done work, what trained, and the episodes it read."""
    yield from _settings(run)
    yield from _weights(run)
    yield from _regime(run)
    if run.foreign is None:
        yield from _manifest(run)
    else:
        yield from _episodes_read(run.foreign)


def _settings(run: RunView) -> Iterator[Fact]:
    for name, (quantity, qualifier, split) in SETTINGS.items():
        entry = run.factors.get(name)
        number = _number(entry.value) if entry else None
        if entry is not None and number is not None:
            yield fact(quantity, number, entry.evidence, qualifier=qualifier, split=split)
    for name, quantity in (("vlm", "vlm"), ("initial_weights", "init")):
        if entry := run.factors.get(name):
            yield fact(quantity, entry.value, entry.evidence)
    at = run.evidence[0] if run.evidence else Evidence(file=run.path)
    if run.total_steps is not None:
        source = run.factors["epochs"].evidence if "epochs" in run.factors else at
        yield fact("steps", run.total_steps, source, qualifier="planned")
    if run.steps is not None and "optimiser_steps" not in run.factors:
        yield fact("steps", run.steps, at, qualifier="done")
    if run.foreign is None and run.epochs is not None:
        yield fact(
            "epochs", run.epochs, Evidence(file=f"{run.path}/events.jsonl"), qualifier="done"
        )
    if run.foreign is not None:
        yield from _foreign_progress(run.foreign, run)


def _foreign_progress(foreign: Foreign, run: RunView) -> Iterator[Fact]:
    reached = [(bar.epoch, bar.evidence) for bar in foreign.bars]
    reached += [
        (loss.epoch, loss.evidence) for loss in foreign.val_losses if loss.epoch is not None
    ]
    if reached:
        last, at = max(reached, key=lambda pair: pair[0])
        yield fact("epochs", last + 1, at, qualifier="done")
        if foreign.steps_per_epoch:
            batches = foreign.steps_per_epoch * (last + 1)
            yield fact("steps", batches, at, qualifier="done", group="batches")
    elif run.state in ("failed", "killed") and not foreign.steps_per_epoch:
        at = run.evidence[0] if run.evidence else Evidence(file=run.path)
        yield fact("epochs", 0, at, qualifier="done")


def _weights(run: RunView) -> Iterator[Fact]:
    foreign = run.foreign
    if run.trained_parts:
        at = Evidence(file=f"{run.path}/load_report.json", where="key trainable")
        at = _with_hash(at, run, "weights_as_loaded")
        yield fact("params", sum(run.trained_parts.values()), at)
        for part, count in run.trained_parts.items():
            yield fact("params", count, at, group=part)
            yield fact("trained_part", "yes" if count else "no", at, group=part)
    if foreign is not None and foreign.trained_parameters is not None:
        at = foreign.trained_at or Evidence(file=foreign.files[0] if foreign.files else run.path)
        count = foreign.trained_parameters
        yield fact("params", count, at, step=_count_step(count))


def _with_hash(at: Evidence, run: RunView, factor: str) -> Evidence:
    entry = run.factors.get(factor)
    return msgspec.structs.replace(at, blake3=entry.evidence.blake3) if entry else at


def _count_step(count: int) -> float:
    """The worth of the last digit of a count that a program prints as "55.8 M"."""
    digits = len(str(count))
    zeros = digits - len(str(count).rstrip("0"))
    return float(10**zeros) if digits > 3 and zeros else 0.0


def _regime(run: RunView) -> Iterator[Fact]:
    """LoRA and the training regime, by settings and by counted parameters."""
    settings = run.foreign.settings if run.foreign else {}
    enabled = next((settings[key] for key in LORA_KEYS if key in settings), None)
    rank = run.factors.get("recipe.lora.r")
    lora, at = None, None
    if enabled is not None:
        lora, at = enabled.value.lower() in ("true", "1", "yes"), enabled.evidence
    elif rank is not None and (number := _number(rank.value)) is not None:
        parts = run.factors.get("recipe.lora.parts")
        lora, at = number > 0 and (parts is None or parts.value != ""), rank.evidence
    if lora is not None and at is not None:
        yield fact("lora", "yes" if lora else "no", at)
    frozen = next((settings[key] for key in FROZEN_KEYS if key in settings), None)
    if frozen is not None:
        yield fact("trained_part", "no" if frozen.value == "True" else "yes", frozen.evidence,
                   group="backbone_setting")  # fmt: skip
    if run.trained_parts:
        inside = sum(run.trained_parts.get(part, 0) for part in BACKBONE)
        source = Evidence(file=f"{run.path}/load_report.json", where="key trainable")
        yield fact("params", inside, source, group="backbone")
        yield fact("regime", "lora" if inside and lora else "full" if inside else "frozen", source)
    elif lora and at is not None:
        yield fact("regime", "lora", at)
    elif frozen is not None:
        yield fact("regime", "frozen" if frozen.value == "True" else "full", frozen.evidence)


def _manifest(run: RunView) -> Iterator[Fact]:
    """Episodes by split and direction of a run of ours."""
    at = Evidence(file=f"{run.path}/manifest.json", where="key episodes")
    at = _with_hash(at, run, "data_amount")
    splits = {"train": run.train, "val": run.validation}
    counted = {split: counts for split, counts in splits.items() if counts is not None}
    for split, counts in counted.items():
        yield from _counts(counts, split, at)
    if len(counted) == 2:
        both_splits = _sum(counted["train"], counted["val"])
        yield from _counts(both_splits, "", at)
        for split, counts in counted.items():
            if total := both_splits.total:
                yield fact("share", counts.total / total, at, split=split, trials=total)


def _counts(counts: Counts, split: str, at: Evidence) -> Iterator[Fact]:
    yield fact("episodes", counts.total, at, split=split)
    for name in DIRECTIONS:
        count = getattr(counts, name)
        yield fact("episodes", count, at, split=split, group=name)
        if counts.total:
            share = count / counts.total
            yield fact("share", share, at, split=split, group=name, trials=counts.total)
    present = [str(name) for name in counts.by_direction()]
    if present:
        both = "both" if {"left", "right"} <= set(present) else present[0]
        yield fact("direction", both, at, split=split)


def _sum(a: Counts, b: Counts) -> Counts:
    return Counts(left=a.left + b.left, right=a.right + b.right, straight=a.straight + b.straight)


def _episodes_read(foreign: Foreign) -> Iterator[Fact]:
    """Episodes that another program's data sets read; a glob gives their direction or hides it."""
    splits = {"train": foreign.train, "val": foreign.validation}
    read = {split: entry for split, entry in splits.items() if entry is not None}
    for split, entry in read.items():
        yield fact("episodes", entry.episodes, entry.evidence, split=split)
        if entry.frames is not None:
            yield fact("frames", entry.frames, entry.evidence, split=split)
        if entry.pattern is not None:
            yield fact("glob", entry.pattern, entry.evidence, split=split)
            if side := glob_direction(entry.pattern):
                yield fact("direction", side, entry.evidence, split=split)
    if len(read) == 2:
        total = sum(entry.episodes for entry in read.values())
        at = read["train"].evidence
        yield fact("episodes", total, at)
        for split, entry in read.items():
            if total:
                yield fact(
                    "share", entry.episodes / total, entry.evidence, split=split, trials=total
                )


def glob_direction(pattern: str) -> str:
    """The one direction that a glob selects, "" where it selects none.

    >>> glob_direction("episode_20251*.h5"), glob_direction("episode_*_left_*.h5")
    ('', 'left')
    """
    words = set(re.split(r"[^a-z]+", pattern.lower()))
    sides = [name for name in DIRECTIONS if name in words]
    return sides[0] if len(sides) == 1 else ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
