"""The smallest set of further cases that answers what a study's finished ones cannot."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mobile_vla.analysis.control_runs import SHOWN, cost
from mobile_vla.analysis.design.design_matrix import (
    Level,
    LevelTable,
    Row,
    direct_pairs,
    levels_of,
    vectors,
)
from mobile_vla.analysis.design.row_reduction import RowSpan
from mobile_vla.analysis.model import Answer, Missing
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.study.models import Question

MOST_SETS = 20_000
"""Sets of cases looked at; beyond it, the first that suffices is taken, one case after another."""


@dataclass(frozen=True, slots=True)
class CandidateCase:
    """A case that might be run. `name`: the study plans it."""

    name: str | None
    row: Row

    @property
    def steps(self) -> int:
        """Its optimiser steps."""
        return int(self.row["optimiser_steps"])


def minimal_additional_cases(
    cases: Sequence[CaseView],
    questions: Sequence[Question],
    answers: Sequence[Answer],
    table: LevelTable,
    seconds_per_step: float | None,
) -> tuple[list[Missing], bool]:
    """The further cases, and whether no smaller set would do.

    Among sets of one size those come first that answer by a pair that differs in nothing else,
    then planned cases, then the fewest optimiser steps.
    """
    open_questions = [
        (question, answer)
        for question, answer in zip(questions, answers, strict=True)
        if not answer.answered and answer.a != answer.b
    ]
    candidates = _candidates(cases, open_questions, table)
    chosen, smallest = _search(table, candidates, [answer for _, answer in open_questions])
    answers = [answer for _, answer in open_questions]
    return [
        _missing(candidate, chosen, answers, table, seconds_per_step) for candidate in chosen
    ], smallest


def _candidates(
    cases: Sequence[CaseView], questions: Sequence[tuple[Question, Answer]], table: LevelTable
) -> list[CandidateCase]:
    """Planned cases that have not finished, then each arm with the other's level."""
    cases_to_run = [
        CandidateCase(case.name, table.planned[case.name])
        for case in cases
        if case.name in table.planned and case.name not in table.rows
    ]
    for question, answer in questions:
        for case, level in zip(question.pair, (answer.b, answer.a), strict=True):
            row = table.row(case)
            if row:
                cases_to_run.append(CandidateCase(None, row | {answer.factor: level}))
    finished = list(table.rows.values())
    different = [
        candidate
        for candidate in cases_to_run
        if candidate.name is not None or candidate.row not in finished
    ]
    return [
        candidate
        for place, candidate in enumerate(different)
        if candidate.name is not None
        or candidate.row not in [other.row for other in different[:place]]
    ]


def _search(
    table: LevelTable, candidates: Sequence[CandidateCase], answers: Sequence[Answer]
) -> tuple[list[CandidateCase], bool]:
    if not answers or not candidates:
        return [], True
    sums = _Sums(table, candidates, answers)
    for size in range(sums.least, len(candidates) + 1):
        if math.comb(len(candidates), size) > MOST_SETS:
            return sums.without_idle(), False
        sets = itertools.combinations(range(len(candidates)), size)
        fitting = [[candidates[n] for n in chosen] for chosen in sets if sums.suffice(chosen)]
        if fitting:
            return min(fitting, key=lambda chosen: _rank(chosen, sums.answers, table)), True
    return [], True


class _Sums:
    """The finished rows' span, the candidates' vectors, and the contrasts that they can reach."""

    def __init__(
        self, table: LevelTable, candidates: Sequence[CandidateCase], answers: Sequence[Answer]
    ) -> None:
        rows = [*table.rows.values(), *(candidate.row for candidate in candidates)]
        listed = list(vectors(rows, {}))
        reference = {name: levels[0] for name, levels in levels_of(rows).items()}
        self.span: RowSpan[Level] = RowSpan(listed[: len(table.rows)])
        self.more = listed[len(table.rows) :]
        self.candidates = candidates
        span = RowSpan(listed)
        contrasts = [(answer, _contrast(answer, reference[answer.factor])) for answer in answers]
        self.answers = [answer for answer, goal in contrasts if span.holds(goal)]
        self.goals = [goal for _, goal in contrasts if span.holds(goal)]
        grown = self.span.copy()
        self.least = sum(grown.add(goal) for goal in self.goals)
        """A row adds one to the rank at most, so no fewer can do."""

    def suffice(self, chosen: Sequence[int]) -> bool:
        """Whether the finished rows and the chosen candidates reach every goal."""
        grown = self.span.copy()
        for number in chosen:
            grown.add(self.more[number])
        return all(grown.holds(goal) for goal in self.goals)

    def without_idle(self) -> list[CandidateCase]:
        """All candidates, less each that the others can do without, the last first."""
        chosen = list(range(len(self.candidates)))
        for number in reversed(range(len(self.candidates))):
            others = [other for other in chosen if other != number]
            chosen = others if self.suffice(others) else chosen
        return [self.candidates[number] for number in chosen]


def _contrast(answer: Answer, reference: str) -> dict[Level, int]:
    """Level b minus level a, without the reference level, which is zero."""
    sides = ((answer.b, 1), (answer.a, -1))
    return {(answer.factor, level): sign for level, sign in sides if level != reference}


def _rank(
    chosen: Sequence[CandidateCase], answers: Sequence[Answer], table: LevelTable
) -> tuple[int, int, int]:
    indirect = sum(not _used(answer, chosen, table) for answer in answers)
    return (
        indirect,
        sum(candidate.name is None for candidate in chosen),
        sum(candidate.steps for candidate in chosen),
    )


def _used(answer: Answer, chosen: Sequence[CandidateCase], table: LevelTable) -> set[str]:
    """Keys of the cases in pairs that would answer directly, finished and chosen together."""
    rows = table.rows | {
        _key(candidate, place): candidate.row for place, candidate in enumerate(chosen)
    }
    pairs = direct_pairs(rows, answer.factor, answer.a, answer.b)
    return {name for pair in pairs for name in pair}


def _key(candidate: CandidateCase, place: int) -> str:
    return candidate.name or f"\0{place}"


def _missing(
    candidate: CandidateCase,
    chosen: Sequence[CandidateCase],
    answers: Sequence[Answer],
    table: LevelTable,
    seconds_per_step: float | None,
) -> Missing:
    key = _key(candidate, list(chosen).index(candidate))
    serves = [answer for answer in answers if key in _used(answer, chosen, table)] or answers
    return Missing(
        case=candidate.name,
        description={name: candidate.row[name] for name in SHOWN if name in candidate.row},
        parts=list(dict.fromkeys(map(_part, serves))),
        seconds=cost(candidate.steps, seconds_per_step),
    )


def _part(answer: Answer) -> Reason:
    factor, others = answer.factor, answer.aliased_with
    if others:
        return reason("design.separates", factor=factor, others=[*others])
    return reason("design.shows", factor=factor, a=answer.a, b=answer.b)
