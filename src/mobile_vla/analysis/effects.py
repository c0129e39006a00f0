"""What a pair of evaluated runs shows: B minus A, paired by episode or by scene."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mobile_vla.analysis import statistics
from mobile_vla.analysis.model import Comparison, Effect
from mobile_vla.analysis.seeds import Arms
from mobile_vla.evidence.model import RunView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.results import Metric, Rollout, Rollouts, Scored

OUTCOMES = {
    "success": "share of drives to the basket, nothing touched, the box passed as instructed",
    "collision": "share of drives that hit a box",
    "side": "share of drives that pass the box on the instructed side",
}


@dataclass(frozen=True, slots=True)
class MetricTrials:
    """One metric of all runs of a pair, those of A first: `values` by run, then by trial.

    Trials (episodes or scenes) stand in the same order in every run, but where the runs share
    none (`paired` is false). `binary`: 0 or 1 each.
    """

    metric: str
    definition: str
    unit: str
    values: list[list[float]]
    binary: bool
    paired: bool = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """What trials show of a difference; None where they cannot."""

    interval: statistics.Interval | None
    p_value: float | None
    detectable: float | None


def measure_effects(sides: Arms, leaked: frozenset[str]) -> list[Effect]:
    """Every effect that all runs' evaluations share; `leaked` episodes are left out."""
    runs = (*sides.a, *sides.b)
    metrics: list[MetricTrials] = []
    if all(run.rollouts is not None for run in runs):
        metrics += _driven([run.rollouts for run in runs if run.rollouts])
    if all(run.offline is not None for run in runs):
        metrics += _scored([run.offline.policy for run in runs if run.offline], leaked)
    return [_effect(trials, len(sides.a)) for trials in metrics]


UNMEASURED = frozenset(
    {
        "compare.offline_not_measured",
        "compare.driving_not_measured",
        "compare.offline_not_in_files",
        "compare.driving_not_in_files",
    }
)
"""Reasons that name a result which nobody has measured."""


def metric_faults(a: RunView, b: RunView) -> tuple[bool, list[Reason]]:
    """Whether both runs share a metric at all, and why each other metric is not compared."""
    faults = [*_unmeasured(a), *_unmeasured(b)]
    drives = a.rollouts is not None and b.rollouts is not None
    of_a, of_b = _metrics(a), _metrics(b)
    if not of_a or not of_b:
        return drives, faults
    for run, metrics, others in ((a, of_a, of_b), (b, of_b, of_a)):
        alone = sorted(set(metrics) - set(others))
        if alone:
            faults.append(reason("compare.metrics_of_one", run=run.case, metrics=[*alone]))
    other = sorted(name for name in set(of_a) & set(of_b) if not _same(of_a[name], of_b[name]))
    if other:
        faults.append(reason("compare.metrics_defined_otherwise", metrics=[*other]))
    return drives or bool(set(of_a) & set(of_b) - set(other)), faults


def _unmeasured(run: RunView) -> Iterator[Reason]:
    if run.offline is None and run.foreign:
        yield reason("compare.offline_not_in_files", run=run.case)
    elif run.offline is None:
        yield reason("compare.offline_not_measured", run=run.case)
    if run.rollouts is None and run.foreign:
        yield reason("compare.driving_not_in_files", run=run.case)
    elif run.rollouts is None:
        yield reason("compare.driving_not_measured", run=run.case)


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
        of_pairs = statistics.holm([_p_pairs(e) for e in family])
        rows = zip(family, adjusted, of_pairs, strict=True)
        exchange = {id(e): _adjusted(e, p, of_pair) for e, p, of_pair in rows}
        answered = [
            msgspec.structs.replace(c, effects=[exchange.get(id(e), e) for e in c.effects])
            for c in answered
        ]
    done = iter(answered)
    return [next(done) if c.verdict == "valid" else c for c in comparisons]


def _p_pairs(effect: Effect) -> float:
    p_value = effect.p_value if effect.p_pairs is None else effect.p_pairs
    return 1.0 if p_value is None else p_value


def _adjusted(effect: Effect, p_value: float, p_pairs: float) -> Effect:
    interval = None if effect.low is None or effect.high is None else (effect.low, effect.high)
    result = statistics.finding(interval, p_value, effect.seeds)
    if effect.of_pairs is not None:
        pairs = statistics.finding(effect.of_pairs, p_pairs, effect.seeds)
        result = statistics.finding_of_seeds(result, pairs)
    return msgspec.structs.replace(effect, p_adjusted=p_value, finding=result)


def _driven(results: Sequence[Rollouts]) -> list[MetricTrials]:
    """Shares of drives over the scenes that all runs drove, both instructions and each.

    Of two runs that share no scene, each is measured on its own.
    """
    drives = [{(d.scene, d.direction): d for d in result.rollouts} for result in results]
    shared = [key for key in drives[0] if all(key in run_drives for run_drives in drives)]
    paired = bool(shared) or len(results) > 2
    metrics = []
    for name, definition in OUTCOMES.items():
        for way in (None, "left", "right"):
            suffix = f", {way} instruction" if way else ", both instructions"
            values = [
                [
                    float(_outcome(of_run[key], name))
                    for key in (shared if paired else of_run)
                    if way in (None, key[1])
                ]
                for of_run in drives
            ]
            metric, text = f"{name}_{way}" if way else name, definition + suffix
            metrics.append(MetricTrials(metric, text, "1", values, binary=True, paired=paired))
    return [trials for trials in metrics if all(trials.values)]


def _outcome(drive: Rollout, name: str) -> bool:
    if name == "success":
        return drive.success
    return drive.collision if name == "collision" else drive.side == drive.direction


def _scored(results: Sequence[Scored], leaked: frozenset[str]) -> list[MetricTrials]:
    """Means over the episodes that all runs were scored on, of each metric that all define."""
    scores = [{score.episode: score.values for score in result.episodes} for result in results]
    clean = [
        e for e in scores[0] if e not in leaked and all(e in run_values for run_values in scores)
    ]
    metrics = []
    for metric in results[0].metrics:
        if not all(_defines(result, metric) for result in results):
            continue
        chosen = [e for e in clean if all(metric.name in run_values[e] for run_values in scores)]
        values = [[run_values[e][metric.name] for e in chosen] for run_values in scores]
        definition = f"{metric.definition}; mean over episodes"
        metrics.append(MetricTrials(metric.name, definition, metric.unit, values, binary=False))
    return [trials for trials in metrics if trials.values[0]]


def _defines(result: Scored, metric: Metric) -> bool:
    return any(other.name == metric.name and _same(other, metric) for other in result.metrics)


def _effect(trials: MetricTrials, seeds_a: int) -> Effect:
    """B minus A: of one run a side, else over pairs and over seeds."""
    a, b = trials.values[:seeds_a], trials.values[seeds_a:]
    if len(a) == len(b) == 1:
        return (
            _rate_effect(trials, a[0], b[0]) if trials.binary else _mean_effect(trials, a[0], b[0])
        )
    return _seed_effect(trials, a, b)


def _rate_effect(trials: MetricTrials, a: Sequence[float], b: Sequence[float]) -> Effect:
    if not trials.paired:
        counts = round(sum(a)), len(a), round(sum(b)), len(b)
        shown = Estimate(statistics.newcombe(*counts), statistics.fisher(*counts), None)
        method = reason("compare.method_rates_unpaired", a=len(a), b=len(b))
        return _built(trials, (_mean(a), _mean(b)), 1, method, shown)
    pairs = list(zip(a, b, strict=True))
    only_a, only_b = pairs.count((1.0, 0.0)), pairs.count((0.0, 1.0))
    both, neither = pairs.count((1.0, 1.0)), pairs.count((0.0, 0.0))
    interval = statistics.newcombe_paired(both, only_a, only_b, neither)
    p_value = statistics.mcnemar(only_a, only_b)
    method = reason("compare.method_rates")
    shown = Estimate(interval, p_value, statistics.detectable_rate(len(pairs)))
    return _built(trials, (_mean(a), _mean(b)), 1, method, shown)


def _mean_effect(trials: MetricTrials, a: Sequence[float], b: Sequence[float]) -> Effect:
    differences = [y - x for x, y in zip(a, b, strict=True)]
    method = reason("compare.method_means")
    return _built(trials, (_mean(a), _mean(b)), 1, method, _over_pairs(differences))


def _over_pairs(differences: Sequence[float]) -> Estimate:
    return Estimate(
        statistics.paired_interval(differences),
        statistics.paired_permutation(differences),
        statistics.detectable_mean(differences),
    )


def _seed_effect(
    trials: MetricTrials, a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]
) -> Effect:
    """Over pairs, each averaged over its side's seeds, and over seeds, each averaged over pairs."""
    columns = zip(zip(*a, strict=True), zip(*b, strict=True), strict=True)
    pairs = _over_pairs([_mean(of_b) - _mean(of_a) for of_a, of_b in columns])
    means_a, means_b = [_mean(run) for run in a], [_mean(run) for run in b]
    code = "compare.method_seeds_scenes" if trials.binary else "compare.method_seeds_episodes"
    method = reason(code, a=len(a), b=len(b))
    estimate, seeds = _with_seeds(pairs, means_a, means_b), min(len(a), len(b))
    effect = _built(trials, (_mean(means_a), _mean(means_b)), seeds, method, estimate)
    of_pairs = statistics.finding(pairs.interval, pairs.p_value, seeds)
    result = statistics.finding_of_seeds(effect.finding, of_pairs)
    return msgspec.structs.replace(
        effect, of_pairs=pairs.interval, p_pairs=pairs.p_value, finding=result
    )


def _with_seeds(pairs: Estimate, a: Sequence[float], b: Sequence[float]) -> Estimate:
    """The wider interval, the larger p and the larger detectable difference of both views."""
    seeds = statistics.welch(a, b)
    if pairs.interval is None or pairs.p_value is None or seeds is None:
        return pairs
    (low, high), p_value, least = seeds
    return Estimate(
        (min(pairs.interval[0], low), max(pairs.interval[1], high)),
        max(pairs.p_value, p_value),
        max(least, pairs.detectable or 0.0),
    )


def _built(
    trials: MetricTrials, means: tuple[float, float], seeds: int, method: Reason, shown: Estimate
) -> Effect:
    interval = shown.interval
    return Effect(
        metric=trials.metric,
        definition=trials.definition,
        unit=trials.unit,
        a=means[0],
        b=means[1],
        difference=means[1] - means[0],
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        n=min(map(len, trials.values)),
        seeds=seeds,
        method=method,
        p_value=shown.p_value,
        detectable=shown.detectable,
        finding=statistics.finding(interval, shown.p_value, seeds),
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
