"""The measured results of a run in the form that tables show."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mobile_vla.analysis.statistics import wilson
from mobile_vla.evidence.model import Value
from mobile_vla.runs.results import Metric, Offline, Rollouts, Scored


class Rate(Value, frozen=True, kw_only=True):
    """k of n with Wilson's 95 % interval."""

    k: int
    n: int
    low: float
    high: float


def success(rollouts: Rollouts | None, direction: str | None = None) -> Rate | None:
    """Drives that succeeded under one instruction, or under both; None where there are none."""
    drives = [
        d
        for d in (rollouts.rollouts if rollouts else ())
        if direction is None or d.direction == direction
    ]
    if not drives:
        return None
    return rate(sum(drive.success for drive in drives), len(drives))


def rate(k: int, n: int) -> Rate:
    """`k` of `n` (at least one) with its interval."""
    low, high = wilson(k, n)
    return Rate(k=k, n=n, low=low, high=high)


def mean_error(offline: Offline | None) -> float | None:
    """Mean absolute error in m/s, over the dimensions whose unit that is."""
    return error_of(offline.policy) if offline else None


def unbeaten_replays(offline: Offline | None) -> list[str] | None:
    """Names of the replays whose mean absolute error the policy's is not below.

    Replay by step, and by step and instruction; None where neither was measured.
    """
    policy = mean_error(offline)
    replays = {s.name: error_of(s) for s in (offline.baselines if offline else ())
               if s.name.startswith("replay")}  # fmt: skip
    measured = {name: error for name, error in replays.items() if error is not None}
    if policy is None or not measured:
        return None
    return [name for name, error in measured.items() if policy >= error]


def beats_replay(offline: Offline | None) -> bool | None:
    """Whether the mean absolute error is below that of every replay; None where not measured."""
    unbeaten = unbeaten_replays(offline)
    return None if unbeaten is None else not unbeaten


def direction_accuracy(offline: Offline | None) -> float | None:
    """Share of the evaluation episodes in which the policy goes to the recorded side."""
    values = (m.value for m in (offline.policy.metrics if offline else ())
             if m.name == "direction_accuracy")  # fmt: skip
    return next(values, None)


def error_of(scored: Scored) -> float | None:
    """Mean absolute error in m/s of a policy or a baseline; None where it was not measured."""
    values = [m.value for m in _errors(scored.metrics) if math.isfinite(m.value)]
    return math.fsum(values) / len(values) if values else None


def _errors(metrics: Iterable[Metric]) -> list[Metric]:
    listed = [m for m in metrics if m.unit == "m/s"]
    overall = [m for m in listed if m.name == "mae"]
    return overall or [m for m in listed if m.name.startswith("mae_")]
