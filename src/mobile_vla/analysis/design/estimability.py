"""Which of a study's questions its finished cases can answer, and the fewest cases for the rest.

The model is one of main effects: a result is the sum of what each factor's level adds. A
question asks for the difference of two levels; it can be answered where that difference is a
combination of the cases' rows (an estimable contrast), and is aliased where other factors move
in the same way. A case of which any factor is unknown tells nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.analysis.design.design_matrix import (
    LevelTable,
    Row,
    direct_pairs,
    levels_of,
    tabulate,
    vectors,
)
from mobile_vla.analysis.design.next_experiments import minimal_additional_cases
from mobile_vla.analysis.design.row_reduction import RowSpan
from mobile_vla.analysis.model import Answer, Design
from mobile_vla.evidence.model import CaseView
from mobile_vla.study.models import Question


def study_design(
    cases: Sequence[CaseView],
    questions: Sequence[Question],
    nuisance: Sequence[str],
    seconds_per_step: float | None,
) -> Design:
    """What the study's finished cases can tell, and what to add. `seconds_per_step`: measured."""
    table = tabulate(cases, nuisance)
    answers = [_answer(question, table) for question in questions]
    further, smallest = minimal_additional_cases(cases, questions, answers, table, seconds_per_step)
    levels = levels_of(table.rows.values())
    varied = {name: sorted(values) for name, values in levels.items() if len(values) > 1}
    return Design(
        cases=list(table.rows),
        incomplete=table.incomplete,
        factors=varied,
        effects=1 + sum(len(values) - 1 for values in varied.values()),
        rank=RowSpan(vectors(table.rows.values(), {})).rank,
        answers=answers,
        further=further,
        smallest=smallest,
    )


def tied_with(rows: Sequence[Row], base: Row, factor: str, level: str) -> list[str]:
    """Factors that the rows cannot tell from `factor` moving from its level in `base` to `level`.

    Empty where the rows tell it apart from all others (or never show it).
    """
    span = RowSpan(vectors(rows, base))
    groups = [group for group in span.tied() if (factor, level) in group]
    return sorted({name for group in groups for name, _ in group} - {factor, ""})


def _answer(question: Question, table: LevelTable) -> Answer:
    first, second = (table.row(case) for case in question.pair)
    factor = question.factor
    a, b = first.get(factor, "unknown"), second.get(factor, "unknown")
    rows = list(table.rows.values())
    levels = {row[factor] for row in rows}
    lacking = [level for level in (a, b) if level not in levels]
    span = RowSpan(vectors(rows, first))
    answered = not lacking and a != b and span.holds({(factor, b): 1})
    tied = [] if lacking or answered else tied_with(rows, first, factor, b)
    return Answer(
        question=question.name,
        factor=factor,
        a=a,
        b=b,
        answered=answered,
        pairs=direct_pairs(table.rows, factor, a, b) if answered else [],
        aliased_with=tied,
        lacking=lacking if a != b else [],
    )
