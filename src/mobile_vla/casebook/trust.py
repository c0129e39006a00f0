"""From loss to driving: which offline number ranks the cases as driving does, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mobile_vla.casebook.measured import success
from mobile_vla.casebook.model import CaseView, Value
from mobile_vla.casebook.statistics import holm

if TYPE_CHECKING:
    import numpy as np

HIGHER_IS_BETTER = frozenset({"direction_accuracy", "perfect_match", "swap_change", "swap_follows"})
LEVEL = 0.05
FEWEST = 5
RESAMPLES = 2000
SEED = 0


class Trust(Value, frozen=True, kw_only=True):
    """How an offline number ranks `n` cases against success in driving.

    `rank_correlation`: Spearman's, + 1 where the better number always drives better; None where
    all values are one. `low`, `high`: its 95 % bootstrap interval over cases. `p_adjusted`: of a
    one-sided permutation test, Holm-corrected over the numbers. `mmrv`: mean maximum rank
    violation (Li et al. 2024), a share of success, 0 is best. `trusted`: the adjusted p is below
    5 %, over at least five cases.
    """

    metric: str
    n: int
    rank_correlation: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    mmrv: float
    trusted: bool
    points: dict[str, tuple[float, float]]
    """Of each case, the number and the share of drives that succeeded."""


def trust(cases: Sequence[CaseView]) -> list[Trust]:
    """Every offline number that at least two driven cases have, the best ranking first."""
    numbers: dict[str, dict[str, tuple[float, float]]] = {}
    for case in cases:
        rate = success(case.run.rollouts) if case.run else None
        if case.run is None or case.run.offline is None or rate is None:
            continue
        for name, value in _numbers(case).items():
            numbers.setdefault(name, {})[case.name] = (value, rate.k / rate.n)
    found = [_trust(name, points) for name, points in numbers.items() if len(points) > 1]
    return sorted(_corrected(found), key=lambda t: (-(t.rank_correlation or -2), t.metric))


def mmrv(scores: Sequence[float], rates: Sequence[float]) -> float:
    """Mean over cases of the largest difference in success to a case that is ranked wrongly."""
    pairs = range(len(rates))
    return sum(
        max(
            abs(rates[i] - rates[j]) * ((scores[i] < scores[j]) != (rates[i] < rates[j]))
            for j in pairs
        )
        for i in pairs
    ) / len(rates)


def _numbers(case: CaseView) -> dict[str, float]:
    run = case.run
    assert run is not None and run.offline is not None
    found = {metric.name: metric.value for metric in run.offline.policy.metrics}
    found["swap_change"] = run.offline.swap.change
    found["swap_follows"] = run.offline.swap.follows
    if run.best_val_loss is not None:
        found["val_loss"] = run.best_val_loss
    return found


def _trust(name: str, points: Mapping[str, tuple[float, float]]) -> Trust:
    import numpy as np

    sign = 1 if name in HIGHER_IS_BETTER else -1
    scores = np.array([sign * value for value, _ in points.values()])
    rates = np.array([rate for _, rate in points.values()])
    rng = np.random.default_rng(SEED)
    rho = _spearman(scores, rates)
    times = RESAMPLES if rho is not None else 0
    picks = [rng.integers(len(rates), size=len(rates)) for _ in range(times)]
    drawn = [_spearman(scores[pick], rates[pick]) for pick in picks]
    kept = [value for value in drawn if value is not None]
    shuffled = [_spearman(scores, rng.permutation(rates)) for _ in drawn]
    beyond = sum(value is not None and rho is not None and value >= rho - 1e-12
                 for value in shuffled)  # fmt: skip
    low, high = (float(q) for q in np.quantile(kept, [0.025, 0.975])) if kept else (None, None)
    return Trust(
        metric=name,
        n=len(rates),
        rank_correlation=rho,
        low=low,
        high=high,
        p_adjusted=None if rho is None else (1 + beyond) / (1 + len(shuffled)),
        mmrv=mmrv(scores.tolist(), rates.tolist()),
        trusted=False,
        points=dict(points),
    )


def _corrected(found: Sequence[Trust]) -> list[Trust]:
    import msgspec

    asked = [t for t in found if t.p_adjusted is not None]
    adjusted = dict(
        zip((t.metric for t in asked), holm([t.p_adjusted or 0.0 for t in asked]), strict=True)
    )
    return [
        msgspec.structs.replace(
            t, p_adjusted=adjusted.get(t.metric),
            trusted=t.n >= FEWEST and adjusted.get(t.metric, 1.0) < LEVEL,
        )
        for t in found
    ]  # fmt: skip


def _spearman(scores: np.ndarray, rates: np.ndarray) -> float | None:
    """Spearman's rank correlation, None where either side has one value only."""
    a, b = _ranks(scores), _ranks(rates)
    a, b = a - a.mean(), b - b.mean()
    size = float((a @ a) * (b @ b))
    return float(a @ b) / size**0.5 if size > 0 else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of (N,) values, the mean rank for ties."""
    below = (values[:, None] > values).sum(1)
    ranks: np.ndarray = below + ((values[:, None] == values).sum(1) - 1) / 2
    return ranks
