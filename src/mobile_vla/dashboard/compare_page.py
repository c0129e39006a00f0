"""Two cases side by side, and the matrix of every pair."""

from __future__ import annotations

import math

from mobile_vla.analysis.model import Comparison, Effect
from mobile_vla.analysis.pairwise import MOST_CASES, Cell
from mobile_vla.analysis.wording import factor_list
from mobile_vla.dashboard.live_book import Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.dashboard.study_page import case_row
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import level, phrase, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language, number
from mobile_vla.report.comparison_data import comparison_data

MIDDLE, REACH = 200.0, 180.0
"""Where zero stands in the forest plot of 400 units, and how far it reaches to each side."""


def compare_page(
    moment: Moment, a: str, b: str, question: str, language: Language
) -> DashboardPage:
    """The choice of two cases, and their comparison where both are chosen.

    Raises: UserError for an unknown case or question, and for identical cases.
    """
    title = phrase("dashboard.compare", language)
    pair = moment.book.compare(a, b, question or None, exploratory=True) if a and b else None

    def values() -> Values:
        choices = [(case.name, case.label or case.name) for case in moment.cases]
        study = moment.book.study
        questions = [q.name for q in study.questions] if study else []
        shown = _pair_values(moment, pair, language) if pair else {"pair": None}
        return {"choices": choices, "questions": questions, "a": a, "b": b,
                "question": question, **shown}  # fmt: skip

    return DashboardPage("compare.html.j2", title, lambda: pair, values)


def _pair_values(moment: Moment, pair: Comparison, language: Language) -> Values:
    sides = [moment.book.case(name) for name in (pair.a, pair.b)]
    return {
        "pair": {**comparison_data(moment.conclusions.report, pair, 1, language),
                 "of_a_question": pair.question is not None},
        "sides": [case_row(side, language) for side in sides],
        "equal": [{"name": term("factor", factor.name, language),
                   "value": level(factor.a, language)}
                  for factor in pair.factors if factor.relation == "held"],
        "forest": forest(pair.effects, language),
    }  # fmt: skip


def forest(effects: list[Effect], language: Language) -> list[Values]:
    """A row for each effect on a scale that all effects of its unit share, zero in the middle."""
    reach: dict[str, float] = {}
    for effect in effects:
        values = (effect.difference, effect.low or 0.0, effect.high or 0.0)
        reach[effect.unit] = max(reach.get(effect.unit, 0.0), *map(abs, values))
    return [_forest_row(effect, reach[effect.unit] or 1.0, language) for effect in effects]


def _forest_row(effect: Effect, reach: float, language: Language) -> Values:
    def at(value: float | None) -> float | None:
        shown = value is not None and math.isfinite(value)
        return MIDDLE + REACH * value / reach if shown and value is not None else None

    return {
        "metric": term("metric", effect.metric, language), "definition": effect.definition,
        "difference": number(effect.difference, effect.unit, signed=True),
        "low": number(effect.low, effect.unit, signed=True),
        "high": number(effect.high, effect.unit, signed=True),
        "x": at(effect.difference), "x_low": at(effect.low), "x_high": at(effect.high),
        "reach": number(reach, effect.unit), "n": effect.n, "seeds": effect.seeds,
    }  # fmt: skip


def matrix_page(moment: Moment, language: Language) -> DashboardPage:
    """The verdict on every pair. Raises: UserError for fewer than two cases or too many."""
    title = phrase("report.matrix", language)
    planned = [case for case in moment.cases if case.planned] or moment.cases
    if not 2 <= len(planned) <= MOST_CASES:
        raise UserError(phrase("dashboard.no_matrix", language, most=MOST_CASES))

    def values() -> Values:
        matrix = moment.conclusions.matrix
        labels = {case.name: _label(case) for case in moment.cases}
        rows = [
            (name, [_cell(cell, language) if i != j else None for j, cell in enumerate(row)])
            for i, (name, row) in enumerate(zip(matrix.names, matrix.cells, strict=True))
        ]
        return {"names": matrix.names, "labels": labels, "rows": rows}

    return DashboardPage("matrix.html.j2", title, lambda: moment.conclusions.matrix, values)


def _label(case: CaseView) -> str:
    return case.label or case.name


def _cell(cell: Cell | None, language: Language) -> Values:
    if cell is None:
        return {"verdict": "same", "word": phrase("report.matrix_same", language), "factors": ""}
    more = f" + {len(cell.named) - 2}" if len(cell.named) > 2 else ""
    factors = factor_list(cell.named[:2], language) + more
    word = term("verdict", cell.verdict, language)
    return {"verdict": cell.verdict, "word": word, "factors": factors}
