"""Verdicts on "only X differs" and "the same but for X": by the settings of both runs."""

from __future__ import annotations

from mobile_vla.analysis.comparison import NEVER_CONFOUND, pair_factors
from mobile_vla.analysis.model import Factor
from mobile_vla.audit.judge.comparability import sources_of, validation_sets_differ
from mobile_vla.audit.judge.context import Context, RunOfCase
from mobile_vla.audit.judge.verdict import Judged, unsupported, verdict_by_files
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import FactKey
from mobile_vla.evidence.run_factors import DERIVED, IMPLIED

FACTORS = {
    "episodes": "data_amount", "direction": "direction_balance", "init": "initial_weights",
    "lora": "recipe.lora.r", "lora_r": "recipe.lora.r", "lora_alpha": "recipe.lora.alpha",
    "recipe.epochs": "epochs", "recipe.seed": "seed", "steps": "optimiser_steps",
    "hidden": "recipe.head.hidden",
}  # fmt: skip
"""Names of factors by other names that a claim may have for them."""
PARTS = {"data": ("data_amount", "direction_balance", "episodes_left", "episodes_right")}
"""What a factor of a page's words is made of: one of them that moved is the factor's move."""
NEEDED = ("data_amount", "vlm", "initial_weights")


def judge_difference(claim: Claim, context: Context) -> Judged:
    """What moved between two runs held against what a page says of it."""
    first, second = context.records.get(claim.run), context.records.get(claim.other_run)
    if first is None or first.speaking is None:
        return unsupported(claim, "no_run", case=claim.run or "")
    if second is None or second.speaking is None:
        return verdict_by_files(claim, "ambiguous", [], "no_rival")
    a, b = first.speaking, second.speaking
    factors = {f.name: f for f in pair_factors(a.run, b.run, context.nuisance) if not f.nuisance}
    named = {_factor(part, factors) for name in claim.factors for part in PARTS.get(name, (name,))}
    moved = [name for name, f in factors.items() if f.relation == "moved"]
    moved += _counts_moved(a, b, moved)
    if claim.comparator in ("only_differs", "same_except"):
        return _only(claim, (a, b), factors, named, moved)
    if claim.comparator == "differs":
        return _each(claim, (a, b), factors, named, moved, expected=True)
    return _each(claim, (a, b), factors, named, moved, expected=False)


def _factor(name: str, factors: dict[str, Factor]) -> str:
    if name in factors:
        return name
    name = FACTORS.get(name, name)
    return name if name in factors else f"recipe.{name}" if f"recipe.{name}" in factors else name


def _counts_moved(a: RunOfCase, b: RunOfCase, moved: list[str]) -> list[str]:
    """Validation sets and directions that are counted, where no factor names them."""
    names = (
        ["validation_set"] if validation_sets_differ(a, b) and "validation_set" not in moved else []
    )
    sides = [attempt.table.get(FactKey("direction", split="train")) for attempt in (a, b)]
    if "direction_balance" not in moved and all(sides):
        values = {side.value for side in sides if side is not None}
        names += ["direction_balance"] if len(values) > 1 else []
    return names


def _only(
    claim: Claim, pair: tuple[RunOfCase, RunOfCase], factors: dict[str, Factor], named: set[str],
    moved: list[str],
) -> Judged:  # fmt: skip
    allowed = set(named) | NEVER_CONFOUND | {"validation_set"}
    for name in named:
        allowed |= IMPLIED.get(name, frozenset())
        allowed |= {other for other in factors if other.startswith(f"{name}.")}
    allowed |= DERIVED if named & {"data_amount", "direction_balance", "epochs"} else set()
    others = [name for name in moved if name not in allowed]
    if others:
        at = sources_of(*pair, others)
        return verdict_by_files(claim, "contradicted", at, "also_moved", factors=[*others])
    held = [name for name in named if name in factors and factors[name].relation == "held"]
    if (
        held
        and not (set(moved) & named)
        and not any(name.startswith(tuple(f"{n}." for n in named)) for name in moved)
    ):
        at = sources_of(*pair, held)
        return verdict_by_files(claim, "contradicted", at, "did_not_move", factors=[*held])
    unknown = [name for name in NEEDED if name not in allowed and _is_unknown(factors, name)]
    if not set(moved) & named:
        unknown += [name for name in named if _is_unknown(factors, name)]
    if unknown or not named:
        return unsupported(claim, "unknown_factors", factors=[*dict.fromkeys(unknown)])
    shown = sorted(named & set(moved)) or sorted(named)
    return verdict_by_files(
        claim, "supported", sources_of(*pair, shown), "nothing_else_moved",
        factors=[*shown],
    )  # fmt: skip


def _is_unknown(factors: dict[str, Factor], name: str) -> bool:
    factor = factors.get(name)
    return factor is None or (factor.relation == "unknown" and factor.a != factor.b)


def _each(
    claim: Claim, pair: tuple[RunOfCase, RunOfCase], factors: dict[str, Factor], named: set[str],
    moved: list[str], *, expected: bool,
) -> Judged:  # fmt: skip
    """Every factor named moved (`expected`), or none did; "the same" without any means all."""
    names = sorted(named) or [name for name in moved if name not in NEVER_CONFOUND]
    if not named and names and not expected:
        at = sources_of(*pair, names)
        return verdict_by_files(claim, "contradicted", at, "also_moved", factors=[*names])
    wrong = [n for n in names if n in moved or (n in factors and factors[n].relation == "held")]
    wrong = [name for name in wrong if (name in moved) != expected]
    if wrong:
        code = "did_not_move" if expected else "also_moved"
        return verdict_by_files(
            claim, "contradicted", sources_of(*pair, wrong), code, factors=[*wrong]
        )
    unknown = [name for name in names if name not in moved and _is_unknown(factors, name)]
    if unknown or not names:
        return unsupported(claim, "unknown_factors", factors=[*unknown])
    code = "moved" if expected else "held"
    return verdict_by_files(claim, "supported", sources_of(*pair, names), code, factors=[*names])
