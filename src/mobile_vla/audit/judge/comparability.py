"""Whether the losses of two runs measure one thing: same steps ahead, same validation set."""

from __future__ import annotations

import re

from mobile_vla.analysis.comparison import NEVER_CONFOUND, pair_factors
from mobile_vla.analysis.model import Factor
from mobile_vla.audit.judge.context import Context, RunOfCase
from mobile_vla.evidence.fact_table import FactKey
from mobile_vla.evidence.model import Evidence
from mobile_vla.evidence.run_factors import DERIVED

DEFINING = {"chunk": "recipe.chunk", "action_dim": "recipe.action_dim"}
"""Quantities that change what a loss is averaged over, with the names of their factors."""
LOSS_SETTING = re.compile(r"loss|huber|norm_(?:min|max)|normali|first_action")
VALIDATION_SET = "validation_set"


def loss_differences(a: RunOfCase, b: RunOfCase, *, validation: bool = True) -> list[str]:
    """Factors by which the losses of two runs are not of one definition or not of one set."""
    names = [
        factor for quantity, factor in DEFINING.items()
        if _values_differ(a, b, quantity)
    ]  # fmt: skip
    for factor in pair_factors(a.run, b.run, ()):
        if factor.relation == "moved" and LOSS_SETTING.search(factor.name):
            names.append(factor.name)
    if validation and validation_sets_differ(a, b):
        names.append(VALIDATION_SET)
    return list(dict.fromkeys(names))


def _values_differ(a: RunOfCase, b: RunOfCase, quantity: str) -> bool:
    of_a, of_b = a.table.get(FactKey(quantity)), b.table.get(FactKey(quantity))
    return of_a is not None and of_b is not None and of_a.value != of_b.value


def validation_sets_differ(a: RunOfCase, b: RunOfCase) -> bool:
    """By content hashes; of runs that store none, by the number of episodes and the glob."""
    if a.run.validation_hashes and b.run.validation_hashes:
        return set(a.run.validation_hashes) != set(b.run.validation_hashes)
    for key in (FactKey("episodes", split="val"), FactKey("glob", split="val")):
        of_a, of_b = a.table.get(key), b.table.get(key)
        if of_a is not None and of_b is not None and of_a.value != of_b.value:
            return True
    return False


def moved_factors(a: RunOfCase, b: RunOfCase, context: Context) -> list[Factor]:
    """Every factor that moved between two runs and is no declared nuisance."""
    return [
        factor for factor in pair_factors(a.run, b.run, context.nuisance)
        if factor.relation == "moved" and not factor.nuisance
    ]  # fmt: skip


def confounds(a: RunOfCase, b: RunOfCase, context: Context) -> list[str]:
    """Names of what moved between two runs, those that follow from others last."""
    names = [factor.name for factor in moved_factors(a, b, context)]
    names = [name for name in names if name not in NEVER_CONFOUND]
    return sorted(names, key=lambda name: name in DERIVED)


def sources_of(a: RunOfCase, b: RunOfCase, names: list[str]) -> list[Evidence]:
    """Where the values of factors stand, of both runs."""
    places: list[Evidence] = []
    for name in names:
        for attempt in (a, b):
            factor = attempt.run.factors.get(name)
            if factor is not None:
                places.append(factor.evidence)
    for attempt in (a, b) if VALIDATION_SET in names else ():
        fact = attempt.table.get(FactKey("episodes", split="val"))
        places += [fact.source] if fact is not None else []
    return list(dict.fromkeys(places))
