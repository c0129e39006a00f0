"""All of the report as plain values, in one language: the five answers, then the seven parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from mobile_vla.analysis.headline_metrics import success
from mobile_vla.analysis.model import PlanState
from mobile_vla.analysis.wording import share_of
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import Language
from mobile_vla.report.case_data import case_data, driving_rows, offline_table
from mobile_vla.report.comparison_data import (
    answerable,
    comparison_data,
    corrections,
    plan_data,
    run_faults,
    trust_data,
    wrong_line,
)
from mobile_vla.report.report_data import ReportView, in_language

Values = dict[str, Any]
PLAN_STATES = get_args(PlanState)
STATES = ("finished", "unverified", "running", "stalled", "queued", "failed", "killed", "planned",
          "blocked", "unknown")  # fmt: skip
"""The order in which the first answer counts the cases."""


def page_data(view: ReportView, language: Language) -> Values:
    """What both templates lay out. The same view gives the same values."""
    pairs = [
        comparison_data(view, comparison, place, language)
        for place, comparison in enumerate(view.comparisons, 1)
    ]
    plan = [plan_data(view, item, language) for item in view.plan.items]
    return {
        "title": f"{phrase('report.report', language)}: {in_language(view.title, language)}",
        "profile": view.profile,
        "note": in_language(view.note, language),
        "answers": answers(view, pairs, language),
        "cases": [case_data(view, case, n, language) for n, case in enumerate(view.cases, 1)],
        "driving": driving_rows(view, language),
        "offline": offline_table(view, language),
        "corrections": corrections(view),
        "run_faults": run_faults(view, language),
        "wrong": [wrong_line(wrong, language) for wrong in view.wrong],
        "plan": {state: [item for item in plan if item["state"] == state] for state in PLAN_STATES},
        "next_steps": view.plan.next_steps,
        "comparisons": pairs,
        "answerable": answerable(view, language),
        "trust": trust_data(view, language),
    }


def answers(view: ReportView, pairs: list[Values], language: Language) -> list[tuple[str, str]]:
    """What exists, drives, compares and does not hold: a heading and its answer each.

    The fifth answer is the first of the next steps.
    """
    lines = {
        "exists": "; ".join(_by_state(view, language)),
        "drives": "; ".join(_driven(view, language)),
        "compares": "; ".join(_pairs(pairs, "valid")),
        "fails": "; ".join(_failing(view, pairs, language)),
    }
    count = {"exists": len(view.cases), "compares": len(pairs)}
    return [
        (
            phrase(f"report.answer_{key}", language),
            answer or phrase(f"report.{key}_none", language, count=count.get(key, 0)),
        )
        for key, answer in lines.items()
    ]


def _by_state(view: ReportView, language: Language) -> Iterator[str]:
    """The cases by state; nothing where no case has a run."""
    if any(case.runs for case in view.cases):
        for state in STATES:
            cases = [view.name(case.name) for case in view.cases if case.state == state]
            if cases:
                yield _counted(state, cases, language)


def _driven(view: ReportView, language: Language) -> Iterator[str]:
    """Success of every case that was driven, over both instructions."""
    for case in view.cases:
        rate = success(case.run.rollouts) if case.run and case.run.rollouts else None
        if rate is not None:
            share = share_of(rate, language)
            yield phrase("report.drive_rate", language, case=view.name(case.name), share=share)


def _failing(view: ReportView, pairs: list[Values], language: Language) -> Iterator[str]:
    """Pairs of the study's page that cannot answer it, then cases that failed or conflict.

    A pair whose evidence is missing is not among them: its runs may be to come.
    """
    for verdict in ("confounded", "not_comparable"):
        of_the_page = (pair for pair in pairs if pair["of_the_page"])
        if failing := _pairs(of_the_page, verdict):
            yield f"{term('verdict', verdict, language)}: {', '.join(failing)}"
    for state in ("failed", "killed"):
        if cases := [view.name(case.name) for case in view.cases if case.state == state]:
            yield _counted(state, cases, language)
    conflicting = [case.name for case in view.cases if any(run.conflicts for run in case.runs)]
    if conflicting:
        names = ", ".join(view.name(case) for case in conflicting)
        yield f"{phrase('report.conflict', language)}: {names}"


def _pairs(pairs: Iterable[Values], verdict: str) -> list[str]:
    """Each pair of a verdict once, whatever it was asked."""
    return list(dict.fromkeys(pair["pair"] for pair in pairs if pair["verdict"] == verdict))


def _counted(state: str, cases: list[str], language: Language) -> str:
    word = term("state", state, language)
    listed = ", ".join(cases)
    return phrase("report.state_cases", language, count=len(cases), state=word, cases=listed)
