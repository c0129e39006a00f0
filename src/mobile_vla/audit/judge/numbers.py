"""Verdicts on numbers: losses, settings, amounts of work, sizes, times."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mobile_vla.audit.judge.checkpoint_values import judge_best_epoch, judge_epoch_value
from mobile_vla.audit.judge.context import Context
from mobile_vla.audit.judge.tolerance import TIMES, agreement
from mobile_vla.audit.judge.verdict import (
    Judged,
    as_is,
    number_of,
    unsupported,
    verdict_by_fact,
)
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable

LOSSES = frozenset({"val_loss", "train_loss", "rmse"})
ENDED = frozenset({"finished", "unverified", "failed", "killed", "unknown"})
NEARLY = 0.2
"""How far a time may lie from the evidence's, as a share of it, before it is called false."""
ROOT_TOLERANCE = 0.02


def judge_number(claim: Claim, table: FactTable, context: Context) -> Judged:
    """A number against the facts that the claim may mean."""
    if claim.quantity == "best_epoch":
        return judge_best_epoch(claim, table, context)
    if claim.quantity in LOSSES:
        return _judge_loss(claim, table, context)
    if claim.quantity in ("epochs", "steps"):
        return _judge_work(claim, table)
    facts = list(_facts_meant(claim, table))
    if not facts:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    return _by_facts(claim, facts)


def _facts_meant(claim: Claim, table: FactTable) -> Iterator[Fact]:
    """The facts that a claim may mean, the likeliest first."""
    for fact in table.of(claim.quantity):
        if fact.key.epoch in (None, claim.epoch) and fact.key.group == claim.group and (
            not claim.split or fact.key.split == claim.split
        ):  # fmt: skip
            yield fact
    if claim.quantity == "size" and claim.epoch is None:
        yield from (fact for fact in table.of("size") if fact.key.epoch is not None)
    if claim.quantity == "started":
        yield from (fact for fact in table.of("started") if fact.key.group)


def _by_facts(claim: Claim, facts: list[Fact]) -> Judged:
    """Supported by one of the facts, else contradicted by the likeliest."""
    answers = [(agreement(claim, fact), fact) for fact in facts]
    for fact in (fact for answer, fact in answers if answer == "agrees"):
        return verdict_by_fact(claim, "supported", fact, "agrees")
    for fact in (fact for answer, fact in answers if answer == "finer"):
        return verdict_by_fact(claim, "unsupported", fact, "finer_than_file", value=as_is(fact))
    fact = facts[0]
    if claim.quantity == "started" and fact.key.group:
        return verdict_by_fact(claim, "ambiguous", fact, "time_zone")
    if claim.quantity in TIMES and _is_near(claim, fact):
        return verdict_by_fact(claim, "ambiguous", fact, "only_roughly", seconds=number_of(fact))
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def _is_near(claim: Claim, fact: Fact) -> bool:
    return abs((claim.number or 0.0) - number_of(fact)) < NEARLY * number_of(fact)


def _judge_loss(claim: Claim, table: FactTable, context: Context) -> Judged:
    if claim.epoch is not None:
        return _with_definition(judge_epoch_value(claim, table, context), table)
    facts = _summary_facts(claim, table)
    if not facts:
        return _without_summary(claim, table)
    judged = _by_facts(claim, facts)
    if judged.verdict == "contradicted":
        judged = _meant_another(claim, table, judged)
    return _with_definition(judged, table)


def _summary_facts(claim: Claim, table: FactTable) -> list[Fact]:
    names = (claim.qualifier,) if claim.qualifier in ("best", "final", "initial") else (
        ("final", "best"))  # fmt: skip
    return [
        fact for name in names for fact in table.of(claim.quantity)
        if fact.key.qualifier == name and (not claim.split or fact.key.split in ("", claim.split))
    ]  # fmt: skip


def _points(claim: Claim, table: FactTable) -> list[Fact]:
    """The values of single epochs or rows."""
    return [
        fact for fact in table.of(claim.quantity)
        if not fact.key.qualifier and (not claim.split or fact.key.split in ("", claim.split))
    ]  # fmt: skip


def _without_summary(claim: Claim, table: FactTable) -> Judged:
    """No file gives the best or final value; another epoch's may still exclude a best."""
    points = _points(claim, table)
    if claim.qualifier == "best" and claim.quantity == "val_loss" and points:
        lowest = min(points, key=number_of)
        if claim.number is not None and claim.number - 0.5 * claim.step > number_of(lowest):
            return verdict_by_fact(
                claim, "contradicted", lowest, "best_is_no_higher", value=as_is(lowest)
            )
    for point in points:
        if agreement(claim, point) == "agrees":
            return verdict_by_fact(claim, "ambiguous", point, "of_another_epoch", **_epoch(point))
    return unsupported(claim, "no_file_gives", quantity=claim.quantity)


def _epoch(fact: Fact) -> dict[str, str]:
    return {"place": fact.source.where if fact.key.epoch is None else f"epoch {fact.key.epoch}"}


def _meant_another(claim: Claim, table: FactTable, judged: Judged) -> Judged:
    """A loss of no named epoch may be that of any; a plain "loss" may be the training loss."""
    if claim.qualifier:
        return judged
    for point in _points(claim, table):
        if agreement(claim, point) == "agrees":
            return verdict_by_fact(claim, "ambiguous", point, "of_another_epoch", **_epoch(point))
    if claim.quantity == "val_loss" and not claim.split:
        for point in table.of("train_loss"):
            if agreement(claim, point) == "agrees":
                return verdict_by_fact(claim, "ambiguous", point, "is_training_loss")
    if claim.quantity == "val_loss" and not _knows_best(table):
        lowest = min(_points(claim, table), key=number_of, default=None)
        if lowest is not None and (claim.number or 0.0) <= number_of(lowest):
            return unsupported(claim, "may_be_best")
    return judged


def _knows_best(table: FactTable) -> bool:
    return table.get(FactKey("val_loss", "best")) is not None or any(
        fact.key.qualifier == "best" for fact in table.of("val_loss")
    )


def _with_definition(judged: Judged, table: FactTable) -> Judged:
    """An "RMSE" that a log prints may be the root of its own loss, which is no error in m/s."""
    fact = judged.expected
    if judged.claim.quantity != "rmse" or fact is None or fact.unit:
        return judged
    if judged.verdict not in ("supported", "contradicted"):
        return judged
    for root in (fact, *table.of("rmse")):
        for loss in (*table.of("val_loss"), *table.of("train_loss")):
            if _is_root(root, loss):
                return verdict_by_fact(
                    judged.claim, "ambiguous" if judged.verdict == "supported" else judged.verdict,
                    fact, "root_of_loss", root=as_is(root), loss=as_is(loss),
                )  # fmt: skip
    return judged


def _is_root(root: Fact, loss: Fact) -> bool:
    return root.key.epoch == loss.key.epoch and math.isclose(
        number_of(root) ** 2, number_of(loss), rel_tol=ROOT_TOLERANCE
    )


def _judge_work(claim: Claim, table: FactTable) -> Judged:
    """Epochs and steps: what was planned is not what was done."""
    planned = [f for f in table.of(claim.quantity) if f.key.qualifier == "planned"]
    done = [f for f in table.of(claim.quantity) if f.key.qualifier == "done"]
    if claim.qualifier == "planned":
        return _by_facts(claim, planned) if planned else _no_work(claim)
    if claim.qualifier == "done":
        return _judge_done(claim, planned, done, table)
    right = [fact for fact in (*done, *planned) if agreement(claim, fact) == "agrees"]
    if not right and not done and planned:
        return verdict_by_fact(claim, "ambiguous", planned[0], "only_planned",
                               planned=as_is(planned[0]))  # fmt: skip
    if not right:
        return _stale_or_wrong(claim, [*done, *planned], table) if done else _no_work(claim)
    if right[0] in planned and done and _has_ended(table):
        return verdict_by_fact(
            claim, "ambiguous", right[0], "planned_not_done", done=as_is(done[0]),
            planned=as_is(right[0]),
        )  # fmt: skip
    return verdict_by_fact(claim, "supported", right[0], "agrees")


def _has_ended(table: FactTable) -> bool:
    """Whether what was done can no longer become what was planned."""
    state = table.get(FactKey("state"))
    return state is None or state.value in ENDED


def _no_work(claim: Claim) -> Judged:
    return unsupported(claim, "no_file_gives", quantity=claim.quantity)


def _judge_done(claim: Claim, planned: list[Fact], done: list[Fact], table: FactTable) -> Judged:
    if not done:
        return _no_work(claim)
    judged = _stale_or_wrong(claim, done, table)
    if judged.verdict == "contradicted" and any(agreement(claim, f) == "agrees" for f in planned):
        return verdict_by_fact(
            claim, "contradicted", done[0], "planned_not_done", done=as_is(done[0]),
            planned=as_is(planned[0]),
        )  # fmt: skip
    return judged


def _stale_or_wrong(claim: Claim, facts: list[Fact], table: FactTable) -> Judged:
    judged = _by_facts(claim, facts)
    state = table.get(FactKey("state"))
    running = state is not None and state.value == "running"
    if judged.verdict == "contradicted" and running and (claim.number or 0) < number_of(facts[0]):
        return verdict_by_fact(claim, "stale", facts[0], "has_gone_on", value=as_is(facts[0]))
    return judged
