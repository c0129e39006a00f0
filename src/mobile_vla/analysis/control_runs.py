"""Which runs would settle what a pair cannot: described, named where planned, with their cost."""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.analysis.model import Missing
from mobile_vla.evidence.model import CaseView
from mobile_vla.evidence.run_factors import IMPLIED, planned_factors, planned_steps
from mobile_vla.messages.reason import reason
from mobile_vla.study.models import ResolvedCase


def missing_runs(cases: Sequence[CaseView], seconds_per_step: float | None) -> list[Missing]:
    """The runs that these cases still lack."""
    return [
        Missing(
            case=case.name,
            description=_described(case.planned) if case.planned else {},
            parts=[reason("design.no_finished_run", case=case.label or case.name)],
            seconds=forecast(case.planned, seconds_per_step),
        )
        for case in cases
        if case.run is None or case.run.state != "finished"
    ]


def control_run_for(
    pair: tuple[CaseView, CaseView],
    factor: str,
    confounds: Sequence[str],
    cases: Sequence[CaseView],
    seconds_per_step: float | None,
) -> list[Missing]:
    """The run that has B's value of `factor` and all else of A: it parts it from the confounds.

    A case of the study that is so planned is named. Empty where the study does not plan A and B.
    """
    a, b = pair
    if a.planned is None or b.planned is None:
        return []
    levels = _wanted(planned_factors(a.planned), planned_factors(b.planned), factor)
    fitting = [c for c in cases if c.planned and _fits(planned_factors(c.planned), levels)]
    if any(case.name in (a.name, b.name) for case in fitting):
        return []  # it is of the pair itself: what moved besides is not of the study's planning
    case = next(iter(fitting), None)
    return [
        Missing(
            case=case.name if case else None,
            description={name: levels[name] for name in SHOWN},
            parts=[
                reason("design.separates_against", factor=factor, others=list(confounds),
                       case=a.label or a.name)
            ],
            seconds=cost(int(levels["optimiser_steps"]), seconds_per_step),
        )
    ]  # fmt: skip


def forecast(case: ResolvedCase | None, seconds_per_step: float | None) -> float | None:
    """Seconds of a whole run at the measured time of a step; None where nothing was measured."""
    return cost(planned_steps(case), seconds_per_step) if case else None


def cost(steps: int, seconds_per_step: float | None) -> float | None:
    """Seconds of so many steps; None where nothing was measured."""
    return None if seconds_per_step is None else steps * seconds_per_step


SHOWN = ("vlm", "initial_weights", "data_amount", "direction_balance", "optimiser_steps")


def _described(case: ResolvedCase) -> dict[str, str]:
    levels = planned_factors(case)
    return {name: levels[name] for name in SHOWN}


def _wanted(a: dict[str, str], b: dict[str, str], factor: str) -> dict[str, str]:
    """A's factors with B's value of the one in question; what follows from it is left free."""
    free = IMPLIED.get(factor, frozenset())
    return {
        name: b[name] if name == factor else value
        for name, value in a.items()
        if name not in free and name in b
    }


def _fits(planned: dict[str, str], levels: dict[str, str]) -> bool:
    return all(planned.get(name) == value for name, value in levels.items())
