"""All of the report as plain values, in one language: the five answers, then the seven parts."""

from __future__ import annotations

from typing import Any, get_args

from mobile_vla.analysis.model import PlanState
from mobile_vla.messages.catalogue import phrase
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
from mobile_vla.report.first_answers import answers
from mobile_vla.report.report_data import ReportView, in_language

Values = dict[str, Any]
PLAN_STATES = get_args(PlanState)


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
        "answers": answers(view.cases, view.comparisons, language),
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
