"""The smallest set of further cases that answers what a study's finished ones cannot."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mobile_vla.analysis.control_runs import SHOWN, cost
from mobile_vla.analysis.design.design_matrix import (
    Level,
    Row,
    Table,
    direct_pairs,
    levels_of,
    vectors,
)
from mobile_vla.analysis.design.row_reduction import Span
from mobile_vla.analysis.model import Answer, Missing
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.study.models import Question

MOST_SETS = 20_000
"""Sets of cases looked at; beyond it, the first that suffices is taken, one case after another."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A case that might be run. `name`: the study plans it."""

    name: str | None
    row: Row

    @property
    def steps(self) -> int:
        """Its optimiser steps."""
        return int(self.row["optimiser_steps"])


def fewest(
    cases: Sequence[CaseView],
    questions: Sequence[Question],
    answers: Sequence[Answer],
    table: Table,
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
    wanted = [answer for _, answer in open_questions]
    return [_missing(one, chosen, wanted, table, seconds_per_step) for one in chosen], smallest


def _candidates(
    cases: Sequence[CaseView], asked: Sequence[tuple[Question, Answer]], table: Table
) -> list[Candidate]:
    """Planned cases that have not finished, then each arm with the other's level."""
    found = [
        Candidate(case.name, table.planned[case.name])
        for case in cases
        if case.name in table.planned and case.name not in table.rows
    ]
    for question, answer in asked:
        for case, level in zip(question.pair, (answer.b, answer.a), strict=True):
            row = table.row(case)
            if row:
                found.append(Candidate(None, row | {answer.factor: level}))
    known = list(table.rows.values())
    different = [one for one in found if one.name is not None or one.row not in known]
    return [
        one
        for place, one in enumerate(different)
        if one.name is not None or one.row not in [other.row for other in different[:place]]
    ]


def _search(
    table: Table, candidates: Sequence[Candidate], wanted: Sequence[Answer]
) -> tuple[list[Candidate], bool]:
    if not wanted or not candidates:
        return [], True
    sums = _Sums(table, candidates, wanted)
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
        self, table: Table, candidates: Sequence[Candidate], wanted: Sequence[Answer]
    ) -> None:
        every = [*table.rows.values(), *(one.row for one in candidates)]
        listed = list(vectors(every, {}))
        reference = {name: levels[0] for name, levels in levels_of(every).items()}
        self.span: Span[Level] = Span(listed[: len(table.rows)])
        self.more = listed[len(table.rows) :]
        self.candidates = candidates
        whole = Span(listed)
        told = [(answer, _contrast(answer, reference[answer.factor])) for answer in wanted]
        self.answers = [answer for answer, goal in told if whole.holds(goal)]
        self.goals = [goal for _, goal in told if whole.holds(goal)]
        grown = self.span.copy()
        self.least = sum(grown.add(goal) for goal in self.goals)
        """A row adds one to the rank at most, so no fewer can do."""

    def suffice(self, chosen: Sequence[int]) -> bool:
        """Whether the finished rows and the chosen candidates reach every goal."""
        grown = self.span.copy()
        for number in chosen:
            grown.add(self.more[number])
        return all(grown.holds(goal) for goal in self.goals)

    def without_idle(self) -> list[Candidate]:
        """All candidates, less each that the others can do without, the last first."""
        chosen = list(range(len(self.candidates)))
        for number in reversed(range(len(self.candidates))):
            rest = [other for other in chosen if other != number]
            chosen = rest if self.suffice(rest) else chosen
        return [self.candidates[number] for number in chosen]


def _contrast(answer: Answer, reference: str) -> dict[Level, int]:
    """Level b minus level a, without the reference level, which is zero."""
    sides = ((answer.b, 1), (answer.a, -1))
    return {(answer.factor, level): sign for level, sign in sides if level != reference}


def _rank(
    chosen: Sequence[Candidate], answers: Sequence[Answer], table: Table
) -> tuple[int, int, int]:
    indirect = sum(not _used(answer, chosen, table) for answer in answers)
    return indirect, sum(one.name is None for one in chosen), sum(one.steps for one in chosen)


def _used(answer: Answer, chosen: Sequence[Candidate], table: Table) -> set[str]:
    """Keys of the cases in pairs that would answer directly, finished and chosen together."""
    rows = table.rows | {_key(one, place): one.row for place, one in enumerate(chosen)}
    pairs = direct_pairs(rows, answer.factor, answer.a, answer.b)
    return {name for pair in pairs for name in pair}


def _key(one: Candidate, place: int) -> str:
    return one.name or f"\0{place}"


def _missing(
    one: Candidate,
    chosen: Sequence[Candidate],
    wanted: Sequence[Answer],
    table: Table,
    seconds_per_step: float | None,
) -> Missing:
    key = _key(one, list(chosen).index(one))
    serves = [answer for answer in wanted if key in _used(answer, chosen, table)] or wanted
    return Missing(
        case=one.name,
        description={name: one.row[name] for name in SHOWN if name in one.row},
        parts=list(dict.fromkeys(map(_part, serves))),
        seconds=cost(one.steps, seconds_per_step),
    )


def _part(answer: Answer) -> Reason:
    factor, others = answer.factor, answer.aliased_with
    if others:
        return reason("design.separates", factor=factor, others=[*others])
    return reason("design.shows", factor=factor, a=answer.a, b=answer.b)
