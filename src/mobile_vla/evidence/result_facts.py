"""Facts of an evaluation: `offline.json` and `rollouts.json`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import msgspec

from mobile_vla.evidence.fact_table import Fact, fact
from mobile_vla.evidence.model import Evidence
from mobile_vla.runs.results import Metric, Offline, Rollout, Rollouts, Scored

DRIVES: dict[str, Callable[[Rollout], bool]] = {
    "success": lambda drive: drive.success,
    "collisions": lambda drive: drive.collision,
    "instructed_side": lambda drive: drive.side == drive.direction,
}
"""Shares of drives, by quantity."""


def rollout_facts(rollouts: Rollouts, source: Evidence) -> Iterator[Fact]:
    """Shares of drives and mean path length in m, over all drives and by instruction.

    Those of a replay stand under its name.
    """
    at = msgspec.structs.replace(source, where="key rollouts")
    yield from _drives(rollouts.rollouts, at, "")
    for replay in rollouts.replays:
        at = msgspec.structs.replace(source, where=f"key replays, {replay.name}")
        yield from _drives(replay.rollouts, at, replay.name)


def _drives(drives: list[Rollout], at: Evidence, series: str) -> Iterator[Fact]:
    """`series`: a replay's name, "" for the policy."""
    groups: dict[str, list[Rollout]] = {series: drives} if drives else {}
    for drive in drives:
        groups.setdefault(f"{series} {drive.direction}".strip(), []).append(drive)
    for name, group in groups.items():
        for quantity, holds in DRIVES.items():
            share = sum(map(holds, group)) / len(group)
            yield fact(quantity, share, at, group=name, trials=len(group))
        length = math.fsum(drive.path_length for drive in group) / len(group)
        yield fact("path_length", length, at, group=name, unit="m", trials=len(group))


def offline_facts(offline: Offline, source: Evidence) -> Iterator[Fact]:
    """Errors and accuracies of a policy, and the errors of each baseline under its name."""
    at = msgspec.structs.replace(source, where="key policy")
    yield from _scored(offline.policy, at, "")
    for baseline in offline.baselines:
        place = msgspec.structs.replace(source, where=f"key baselines, {baseline.name}")
        yield from _scored(baseline, place, baseline.name)
    swap = msgspec.structs.replace(source, where="key swap")
    yield fact("swap", offline.swap.follows, swap, trials=offline.swap.n)
    yield fact("swap", offline.swap.change, swap, group="change", unit="m/s", trials=offline.swap.n)


def _scored(scored: Scored, at: Evidence, series: str) -> Iterator[Fact]:
    """`series`: a baseline's name, "" for the policy."""
    if (error := mean_speed_error(scored.metrics)) is not None:
        yield fact("mae", error, at, group=series, unit="m/s", trials=_trials(scored.metrics))
    for metric in scored.metrics:
        yield from _metric(metric, at, series)
    for direction, metrics in scored.by_direction.items() if not series else ():
        if (error := mean_speed_error(metrics)) is not None:
            yield fact("mae", error, at, group=direction, unit="m/s", trials=_trials(metrics))
        for metric in metrics:
            if not metric.name.startswith(("mae", "rmse")):
                yield from _metric(metric, at, direction)


def _metric(metric: Metric, at: Evidence, series: str) -> Iterator[Fact]:
    """A metric of one dimension (`mae_linear_x`) is of that group."""
    quantity, _, dimension = metric.name.partition("_")
    if quantity not in ("mae", "rmse"):
        quantity, dimension = metric.name, ""
    if metric.name == "mae" or not math.isfinite(metric.value):
        return
    group = " ".join(part for part in (series, dimension) if part)
    yield fact(quantity, metric.value, at, group=group, unit=metric.unit, trials=metric.n)


def mean_speed_error(metrics: Iterable[Metric]) -> float | None:
    """Mean absolute error in m/s, over the dimensions whose unit that is; None if not measured."""
    speeds = [metric for metric in metrics if metric.unit == "m/s"]
    errors = [metric for metric in speeds if metric.name == "mae"]
    errors = errors or [metric for metric in speeds if metric.name.startswith("mae_")]
    values = [metric.value for metric in errors if math.isfinite(metric.value)]
    return math.fsum(values) / len(values) if values else None


def _trials(metrics: Iterable[Metric]) -> int:
    return max((metric.n for metric in metrics if metric.name.startswith("mae")), default=0)
