"""Verdicts on comparisons of runs: decided by settings first, then by the casebook."""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.analysis.model import Comparison, Effect
from mobile_vla.audit.judge.comparability import (
    confounds,
    loss_differences,
    sources_of,
)
from mobile_vla.audit.judge.context import Context, RunOfCase
from mobile_vla.audit.judge.verdict import (
    ClaimVerdict,
    Judged,
    as_is,
    number_of,
    unsupported,
    verdict_by_fact,
    verdict_by_files,
)
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable
from mobile_vla.messages.errors import UserError

LOSSES = frozenset({"val_loss", "train_loss", "rmse", "mae"})
QUALITY = frozenset({"better", "worse", "best", "times"})
"""Comparators that call one run the better: losses of two definitions contradict them."""
SUPERLATIVES = frozenset({"best", "lowest", "highest"})
LOWER = frozenset({"lower", "lowest"})
HIGHER_IS_BETTER = ("success", "direction_accuracy", "perfect_match", "instructed_side")


def judge_comparison(claim: Claim, context: Context) -> Judged:
    """Two runs, or one against every rival that the page or the evidence has."""
    record = context.records.get(claim.run)
    if record is None or record.speaking is None:
        return unsupported(claim, "no_run", case=claim.run or "")
    if claim.comparator in ("comparable", "not_comparable"):
        return _judge_comparable(claim, context)
    rivals = _rivals(claim, context)
    if not rivals:
        return verdict_by_files(claim, "ambiguous", [], "no_rival")
    valued = claim.comparator in ("better", "worse", "best") or claim.word in ("better", "worse")
    if claim.quantity in LOSSES or valued:
        judged = _by_definition(claim, record.speaking, rivals)
        if judged is not None:
            return judged
    if claim.comparator in ("better", "worse", "best"):
        return _by_casebook(claim, record.speaking, rivals, context)
    return _by_values(claim, record.speaking, rivals)


def _rivals(claim: Claim, context: Context) -> list[RunOfCase]:
    """The run named, else those of the page with the quantity, else all of the evidence."""
    if claim.other_run is not None:
        record = context.records.get(claim.other_run)
        return [record.speaking] if record and record.speaking else []
    if claim.other_owner is not None:
        return []  # a rival that is named and not bound is none of those of the evidence
    names = {c.run for c in context.siblings if c.quantity == claim.quantity and c.run}
    names = names or {c.run for c in context.siblings if c.run}
    records = [context.records.get(name) for name in sorted(names - {claim.run})]
    if not any(records):
        records = [r for r in context.records.all() if r.view.name != claim.run]
    attempts = [record.speaking for record in records if record and record.speaking]
    quantity = claim.quantity if claim.quantity in LOSSES else "val_loss"
    return [a for a in attempts if _value(claim, a.table, quantity) is not None]


def _by_definition(claim: Claim, attempt: RunOfCase, rivals: Sequence[RunOfCase]) -> Judged | None:
    """A loss beside one of another definition or of another validation set shows nothing."""
    if claim.comparator == "times" and claim.word in ("lower", "higher"):
        return None  # a ratio of two numbers, whatever they measure
    validation = claim.quantity != "train_loss"
    for rival in rivals:
        names = loss_differences(attempt, rival, validation=validation)
        if names:
            verdict: ClaimVerdict = "contradicted" if claim.comparator in QUALITY else "unsupported"
            return verdict_by_files(
                claim, verdict, sources_of(attempt, rival, names), "losses_not_comparable",
                other=rival.run.case, factors=[*names],
            )  # fmt: skip
    return None


def _by_casebook(
    claim: Claim, attempt: RunOfCase, rivals: Sequence[RunOfCase], context: Context
) -> Judged:
    """ "Better" where the comparison is valid and finds a difference in that direction."""
    for rival in rivals:
        try:
            comparison = context.compare(attempt.run.case, rival.run.case, None)
        except UserError:
            return unsupported(claim, "not_compared", other=rival.run.case)
        names = comparison.confounds or confounds(attempt, rival, context)
        if comparison.verdict != "valid":
            return verdict_by_files(
                claim, "unsupported", sources_of(attempt, rival, names), "comparison_is",
                comparison=comparison.verdict, other=rival.run.case, factors=[*names],
            )  # fmt: skip
        judged = _by_effects(claim, comparison, rival)
        if judged.verdict != "supported":
            return judged
    return judged


def _by_effects(claim: Claim, comparison: Comparison, rival: RunOfCase) -> Judged:
    effects = [effect for effect in comparison.effects if effect.finding == "difference"]
    at = [f.evidence_a for f in comparison.factors if f.evidence_a][:1]
    if not effects:
        return verdict_by_files(claim, "unsupported", at, "no_difference", other=rival.run.case)
    right = all(_favours_first(effect) == (claim.comparator != "worse") for effect in effects)
    verdict: ClaimVerdict = "supported" if right else "contradicted"
    metric = effects[0].metric
    return verdict_by_files(
        claim, verdict, at, "difference_in", other=rival.run.case, metric=metric
    )


def _favours_first(effect: Effect) -> bool:
    """`difference` is the second run's value minus the first's."""
    higher = effect.metric.startswith(HIGHER_IS_BETTER)
    return (effect.difference < 0) == higher


def _by_values(claim: Claim, attempt: RunOfCase, rivals: Sequence[RunOfCase]) -> Judged:
    """Lower, higher or N times: by the numbers, which are of one definition."""
    fact = _value(claim, attempt.table, claim.quantity)
    pairs = [(rival, _value(claim, rival.table, claim.quantity)) for rival in rivals]
    scored = [(rival, other) for rival, other in pairs if other is not None]
    if fact is None or not scored or (claim.other_run is None and len(scored) < len(pairs)):
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    for rival, other in scored:
        if not _relation_holds(claim, number_of(fact), number_of(other)):
            return verdict_by_fact(
                claim, "contradicted", other, "values_are", own=as_is(fact), other=rival.run.case,
                value=as_is(other),
            )  # fmt: skip
    rival, other = scored[0]
    return verdict_by_fact(
        claim, "supported", fact, "values_are", own=as_is(fact), other=rival.run.case,
        value=as_is(other),
    )  # fmt: skip


def _relation_holds(claim: Claim, value: float, other: float) -> bool:
    if claim.comparator == "times":
        if not value or not other or claim.number is None:
            return False
        ratios = (value / other, other / value)
        return any(abs(ratio - claim.number) <= 0.5 * claim.step + 1e-9 for ratio in ratios)
    if claim.comparator in LOWER:
        return value < other
    return value == other if claim.comparator == "equal" else value > other


def _value(claim: Claim, table: FactTable, quantity: str) -> Fact | None:
    """The value that a comparison is about: of the qualifier named, else best, final or plain."""
    if claim.epoch is not None:
        return table.get(FactKey(quantity, epoch=claim.epoch))
    names = (claim.qualifier,) if claim.qualifier else ("best", "final", "", "done", "planned")
    for name in names:
        for fact in table.of(quantity):
            same = fact.key.qualifier == name and fact.key.group == claim.group
            if same and fact.key.split in (claim.split, "train" if quantity == "episodes" else ""):
                return fact
    return None


def _judge_comparable(claim: Claim, context: Context) -> Judged:
    """May the two be compared: the casebook's own verdict on the pair."""
    other = context.records.get(claim.other_run)
    if other is None or claim.run is None:
        return verdict_by_files(claim, "ambiguous", [], "no_rival")
    try:
        comparison = context.compare(claim.run, other.view.name, _factor(claim))
    except UserError:
        return unsupported(claim, "not_compared", other=other.view.name)
    possible = claim.comparator == "comparable"
    if comparison.verdict == "evidence_missing":
        verdict: ClaimVerdict = "unsupported"
    else:
        verdict = "supported" if possible == (comparison.verdict == "valid") else "contradicted"
    at = [e for f in comparison.factors if f.name in comparison.confounds
          for e in (f.evidence_a, f.evidence_b) if e]  # fmt: skip
    at = at or [e for view in (other.view,) if view.run for e in view.run.evidence[:1]]
    return verdict_by_files(
        claim, verdict, at, "comparison_is", comparison=comparison.verdict, other=other.view.name,
        factors=[*comparison.confounds],
    )  # fmt: skip


def _factor(claim: Claim) -> str | None:
    """The one factor in question; "data" is several, which no pair answers alone."""
    if claim.factors == ("data",):
        return None
    return claim.factors[0] if len(claim.factors) == 1 else None
