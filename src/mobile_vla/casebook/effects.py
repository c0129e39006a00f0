"""What a pair of evaluated runs shows: B minus A, paired by episode or by scene."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from mobile_vla.casebook import statistics
from mobile_vla.casebook.model import Comparison, Effect, RunView
from mobile_vla.record.results import Metric, Rollout, Rollouts, Scored

SEEDS = 1
"""Training seeds on each side: one run speaks for a case."""

OUTCOMES = {
    "success": "share of drives to the basket, nothing touched, the box passed as instructed",
    "collision": "share of drives that hit a box",
    "side": "share of drives that pass the box on the instructed side",
}
Drives = dict[tuple[int, str], tuple[Rollout, Rollout]]


def measure_effects(a: RunView, b: RunView, leaked: frozenset[str]) -> list[Effect]:
    """Every effect that both runs' evaluations share; `leaked` episodes are left out."""
    effects: list[Effect] = []
    if a.rollouts is not None and b.rollouts is not None:
        effects += _rollout_effects(a.rollouts, b.rollouts)
    if a.offline is not None and b.offline is not None:
        effects += _episode_effects(a.offline.policy, b.offline.policy, leaked)
    return effects


def metric_faults(a: RunView, b: RunView) -> tuple[bool, list[str]]:
    """Whether both runs share a metric at all, and what to say of those that they do not."""
    faults = [
        f"{what} of {run.case} is not measured: run `mvla evaluate` on it"
        for run in (a, b)
        for what, result in (("offline evaluation", run.offline), ("driving", run.rollouts))
        if result is None
    ]
    drives = a.rollouts is not None and b.rollouts is not None
    of_a, of_b = _metrics(a), _metrics(b)
    if not of_a or not of_b:
        return drives, faults
    for run, own, others in ((a, of_a, of_b), (b, of_b, of_a)):
        alone = sorted(set(own) - set(others))
        if alone:
            faults.append(f"measured in {run.case} alone, so not compared: {', '.join(alone)}")
    other = sorted(name for name in set(of_a) & set(of_b) if not _same(of_a[name], of_b[name]))
    if other:
        faults.append(f"of another unit or definition in each, so not compared: {', '.join(other)}")
    return drives or bool(set(of_a) & set(of_b) - set(other)), faults


def _metrics(run: RunView) -> dict[str, Metric]:
    """The metrics of the policy on the evaluation set, by name."""
    return {metric.name: metric for metric in run.offline.policy.metrics} if run.offline else {}


def _same(a: Metric, b: Metric) -> bool:
    return (a.unit, a.definition) == (b.unit, b.definition)


def adjust(comparisons: list[Comparison]) -> list[Comparison]:
    """Holm's correction of each metric over the pairs that answer a question."""
    answered = [c for c in comparisons if c.verdict == "valid"]
    metrics = dict.fromkeys(effect.metric for c in answered for effect in c.effects)
    for metric in metrics:
        family = [
            e for c in answered for e in c.effects if e.metric == metric and e.p_value is not None
        ]
        adjusted = statistics.holm([e.p_value for e in family if e.p_value is not None])
        exchange = {id(e): _adjusted(e, p) for e, p in zip(family, adjusted, strict=True)}
        answered = [
            msgspec.structs.replace(c, effects=[exchange.get(id(e), e) for e in c.effects])
            for c in answered
        ]
    done = iter(answered)
    return [next(done) if c.verdict == "valid" else c for c in comparisons]


def _adjusted(effect: Effect, p_value: float) -> Effect:
    interval = None if effect.low is None or effect.high is None else (effect.low, effect.high)
    found = statistics.finding(interval, p_value, effect.seeds)
    return msgspec.structs.replace(effect, p_adjusted=p_value, finding=found)


def _rollout_effects(a: Rollouts, b: Rollouts) -> list[Effect]:
    of_b = {(drive.scene, drive.direction): drive for drive in b.rollouts}
    pairs: Drives = {
        (drive.scene, drive.direction): (drive, of_b[drive.scene, drive.direction])
        for drive in a.rollouts
        if (drive.scene, drive.direction) in of_b
    }
    found = []
    for name, definition in OUTCOMES.items():
        for way in (None, "left", "right"):
            chosen = [p for key, p in pairs.items() if way is None or key[1] == way]
            if chosen:
                metric = f"{name}_{way}" if way else name
                suffix = f", {way} instruction" if way else ", both instructions"
                told = [(_outcome(x, name), _outcome(y, name)) for x, y in chosen]
                found.append(_rate_effect(metric, definition + suffix, told))
    return found


def _outcome(drive: Rollout, name: str) -> bool:
    if name == "success":
        return drive.success
    return drive.collision if name == "collision" else drive.side == drive.direction


def _rate_effect(metric: str, definition: str, told: Sequence[tuple[bool, bool]]) -> Effect:
    n = len(told)
    only_a, only_b = told.count((True, False)), told.count((False, True))
    both, neither = told.count((True, True)), told.count((False, False))
    interval = statistics.newcombe_paired(both, only_a, only_b, neither)
    p_value = statistics.mcnemar(only_a, only_b)
    rate_a, rate_b = (both + only_a) / n, (both + only_b) / n
    return Effect(
        metric=metric,
        definition=definition,
        unit="1",
        a=rate_a,
        b=rate_b,
        difference=rate_b - rate_a,
        low=interval[0],
        high=interval[1],
        n=n,
        seeds=SEEDS,
        method="paired scenes, Newcombe's interval, exact McNemar test",
        p_value=p_value,
        detectable=statistics.detectable_rate(n),
        finding=statistics.finding(interval, p_value, SEEDS),
    )


def _episode_effects(a: Scored, b: Scored, leaked: frozenset[str]) -> list[Effect]:
    of_b = {score.episode: score.values for score in b.episodes}
    pairs = [
        (score.values, of_b[score.episode])
        for score in a.episodes
        if score.episode in of_b and score.episode not in leaked
    ]
    of_b_metrics = {metric.name: metric for metric in b.metrics}
    metrics = {
        metric.name: metric
        for metric in a.metrics
        if metric.name in of_b_metrics and _same(metric, of_b_metrics[metric.name])
    }
    told = {
        name: [(x[name], y[name]) for x, y in pairs if name in x and name in y] for name in metrics
    }
    return [_mean_effect(metrics[name], values) for name, values in told.items() if values]


def _mean_effect(metric: Metric, told: Sequence[tuple[float, float]]) -> Effect:
    differences = [y - x for x, y in told]
    interval = statistics.paired_bootstrap(differences)
    p_value = statistics.paired_permutation(differences)
    mean_a, mean_b = _mean(x for x, _ in told), _mean(y for _, y in told)
    return Effect(
        metric=metric.name,
        definition=f"{metric.definition}; mean over episodes",
        unit=metric.unit,
        a=mean_a,
        b=mean_b,
        difference=mean_b - mean_a,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        n=len(told),
        seeds=SEEDS,
        method="paired episodes, bootstrap interval, sign-flip permutation test",
        p_value=p_value,
        detectable=statistics.detectable_mean(differences),
        finding=statistics.finding(interval, p_value, SEEDS),
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
