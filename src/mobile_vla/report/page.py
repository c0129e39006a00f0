"""The lab's page from evidence: its seven parts in its order, as blocks."""

from __future__ import annotations

from mobile_vla.analysis.wording import Language, pick
from mobile_vla.report.headings import text
from mobile_vla.report.page_cases import cases_part, exists_part
from mobile_vla.report.page_comparisons import comparisons_part, corrections_part, possible_part
from mobile_vla.report.page_model import Paragraph, Section, Strong
from mobile_vla.report.page_plan import next_steps_part, plan_part
from mobile_vla.report.report_data import ReportView


def report_page(view: ReportView, language: Language) -> Section:
    """The whole report. The same view gives the same page, to the byte."""
    title = f"{text('report', language)}: {pick((view.title.en, view.title.ko), language)}"
    return Section(
        title=title,
        anchor="report",
        blocks=_top(view, language),
        parts=(
            exists_part(view, language),
            cases_part(view, language),
            corrections_part(view, language),
            plan_part(view, language),
            comparisons_part(view, language),
            next_steps_part(view, language),
            possible_part(view, language),
        ),
    )


def _top(view: ReportView, language: Language) -> tuple[Paragraph, ...]:
    """What kind of study this is, before any figure."""
    note = pick((view.note.en, view.note.ko), language)
    profile = Strong(f"{text('profile', language)} {view.profile}: {note}.")
    return (
        Paragraph((profile, " ", text("small", language))),
        Paragraph((text("source", language),)),
    )
