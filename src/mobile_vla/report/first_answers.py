"""The first lines of report and terminal: what exists, drives, compares, does not hold, is next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mobile_vla.analysis.headline_metrics import success
from mobile_vla.analysis.model import Comparison, Plan
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import phrase, sentence, term
from mobile_vla.messages.formats import Language

STATES = ("finished", "unverified", "running", "stalled", "queued", "failed", "killed", "planned",
          "blocked", "unknown")  # fmt: skip
"""The order in which the first answer counts the cases."""
MOST_NAMES = 12
"""Names that an answer lists before it counts the rest."""
MOST_DRIVEN = 3
"""Cases whose success the first answers name, those that succeed most."""
Answer = tuple[str, str]
"""A heading and its answer."""


def answers(
    cases: Sequence[CaseView], comparisons: Sequence[Comparison], language: Language
) -> list[Answer]:
    """What exists, drives, compares and does not hold."""
    count = len(comparisons)
    return [
        *answers_of_cases(cases, language),
        _answer("compares", _pairs(cases, comparisons, "valid"), language, count),
        _answer("fails", list(_failing(cases, comparisons, language)), language),
    ]


def answers_of_cases(cases: Sequence[CaseView], language: Language) -> list[Answer]:
    """What exists and what drives: the answers that need no comparison."""
    return [
        _answer("exists", list(_by_state(cases, language)), language, len(cases)),
        _answer("drives", list(_driven(cases, language)), language),
    ]


def next_answer(plan: Plan, language: Language) -> Answer:
    """The first of the next steps."""
    steps = [sentence(step, language) for step in plan.next_steps[:1]]
    return _answer("next", steps, language)


def _answer(key: str, parts: Sequence[str], language: Language, count: int = 0) -> Answer:
    answer = "; ".join(parts) or phrase(f"report.{key}_none", language, count=count)
    return phrase(f"report.answer_{key}", language), answer


def _by_state(cases: Sequence[CaseView], language: Language) -> Iterator[str]:
    """The cases by state; nothing where no case has a run."""
    if any(case.runs for case in cases):
        for state in STATES:
            names = [_name(case) for case in cases if case.state == state]
            if names:
                yield _counted(state, names, language)


def _driven(cases: Sequence[CaseView], language: Language) -> Iterator[str]:
    """Success over both instructions: the best cases that were driven, and how many others."""
    from mobile_vla.analysis.wording import share_of

    driven = [
        (case, rate)
        for case in cases
        if case.run and case.run.rollouts and (rate := success(case.run.rollouts)) is not None
    ]
    best = sorted(driven, key=lambda pair: -pair[1].k / pair[1].n)[:MOST_DRIVEN]
    for case, rate in (pair for pair in driven if pair in best):
        share = share_of(rate, language)
        yield phrase("report.drive_rate", language, case=_name(case), share=share)
    if len(driven) > len(best):
        yield f"… (+{len(driven) - len(best)})"


def _failing(
    cases: Sequence[CaseView], comparisons: Sequence[Comparison], language: Language
) -> Iterator[str]:
    """Pairs of the study's page that cannot answer it, then cases that failed or conflict.

    A pair whose evidence is missing is not among them: its runs may be to come.
    """
    for verdict in ("confounded", "not_comparable"):
        of_the_page = [c for c in comparisons if c.question and (c.a, c.b) == c.question.pair]
        if failing := _pairs(cases, of_the_page, verdict):
            yield f"{term('verdict', verdict, language)}: {', '.join(failing)}"
    for state in ("failed", "killed"):
        if names := [_name(case) for case in cases if case.state == state]:
            yield _counted(state, names, language)
    if names := [_name(case) for case in cases if any(run.conflicts for run in case.runs)]:
        yield f"{phrase('report.conflict', language)}: {', '.join(names)}"


def _pairs(cases: Sequence[CaseView], comparisons: Iterable[Comparison], verdict: str) -> list[str]:
    """Each pair of a verdict once, whatever question it answers."""
    names = {case.name: _name(case) for case in cases}
    pairs = (
        f"{names.get(c.a, c.a)} vs {names.get(c.b, c.b)}"
        for c in comparisons
        if c.verdict == verdict
    )
    return list(dict.fromkeys(pairs))


def _name(case: CaseView) -> str:
    return case.label or case.name


def _counted(state: str, names: list[str], language: Language) -> str:
    word = term("state", state, language)
    listed = ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        listed += f", … (+{len(names) - MOST_NAMES})"
    return phrase("report.state_cases", language, count=len(names), state=word, cases=listed)
