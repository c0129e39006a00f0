"""The study: its cases with state and reason, plan, next steps, comparisons and design."""

from __future__ import annotations

from typing import get_args

from mobile_vla.analysis.headline_metrics import success
from mobile_vla.analysis.model import PlanState
from mobile_vla.analysis.wording import share_of
from mobile_vla.dashboard.live_book import LIVE, Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.formats import Language, duration, number
from mobile_vla.report.case_data import data_words
from mobile_vla.report.comparison_data import answerable, comparison_data, plan_data
from mobile_vla.report.first_answers import answers
from mobile_vla.report.report_data import in_language


def study_page(moment: Moment, language: Language) -> DashboardPage:
    """The first page."""
    study = moment.book.study
    title = in_language(study.title, language) if study else phrase("dashboard.study", language)
    return DashboardPage("study.html.j2", title, lambda: study_json(moment),
                lambda: _values(moment, language))  # fmt: skip


def study_json(moment: Moment) -> Values:
    """Cases, comparisons and plan, as `Casebook` gives them."""
    conclusions = moment.conclusions
    return {"cases": moment.cases, "comparisons": conclusions.comparisons, "plan": conclusions.plan}


def _values(moment: Moment, language: Language) -> Values:
    view = moment.conclusions.report
    plan = [plan_data(view, item, language) for item in moment.conclusions.plan.items]
    return {
        "answers": answers(moment.cases, moment.conclusions.comparisons, language),
        "profile": view.profile,
        "note": in_language(view.note, language),
        "cases": [case_row(case, language) for case in moment.cases],
        "plan": {state: [item for item in plan if item["state"] == state]
                 for state in get_args(PlanState)},
        "next_steps": moment.conclusions.plan.next_steps,
        "comparisons": [
            {**comparison_data(view, pair, place, language), "a_name": pair.a, "b_name": pair.b,
             "question": pair.question.name if pair.question else ""}
            for place, pair in enumerate(moment.conclusions.comparisons, 1)
        ],
        "answerable": answerable(view, language),
        "workspace": str(view.workspace),
        "is_readable": view.workspace.is_dir(),
    }  # fmt: skip


def case_row(case: CaseView, language: Language) -> Values:
    """A case as a row of the table."""
    run = case.run
    rate = success(run.rollouts) if run and run.rollouts else None
    return {
        "name": case.name,
        "label": case.label,
        "state": case.state,
        "why": case.why,
        "runs": len(case.runs),
        "run": run.path if run else "",
        "data": data_words(case, language),
        "started": run.started if run else None,
        "loss": number(run.best_val_loss) if run else "–",
        "drives": share_of(rate, language) if rate else "–",
        "live": progress_row(run, language) if run and run.state in LIVE else None,
    }


def progress_row(run: RunView, language: Language) -> Values:
    """How far a run is, and how long it still takes by its own pace."""
    done, total, pace = run.steps or 0, run.total_steps, run.seconds_per_step
    text = phrase("format.progress" if total else "format.steps", language, steps=done,
                  total=total or 0)  # fmt: skip
    if total and pace and run.state == "running":
        left = duration(max(0, total - done) * pace, language)
        text = f"{text}, {phrase('dashboard.to_go', language, time=left)}"
    return {"run": run.path, "text": text, "share": done / total if total else None}
