"""Finished and planned cases as rows of levels, one column a factor, for the study's design."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mobile_vla.analysis.comparison import MEASURED_ON, NEEDED, NEVER_CONFOUND
from mobile_vla.evidence.model import CaseView
from mobile_vla.evidence.run_factors import EPISODES, planned_factors

MEAN = ("", "")
FOLLOWS = EPISODES | NEVER_CONFOUND | {"epochs", "weights_as_loaded"}
"""Factors that the others fix, and therefore no columns."""

NESTED = {
    "training_episodes": ("data_amount", "direction_balance"),
    "weights_as_loaded": ("vlm", "initial_weights", "seed", "recipe.frozen_dtype"),
}
"""Factors that others fix as a rule; where they differ within one level of those, they count."""

Row = dict[str, str]
Level = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LevelTable:
    """Finished cases as rows of levels, by factor. `incomplete`: unknown factors by case."""

    rows: dict[str, Row]
    planned: dict[str, Row]
    names: tuple[str, ...]
    incomplete: dict[str, list[str]] = field(default_factory=dict)

    def row(self, case: str) -> Row:
        """A case as it ran, else as it is planned; empty where neither is known."""
        return self.rows.get(case) or self.planned.get(case) or {}


def tabulate(cases: Sequence[CaseView], nuisance: Sequence[str]) -> LevelTable:
    """Rows of the finished cases. A case that the study does not plan may not add factors."""
    levels = {case.name: _told(case, nuisance) for case in cases if _finished(case)}
    planned_cases = {case.name for case in cases if case.planned} & levels.keys() or levels.keys()
    names = {name for case in planned_cases for name in levels[case]}
    names |= {name for name in NEEDED if name not in nuisance} if levels else set()
    rows, incomplete = {}, {}
    for case, row in levels.items():
        unknown = sorted(names - row.keys())
        if not row.keys() & MEASURED_ON:
            unknown.append("evaluation_set")
        if unknown:
            incomplete[case] = unknown
        elif row.keys() == names:
            rows[case] = row
    planned = {
        case.name: _planned(case, rows, nuisance) for case in cases if case.planned is not None
    }
    _count_nested(cases, rows)
    return LevelTable(rows, planned, tuple(sorted(names)), incomplete)


def vectors(rows: Iterable[Row], base: Row) -> Iterator[dict[Level, int]]:
    """Rows as indicator vectors with a mean; the level of `base`, else the first seen, is zero."""
    reference = dict(base)
    for row in rows:
        for name, value in row.items():
            reference.setdefault(name, value)
        yield {MEAN: 1} | {
            (name, value): 1 for name, value in row.items() if value != reference[name]
        }


def direct_pairs(rows: dict[str, Row], factor: str, a: str, b: str) -> list[tuple[str, str]]:
    """Pairs of cases that differ in nothing but `factor`, from level `a` to level `b`."""
    return [
        (first, other)
        for first, row in rows.items()
        for other, second in rows.items()
        if row.get(factor) == a and second == row | {factor: b} and a != b
    ]


def levels_of(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Levels of each factor in the order seen."""
    levels: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            if value not in levels.setdefault(name, []):
                levels[name].append(value)
    return levels


def _finished(case: CaseView) -> bool:
    return case.run is not None and case.run.state == "finished"


def _told(case: CaseView, nuisance: Sequence[str]) -> Row:
    assert case.run is not None
    return {
        name: factor.value
        for name, factor in case.run.factors.items()
        if name not in FOLLOWS and name not in nuisance
    }


def _planned(case: CaseView, rows: dict[str, Row], nuisance: Sequence[str]) -> Row:
    """A planned case with the names that evidence gives its levels; what no plan says is held."""
    assert case.planned is not None
    base = next(iter(rows.values()), {})
    plan = {k: v for k, v in planned_factors(case.planned).items() if k not in nuisance}
    levels = levels_of(rows.values())
    row = {name: _as_seen(value, levels.get(name, ())) for name, value in plan.items()}
    return base | {name: value for name, value in row.items() if name not in FOLLOWS}


def _as_seen(planned: str, levels: Sequence[str]) -> str:
    """The level that evidence shows of a planned name: weights carry their hash behind it."""
    fitting = [level for level in levels if level == planned or level.startswith(f"{planned} ")]
    return fitting[-1] if fitting else planned


def _count_nested(cases: Sequence[CaseView], rows: dict[str, Row]) -> None:
    """Give rows a factor that others should fix, where within those it still differs."""
    runs = {case.name: case.run for case in cases if case.run is not None}
    for name, above in NESTED.items():
        groups: dict[tuple[str | None, ...], set[str]] = {}
        nested: dict[str, tuple[tuple[str | None, ...], str]] = {}
        for case, row in rows.items():
            factor = runs[case].factors.get(name)
            key = tuple(row.get(outer) for outer in above)
            nested[case] = (key, factor.value if factor else "")
            groups.setdefault(key, set()).add(nested[case][1])
        if any(len(values) > 1 for values in groups.values()):
            for case, (key, value) in nested.items():
                rows[case][name] = value if len(groups[key]) > 1 else ""
