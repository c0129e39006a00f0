"""Facts of a case that no run has begun: what its study plans, and that nothing exists."""

from __future__ import annotations

from collections.abc import Iterator

from mobile_vla.evidence.fact_table import Fact, FactTable, fact
from mobile_vla.evidence.model import CaseView, Evidence
from mobile_vla.evidence.run_factors import planned_factors
from mobile_vla.evidence.setup_facts import DIRECTIONS, SETTINGS
from mobile_vla.study.models import ResolvedCase


def planned_table(case: CaseView) -> FactTable | None:
    """Facts of a planned case, None for a case that no study plans."""
    if case.planned is None:
        return None
    return FactTable(_facts(case.planned, case.name), case.name)


def _facts(planned: ResolvedCase, name: str) -> Iterator[Fact]:
    at = Evidence(file=f"study {planned.study}", where=f"case {name}")
    factors = {**planned_factors(planned), "epochs": str(planned.recipe.epochs)}
    for factor, (quantity, qualifier, split) in SETTINGS.items():
        if (text := factors.get(factor, "")).replace(".", "", 1).isdecimal():
            when = qualifier.replace("done", "planned")
            yield fact(quantity, float(text), at, qualifier=when, split=split)
    yield fact("vlm", factors["vlm"], at)
    yield fact("init", factors["initial_weights"], at)
    yield fact("episodes", planned.data.total, at)
    for direction in DIRECTIONS:
        yield fact("episodes", getattr(planned.data, direction), at, group=direction)
    yield fact("checkpoint", "no", Evidence(file=f"runs/{name}", where="no run folder"))
