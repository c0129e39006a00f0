"""Values of one epoch held together, and from which number a page counts its epochs."""

from __future__ import annotations

from collections.abc import Iterable

from mobile_vla.audit.judge.context import Context
from mobile_vla.audit.judge.tolerance import agreement
from mobile_vla.audit.judge.verdict import Judged, as_is, number_of, unsupported, verdict_by_fact
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable

BASES = (0, 1)
"""Files count epochs from 0; pages from 0 or from 1."""


def judge_epoch_value(claim: Claim, table: FactTable, context: Context) -> Judged:
    """A value of a named epoch: the value of another epoch contradicts it."""
    bases = epoch_bases(claim, table, context)
    facts = {base: _at(claim, table, (claim.epoch or 0) - base) for base in bases}
    values = [fact for fact in facts.values() if fact is not None]
    if not values:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    right = [base for base, fact in facts.items() if fact and agreement(claim, fact) == "agrees"]
    if right:
        fact = facts[right[0]]
        assert fact is not None
        return _of_right_epoch(claim, table, fact, right, bases)
    finer = [fact for fact in values if agreement(claim, fact) == "finer"]
    if finer:
        return verdict_by_fact(
            claim, "unsupported", finer[0], "finer_than_file", value=as_is(finer[0])
        )
    if len(values) < len(bases):
        return unsupported(claim, "epoch_count_unknown", epoch=claim.epoch or 0)
    return _of_wrong_epoch(claim, table, values[0])


def _of_right_epoch(
    claim: Claim, table: FactTable, fact: Fact, right: list[int], bases: Iterable[int]
) -> Judged:
    if 0 not in right and 0 in bases:
        return verdict_by_fact(
            claim, "ambiguous", fact, "epoch_by_other_count", epoch=fact.key.epoch or 0
        )
    summary = _summary(claim, table)
    if summary is not None and agreement(claim, summary) == "differs":
        return verdict_by_fact(
            claim, "contradicted", summary, "not_the_best", value=as_is(summary),
            epoch=summary.key.epoch or 0,
        )  # fmt: skip
    return verdict_by_fact(claim, "supported", fact, "agrees")


def _summary(claim: Claim, table: FactTable) -> Fact | None:
    """The best or final value, where the claim calls its own so."""
    if claim.qualifier not in ("best", "final"):
        return None
    facts = [f for f in table.of(claim.quantity) if f.key.qualifier == claim.qualifier]
    return next((f for f in facts if not claim.split or f.key.split in ("", claim.split)), None)


def _of_wrong_epoch(claim: Claim, table: FactTable, fact: Fact) -> Judged:
    for other in table.of(claim.quantity):
        if other.key.epoch is not None and agreement(claim, other) == "agrees":
            return verdict_by_fact(
                claim, "contradicted", fact, "value_of_other_epoch", value=as_is(fact),
                epoch=fact.key.epoch or 0, other=other.key.epoch,
            )  # fmt: skip
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def judge_best_epoch(claim: Claim, table: FactTable, context: Context) -> Judged:
    """The epoch of the lowest validation loss, by the page's own count."""
    fact = table.get(FactKey("best_epoch"))
    if fact is None or claim.number is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    bases = epoch_bases(claim, table, context)
    right = [base for base in bases if claim.number - base == number_of(fact)]
    if not right:
        return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))
    if right[0] != 0 and 0 in bases:
        return verdict_by_fact(
            claim, "ambiguous", fact, "epoch_by_other_count", epoch=int(number_of(fact))
        )
    return verdict_by_fact(claim, "supported", fact, "agrees")


def epoch_bases(claim: Claim, table: FactTable, context: Context) -> tuple[int, ...]:
    """From which numbers the page can count epochs, as its other values fix it.

    The claim under test, and what says the same of the same epoch, fixes nothing.
    """
    if claim.epoch == 0 or (claim.quantity == "best_epoch" and claim.number == 0):
        return (0,)
    last = table.get(FactKey("epochs", "planned")) or table.get(FactKey("epochs", "done"))
    if last is not None and claim.epoch is not None and claim.epoch == number_of(last):
        return (1,)
    if any(other.epoch == 0 for other in context.of_run(claim.run)):
        return (0,)
    possible = set(BASES)
    for other in context.siblings:
        if other.run is None or _same_statement(claim, other):
            continue
        fixed = _bases_of(other, context)
        if fixed and possible & fixed:
            possible &= fixed
    return tuple(sorted(possible))


def _same_statement(claim: Claim, other: Claim) -> bool:
    of_claim = (claim.run, claim.quantity, claim.epoch)
    return other is claim or of_claim == (other.run, other.quantity, other.epoch)


def _bases_of(other: Claim, context: Context) -> set[int]:
    """The counts under which another value of the page is true; empty where it fixes none."""
    record = context.records.get(other.run)
    if record is None or record.speaking is None or other.number is None or other.kind != "value":
        return set()
    table = record.speaking.table
    if other.epoch == 0:
        return {0}
    if other.epoch is not None and other.quantity in ("val_loss", "train_loss", "rmse"):
        facts = {base: _at(other, table, other.epoch - base) for base in BASES}
        if None in facts.values():
            return set()
        return {b for b, fact in facts.items() if fact and agreement(other, fact) == "agrees"}
    return set()


def _at(claim: Claim, table: FactTable, epoch: int) -> Fact | None:
    """The value that a file gives of an epoch, the most precise where several do."""
    facts = [
        fact for fact in table.of(claim.quantity)
        if fact.key.epoch == epoch and (not claim.split or fact.key.split in ("", claim.split))
    ]  # fmt: skip
    return min(facts, key=lambda fact: fact.step, default=None)
