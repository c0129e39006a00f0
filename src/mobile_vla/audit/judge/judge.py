"""The verdict on one claim. No evidence is never a pass; an unbound claim is never judged."""

from __future__ import annotations

import msgspec

from mobile_vla.audit.judge.arithmetic import judge_arithmetic
from mobile_vla.audit.judge.comparisons import judge_comparison
from mobile_vla.audit.judge.context import CaseRecord, Context, RunOfCase
from mobile_vla.audit.judge.correction import correction_of
from mobile_vla.audit.judge.counts import (
    judge_count,
    judge_direction,
    judge_glob,
    judge_share,
)
from mobile_vla.audit.judge.differences import judge_difference
from mobile_vla.audit.judge.numbers import judge_number
from mobile_vla.audit.judge.results import MEANS, SHARES, judge_result
from mobile_vla.audit.judge.training_parts import (
    judge_overfitting,
    judge_regime,
    judge_trained_part,
)
from mobile_vla.audit.judge.verdict import (
    Judged,
    unsupported,
    verdict_by_files,
)
from mobile_vla.audit.judge.words import JUDGES, judge_start, judge_state
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import FactTable
from mobile_vla.evidence.planned_facts import planned_table
from mobile_vla.messages.reason import reason

BOUND = ("exact", "confirmed", "safe")
OF_COUNTS = {
    "episodes": judge_count, "frames": judge_count, "share": judge_share, "glob": judge_glob,
    "overfitting": judge_overfitting,
    "trained_part": judge_trained_part, **JUDGES,
}  # fmt: skip
"""Judges that need a claim and a table alone, by quantity."""
ON_PAGE = {"direction": judge_direction, "regime": judge_regime, "lora": judge_regime}
"""Judges that look at other claims or runs too, by quantity."""


def judge(claim: Claim, table: FactTable | None, context: Context) -> Judged:
    """The verdict on a claim. `table`: of the run that it is bound to, None where there is none."""
    judged = _judge(claim, table, context)
    if judged.verdict in ("supported", "contradicted", "stale") and not judged.evidence:
        return unsupported(claim, "no_evidence")
    return msgspec.structs.replace(judged, correction=correction_of(judged))


def _judge(claim: Claim, table: FactTable | None, context: Context) -> Judged:
    if claim.kind == "arithmetic":
        return judge_arithmetic(claim, context)
    if claim.run is None or claim.sure not in BOUND:
        return verdict_by_files(claim, "unbound", [], "unbound", name=claim.owner or "")
    if claim.kind == "comparison":
        return judge_comparison(claim, context)
    if claim.kind == "difference":
        return judge_difference(claim, context)
    return _judge_value(claim, claim.run, table, context)


def _judge_value(claim: Claim, run: str, table: FactTable | None, context: Context) -> Judged:
    record = context.records.get(run)
    if claim.quantity == "state" and record is not None:
        return judge_state(claim, record)
    if record is None or table is None:
        planned = record and planned_table(record.view)
        if planned:
            return value_verdict(claim, planned, context)
        return unsupported(claim, "no_run", case=run)
    return _over_attempts(claim, record, table, context)


def _over_attempts(claim: Claim, record: CaseRecord, table: FactTable, context: Context) -> Judged:
    """The attempt that stands for the case, then the others: each value is of one attempt."""
    if claim.qualifier == "initial" and claim.quantity == "cause":
        return value_verdict(claim, record.attempts[0].table, context)
    judged = value_verdict(claim, table, context)
    if judged.verdict not in ("contradicted", "unsupported"):
        return judged
    for attempt in record.others:
        earlier = value_verdict(claim, attempt.table, context)
        if earlier.verdict == "supported":
            return earlier if judged.verdict == "unsupported" else _stale(judged, attempt)
    return judged


def _stale(judged: Judged, attempt: RunOfCase) -> Judged:
    why = reason("judge.true_of_attempt", run=attempt.run.path)
    return msgspec.structs.replace(judged, verdict="stale", reason=why)


def value_verdict(claim: Claim, table: FactTable, context: Context) -> Judged:
    """The verdict of one attempt's facts on a value."""
    if claim.quantity in OF_COUNTS:
        return OF_COUNTS[claim.quantity](claim, table)
    if claim.quantity in ON_PAGE:
        return ON_PAGE[claim.quantity](claim, table, context)
    if claim.quantity in SHARES or claim.quantity in MEANS:
        return judge_result(claim, table)
    if claim.number is not None:
        return judge_number(claim, table, context)
    if claim.quantity == "started":
        return judge_start(claim, table)
    return unsupported(claim, "no_file_gives", quantity=claim.quantity)
