"""Verdicts on an evaluation: drives that succeeded, errors, accuracies."""

from __future__ import annotations

from mobile_vla.audit.judge.tolerance import agreement
from mobile_vla.audit.judge.verdict import Judged, as_is, number_of, unsupported, verdict_by_fact
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactTable

SHARES = frozenset(
    {"success", "collisions", "instructed_side", "swap", "direction_accuracy", "perfect_match"}
)
MEANS = frozenset({"mae", "path_length"})


def judge_result(claim: Claim, table: FactTable) -> Judged:
    """A share or a mean of an evaluation; "39 of 40" by both its numbers."""
    facts = [fact for fact in table.of(claim.quantity) if fact.key.group != "change"]
    meant = [fact for fact in facts if fact.key.group == claim.group]
    if not meant:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    fact = meant[0]
    if _holds(claim, fact):
        return verdict_by_fact(claim, "supported", fact, "agrees")
    if not claim.group and any(_holds(claim, f) for f in facts if f.key.group in ("left", "right")):
        other = next(f for f in facts if f.key.group in ("left", "right") and _holds(claim, f))
        return verdict_by_fact(claim, "ambiguous", other, "of_one_direction",
                               direction=other.key.group)  # fmt: skip
    if claim.quantity in SHARES and fact.trials:
        count = round(number_of(fact) * fact.trials)
        return verdict_by_fact(
            claim, "contradicted", fact, "count_differs", count=count, trials=fact.trials
        )
    if agreement(claim, fact) == "finer":
        return verdict_by_fact(claim, "unsupported", fact, "finer_than_file", value=as_is(fact))
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def _holds(claim: Claim, fact: Fact) -> bool:
    if claim.quantity not in SHARES or not fact.trials or claim.number is None:
        return agreement(claim, fact) == "agrees"
    count = number_of(fact) * fact.trials
    if len(claim.terms) == len(("count", "trials")):
        successes, trials = (term.number for term in claim.terms)
        return trials == fact.trials and round(count) == successes
    if claim.number > 1:
        return abs(claim.number - count) < 0.5
    return agreement(claim, fact) == "agrees"
