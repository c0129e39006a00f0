"""From loss to driving: which offline number ranks checkpoints as driving does, and how surely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.analysis.headline_metrics import success
from mobile_vla.analysis.statistics import holm
from mobile_vla.evidence.model import CaseView, RunView, Value
from mobile_vla.runs.results import Offline, Rollouts, read_result

if TYPE_CHECKING:
    import numpy as np

HIGHER_IS_BETTER = frozenset({"direction_accuracy", "perfect_match", "swap_change", "swap_follows"})
LEVEL = 0.05
FEWEST = 5
RESAMPLES, PERMUTATIONS = 2000, 20_000
SEED = 0


class EvaluatedCheckpoint(Value, frozen=True, kw_only=True):
    """A checkpoint that was evaluated and driven: its offline numbers, its share of success.

    `checkpoint`: its folder's name, such as `step-000200`.
    """

    case: str
    checkpoint: str
    numbers: dict[str, float]
    success: float

    @property
    def name(self) -> str:
        """The case and the checkpoint's folder."""
        return f"{self.case} {self.checkpoint}"


class Trust(Value, frozen=True, kw_only=True):
    """How an offline number ranks `n` checkpoints of `cases` cases against success in driving.

    `rank_correlation`: Spearman's, + 1 where the better number always drives better; None where
    all values are one. `low`, `high`: its 95 % interval, a bootstrap over cases. `p_adjusted`: of
    a one-sided permutation of cases, each with its mean ranks (exact for up to seven cases),
    Holm-corrected over the numbers.
    `mmrv`: mean maximum rank violation (Li et al. 2024), a share of success, 0 is best.
    `trusted`: the adjusted p is below 5 %, over at least five cases.

    `pairs`: pairs of checkpoints of one case that do not drive alike; in `right` of them the
    better number drives better (a tie counts half). `p_within`: of a one-sided permutation within
    cases, Holm-corrected; None without a pair. `trusted_within`: it is below 5 %.
    """

    metric: str
    cases: int
    n: int
    rank_correlation: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    mmrv: float
    trusted: bool
    right: float
    pairs: int
    p_within: float | None
    trusted_within: bool
    points: dict[str, tuple[float, float]]
    """Of each checkpoint, the number and the share of drives that succeeded."""


def evaluated_checkpoints(cases: Sequence[CaseView], workspace: Path) -> list[EvaluatedCheckpoint]:
    """Every checkpoint of the runs that speak for cases, where both evaluations are there.

    In the cases' order, the checkpoints of one by their steps.
    """
    points = [
        point for case in cases if case.run is not None
        for point in _of_run(case.name, case.run, workspace / case.run.path)
    ]  # fmt: skip
    order = {case.name: place for place, case in enumerate(cases)}
    return sorted(points, key=lambda point: (order[point.case], point.checkpoint))


def trust(points: Sequence[EvaluatedCheckpoint]) -> list[Trust]:
    """Every offline number that at least two driven checkpoints have, the best ranking first."""
    names = dict.fromkeys(name for point in points for name in point.numbers)
    groups = {name: [p for p in points if name in p.numbers] for name in names}
    draws_by_points: dict[tuple[str, ...], _Draws] = {}
    rankings = []
    for name, group in groups.items():
        if len(group) > 1:
            key = tuple(point.name for point in group)
            draws = draws_by_points.setdefault(key, _Draws(group))
            rankings.append(_trust(name, group, draws))
    return sorted(
        _corrected(rankings),
        key=lambda t: (t.rank_correlation is None, -(t.rank_correlation or 0.0), t.metric),
    )


def mmrv(scores: Sequence[float], rates: Sequence[float]) -> float:
    """Mean over points of the largest difference in success to one that is ranked wrongly."""
    pairs = range(len(rates))
    return sum(
        max(
            abs(rates[i] - rates[j]) * ((scores[i] < scores[j]) != (rates[i] < rates[j]))
            for j in pairs
        )
        for i in pairs
    ) / len(rates)


def _of_run(case: str, run: RunView, folder: Path) -> Iterator[EvaluatedCheckpoint]:
    views = {Path(view.path).name: view for view in run.checkpoints if view.problem is None}
    for name, offline, rollouts in _results(run, folder):
        view, rate = views.get(name), success(rollouts)
        hashes = offline.checkpoint_blake3, rollouts.checkpoint_blake3
        if view is None or rate is None or {*hashes} != {view.evidence.blake3}:
            continue
        numbers = {metric.name: metric.value for metric in offline.policy.metrics}
        numbers |= {"swap_change": offline.swap.change, "swap_follows": offline.swap.follows}
        if view.val_loss is not None:
            numbers["val_loss"] = view.val_loss
        yield EvaluatedCheckpoint(
            case=case, checkpoint=name, numbers=numbers, success=rate.k / rate.n
        )


def _results(run: RunView, folder: Path) -> Iterator[tuple[str, Offline, Rollouts]]:
    """What was measured of the best checkpoint, then of each further one, by their names."""
    if run.best is not None and run.offline is not None and run.rollouts is not None:
        yield Path(run.best.path).name, run.offline, run.rollouts
    for further in sorted((folder / "evaluation").glob("step-*")):
        files = further / "offline.json", further / "rollouts.json"
        if all(file.exists() for file in files):
            offline, rollouts = read_result(files[0], Offline), read_result(files[1], Rollouts)
            yield further.name, offline, rollouts


class _Draws:
    """Resamples and permutations of one set of checkpoints, drawn once for all its numbers.

    `weights` (RESAMPLES, N): how often each point is drawn when cases are drawn. `within`
    (PERMUTATIONS, N): whose success each point gets, among the points of its own case.
    """

    def __init__(self, points: Sequence[EvaluatedCheckpoint]) -> None:
        import numpy as np

        rng = np.random.default_rng(SEED)
        self.rates = np.array([point.success for point in points])
        cases = list(dict.fromkeys(point.case for point in points))
        self.case = np.array([cases.index(point.case) for point in points])
        self.cases = len(cases)
        picks = rng.integers(self.cases, size=(RESAMPLES, self.cases))
        times = (picks[:, :, None] == np.arange(self.cases)).sum(1)
        self.weights = times[:, self.case]
        rows = [np.flatnonzero(self.case == number) for number in range(self.cases)]
        self.within = np.empty((PERMUTATIONS, len(points)), int)
        for members in rows:
            self.within[:, members] = rng.permuted(np.tile(members, (PERMUTATIONS, 1)), axis=1)

    def by_case(self, values: np.ndarray) -> np.ndarray:
        """The mean of (N,) values over each case's checkpoints."""
        import numpy as np

        return np.bincount(self.case, values) / np.bincount(self.case)


def _trust(name: str, points: Sequence[EvaluatedCheckpoint], draws: _Draws) -> Trust:
    sign = 1 if name in HIGHER_IS_BETTER else -1
    values = [point.numbers[name] for point in points]
    scores = [sign * value for value in values]
    rho, low, high, p_value = _across(scores, draws)
    right, pairs, p_within = _within(scores, draws)
    return Trust(
        metric=name,
        cases=draws.cases,
        n=len(points),
        rank_correlation=rho,
        low=low,
        high=high,
        p_adjusted=p_value,
        mmrv=mmrv(scores, draws.rates.tolist()),
        trusted=False,
        right=right,
        pairs=pairs,
        p_within=p_within,
        trusted_within=False,
        points={p.name: (v, p.success) for p, v in zip(points, values, strict=True)},
    )


def _across(
    scores: Sequence[float], draws: _Draws
) -> tuple[float | None, float | None, float | None, float | None]:
    """Rank correlation, its interval and its p; None where one side has one value only."""
    import numpy as np

    rho = _spearman(np.array(scores), draws.rates, np.ones((1, len(scores))))[0]
    if not np.isfinite(rho):
        return None, None, None, None
    resampled = _spearman(np.array(scores), draws.rates, draws.weights)
    low, high = np.quantile(resampled[np.isfinite(resampled)], [0.025, 0.975])
    a, b = (draws.by_case(_centred(np.array(values))) for values in (scores, draws.rates))
    return float(rho), float(low), float(high), _p_across(a - a.mean(), b - b.mean())


def _p_across(ranks: np.ndarray, rates: np.ndarray) -> float:
    """One-sided p of mean ranks (C,) against rates (C,) by permuting the C cases.

    Exact where there are at most `PERMUTATIONS` orders of the cases, else drawn with a seed.
    """
    import numpy as np
    from scipy.stats import permutation_test

    result = permutation_test(
        (rates,),
        lambda values, axis: (values * ranks).sum(axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        alternative="greater",
        rng=np.random.default_rng(SEED),
    )
    return float(result.pvalue)


def _within(scores: Sequence[float], draws: _Draws) -> tuple[float, int, float | None]:
    """Pairs of one case ranked rightly, pairs that do not drive alike, and the p of that."""
    import numpy as np

    first, other = np.nonzero(np.triu(draws.case[:, None] == draws.case, 1))
    ranked = np.sign(np.array(scores)[first] - np.array(scores)[other])
    drives = np.sign(draws.rates[first] - draws.rates[other])
    pairs = int(np.abs(drives).sum())
    if not pairs:
        return 0.0, 0, None
    taken = draws.rates[draws.within]
    agreement = float(ranked @ drives)
    shuffled = np.sign(taken[:, first] - taken[:, other]) @ ranked
    right = float(((ranked == drives) + (ranked == 0) / 2)[drives != 0].sum())
    return right, pairs, _share_beyond(shuffled, agreement)


def _share_beyond(shuffled: np.ndarray, observed: float) -> float:
    return (1 + int((shuffled >= observed - 1e-12).sum())) / (1 + len(shuffled))


def _corrected(rankings: Sequence[Trust]) -> list[Trust]:
    import msgspec

    across = _holm({t.metric: t.p_adjusted for t in rankings})
    within = _holm({t.metric: t.p_within for t in rankings})
    return [
        msgspec.structs.replace(
            t,
            p_adjusted=across.get(t.metric),
            trusted=t.cases >= FEWEST and across.get(t.metric, 1.0) < LEVEL,
            p_within=within.get(t.metric),
            trusted_within=within.get(t.metric, 1.0) < LEVEL,
        )
        for t in rankings
    ]


def _holm(p_values: dict[str, float | None]) -> dict[str, float]:
    tested = {name: p for name, p in p_values.items() if p is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))


def _spearman(scores: np.ndarray, rates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of (N,) scores and rates, (R,), a point as often as weighted.

    `weights` (R, N). NaN where one side has one value only.
    """
    import numpy as np

    a, b = (_centred(values, weights) for values in (scores, rates))
    size = (weights * a * a).sum(1) * (weights * b * b).sum(1)
    together = (weights * a * b).sum(1)
    rho = np.full(len(size), np.nan)
    np.divide(together, np.sqrt(size), out=rho, where=size > 1e-9)
    return rho


def _centred(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Ranks of (N,) values less their mean, the mean rank for ties, counted (R, N) times."""
    import numpy as np

    times = np.ones(len(values)) if weights is None else weights
    below = (values[None] < values[:, None]) + (values[None] == values[:, None]) / 2
    ranks = times @ below.T
    mean = (times * ranks).sum(-1, keepdims=True) / times.sum(-1, keepdims=True)
    centred: np.ndarray = ranks - mean
    return centred
