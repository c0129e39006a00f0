"""May A and B be compared, for which factor, and if not, what moved as well or is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mobile_vla.analysis.control_runs import control_run_for, missing_runs
from mobile_vla.analysis.effects import measure_effects, metric_faults
from mobile_vla.analysis.evaluation_leakage import leakage, scored
from mobile_vla.analysis.model import Comparison, Effect, Factor, Missing, Relation, Verdict
from mobile_vla.analysis.seeds import FOLLOW_SEED, Arms, arms, seeds_of
from mobile_vla.evidence.flatten import NONE
from mobile_vla.evidence.model import CaseView, Known, RunView
from mobile_vla.evidence.run_factors import DERIVED, IMPLIED, SETTING, planned_factors
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.study.models import Question

NEVER_CONFOUND = frozenset({"validation_set"})
"""A run's own validation set matters to its validation loss only, which is no effect here."""

NEEDED = (
    "data_amount",
    "direction_balance",
    "optimiser_steps",
    "vlm",
    "initial_weights",
    "robot",
    "code",
    "seed",
)
"""Factors without which nothing is compared, where neither side tells them."""

MEASURED_ON = frozenset({"evaluation_set", "evaluation_scenes"})


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """A pair and what is asked of it. `cases`: all there are. `measure`: effects are wanted too."""

    a: CaseView
    b: CaseView
    question: Question | None
    factor: str | None
    nuisance: tuple[str, ...]
    cases: Sequence[CaseView]
    seconds_per_step: float | None
    exploratory: bool = False
    measure: bool = True


class NotComparable(UserError):
    """A pair that nobody can compare: both arms are the same. `why` says so."""

    def __init__(self, why: Reason) -> None:
        super().__init__(f"{sentence(why, 'en')}.")
        self.why = why


def compare_pair(request: ComparisonRequest) -> Comparison:
    """The verdict on a pair, with the factors side by side.

    Raises: NotComparable where both arms are the same.
    """
    a, b = request.a, request.b
    if a.name == b.name:
        raise NotComparable(reason("compare.with_itself", case=a.name))
    absent = [_why_absent(case) for case in (a, b)]
    if a.run is None or b.run is None or any(absent):
        return _without_runs(request, [why for why in absent if why])
    sides = arms(a, b, request.nuisance)
    factors = _with_seeds(pair_factors(sides.a[-1], sides.b[-1], request.nuisance), sides)
    factor = request.factor or _inferred(factors)
    if not any(f.relation == "moved" and not f.nuisance for f in factors):
        _refuse_identical(request, factors)
    return _judged(request, sides, factors, factor)


def pair_factors(a: RunView, b: RunView, nuisance: Sequence[str]) -> list[Factor]:
    """Every factor that either run tells, side by side; the derived ones stand last.

    Another program's further settings are held against those of the same program only.
    """
    names = sorted(dict.fromkeys([*a.factors, *b.factors]), key=lambda name: name in DERIVED)
    if not (a.foreign and b.foreign and a.foreign.maker == b.foreign.maker):
        names = [name for name in names if not name.startswith(SETTING)]
    return [_side_by_side(name, a, b, name in nuisance) for name in names]


def confounds_of(factors: Sequence[Factor], factor: str | None) -> list[str]:
    """Names of the factors that moved beyond the one in question and what it implies."""
    allowed = IMPLIED.get(factor or "", frozenset()) | {factor} | NEVER_CONFOUND
    return [
        f.name
        for f in factors
        if f.relation == "moved" and not f.nuisance and f.name not in allowed
    ]


def _side_by_side(name: str, a: RunView, b: RunView, nuisance: bool) -> Factor:
    of_a, of_b = a.factors.get(name), b.factors.get(name)
    return Factor(
        name=name,
        a=of_a.value if of_a else None,
        b=of_b.value if of_b else None,
        relation=_relation(of_a, of_b),
        derived=name in DERIVED,
        nuisance=nuisance,
        evidence_a=of_a.evidence if of_a else None,
        evidence_b=of_b.evidence if of_b else None,
    )


def _relation(a: Known | None, b: Known | None) -> Relation:
    """A weight path without a hash can only be distinguished from no weights."""
    if a is None or b is None:
        return "unknown"
    if (a.exact and b.exact) or (NONE in (a.value, b.value) and a.value != b.value):
        return "held" if a.value == b.value else "moved"
    return "unknown"


def _inferred(factors: Sequence[Factor]) -> str | None:
    """The only factor that moved and is not derived; None where several did."""
    moved = [f.name for f in factors if f.relation == "moved" and not f.nuisance and not f.derived]
    return moved[0] if len(moved) == 1 else None


def _refuse_identical(request: ComparisonRequest, factors: Sequence[Factor]) -> None:
    if not _unknown(factors, None, request.nuisance):
        raise NotComparable(reason("compare.identical", a=request.a.name, b=request.b.name))


def _with_seeds(factors: list[Factor], sides: Arms) -> list[Factor]:
    """Where each side has several seeds, they are trials within it, and no factor between."""
    if not sides.replicated:
        return factors
    a, b = seeds_of(sides.a), seeds_of(sides.b)
    return [
        msgspec.structs.replace(f, a=a, b=b, relation="held" if a == b else "moved", nuisance=True)
        if f.name == "seed"
        else msgspec.structs.replace(f, nuisance=f.nuisance or (f.name in FOLLOW_SEED and a != b))
        for f in factors
    ]


def _judged(
    request: ComparisonRequest, sides: Arms, factors: list[Factor], factor: str | None
) -> Comparison:
    confounds = confounds_of(factors, factor)
    leaked, leak_reasons = leakage(sides.a, sides.b)
    blocking = _blocking((*sides.a, *sides.b), factors, request, leaked)
    shared, faults = metric_faults(sides.a[-1], sides.b[-1])
    reasons = [*blocking, *leak_reasons, *faults]
    unknown = _unknown(factors, factor, request.nuisance)
    verdict: Verdict = "valid"
    if blocking:
        verdict = "not_comparable"
    elif confounds:
        verdict = "confounded"
        reasons.append(_also_moved(factors, confounds))
    elif unknown or not shared:
        verdict = "evidence_missing"
    if unknown and verdict in ("confounded", "evidence_missing"):
        reasons.append(reason("compare.unknown_factors", factors=[*unknown]))
    shown = request.measure and (verdict == "valid" or request.exploratory)
    return Comparison(
        question=request.question,
        a=request.a.name,
        b=request.b.name,
        verdict=verdict,
        factors=factors,
        confounds=confounds,
        reasons=reasons,
        effects=[_marked(e, verdict) for e in measure_effects(sides, leaked)] if shown else [],
        would_settle=_settled_by(request, verdict, factor, confounds),
        exploratory=request.exploratory and verdict != "valid",
        factor=factor,
    )


def _marked(effect: Effect, verdict: Verdict) -> Effect:
    return effect if verdict == "valid" else msgspec.structs.replace(effect, exploratory=True)


def _settled_by(
    request: ComparisonRequest, verdict: Verdict, factor: str | None, confounds: list[str]
) -> list[Missing]:
    if verdict != "confounded" or factor is None:
        return []
    return control_run_for(
        (request.a, request.b), factor, confounds, request.cases, request.seconds_per_step
    )


def _blocking(
    runs: Sequence[RunView],
    factors: Sequence[Factor],
    request: ComparisonRequest,
    leaked: frozenset[str],
) -> list[Reason]:
    """Why no number of these two may stand side by side for this question."""
    relation = {f.name: f.relation for f in factors}
    reasons = []
    if relation.get("robot") == "moved":
        reasons.append(reason("compare.robot_differs"))
    factor = request.factor
    if factor is not None and relation.get(factor) == "held":
        reasons.append(reason("compare.same_in_both", factor=factor))
        if not _varies(request.cases, factor):
            reasons.append(reason("compare.no_case_varies", factor=factor))
    measured = scored(runs)
    if measured and not measured - leaked:
        reasons.append(reason("compare.all_leaked"))
    return reasons


def _varies(cases: Sequence[CaseView], factor: str) -> bool:
    """Whether any two cases differ in a factor, as planned or as run."""
    planned = {planned_factors(case.planned).get(factor) for case in cases if case.planned}
    run = {
        case.run.factors[factor].value for case in cases if case.run and factor in case.run.factors
    }
    return len(planned) > 1 or len(run) > 1


def _unknown(factors: Sequence[Factor], factor: str | None, nuisance: Sequence[str]) -> list[str]:
    """Unknown factors that bear on the question; measured on nothing is unknown too."""
    allowed = IMPLIED.get(factor or "", frozenset()) | NEVER_CONFOUND
    missing = [
        f.name
        for f in factors
        if f.relation == "unknown" and not f.nuisance and f.name not in allowed
    ]
    listed = {f.name for f in factors}
    if not listed & MEASURED_ON:
        missing.append("evaluation_set")
    return missing + [name for name in NEEDED if name not in listed and name not in nuisance]


def _also_moved(factors: Sequence[Factor], confounds: list[str]) -> Reason:
    levels = [
        reason("compare.factor_levels", factor=f.name, a=f.a or "", b=f.b or "")
        for f in factors
        if f.name in confounds
    ]
    return reason("compare.also_moved", factors=[*levels])


def _why_absent(case: CaseView) -> Reason | None:
    """Why a case has no run that can be compared, None where it has one."""
    name = case.label or case.name
    if case.run is None:
        return reason("compare.no_run", case=name, cause=case.why)
    if case.run.state != "finished":
        state, cause = case.run.state, case.run.why
        return reason("compare.not_finished", case=name, state=state, cause=cause)
    return None


def _without_runs(request: ComparisonRequest, reasons: list[Reason]) -> Comparison:
    """What can be said before both arms have finished: what is missing, and what the plan moves."""
    planned = _planned_pair(request)
    confounds = confounds_of(planned, request.factor) if request.factor else []
    if confounds:
        reasons = [*reasons, reason("compare.would_move", factors=[*confounds])]
    return Comparison(
        question=request.question,
        a=request.a.name,
        b=request.b.name,
        verdict="evidence_missing",
        factors=[],
        confounds=confounds,
        reasons=reasons,
        effects=[],
        would_settle=missing_runs((request.a, request.b), request.seconds_per_step),
        exploratory=False,
        factor=request.factor,
    )


def _planned_pair(request: ComparisonRequest) -> list[Factor]:
    a, b = request.a.planned, request.b.planned
    if a is None or b is None:
        return []
    of_a, of_b = planned_factors(a), planned_factors(b)
    return [
        Factor(
            name=name,
            a=of_a[name],
            b=of_b[name],
            relation="held" if of_a[name] == of_b[name] else "moved",
            derived=name in DERIVED,
            nuisance=name in request.nuisance,
        )
        for name in of_a
    ]
