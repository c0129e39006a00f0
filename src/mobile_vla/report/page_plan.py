"""Parts 4 and 6 of the report: the plan, and what to do next."""

from __future__ import annotations

from mobile_vla.analysis.model import PlanItem
from mobile_vla.analysis.wording import SIGNS, Language, PlanState, capital, duration, plan_word
from mobile_vla.report.headings import text
from mobile_vla.report.page_cases import reason_line
from mobile_vla.report.page_model import (
    Block,
    Bullets,
    Code,
    Line,
    Mark,
    Paragraph,
    Section,
    Strong,
)
from mobile_vla.report.report_data import ReportView

ORDER: tuple[PlanState, ...] = ("done", "running", "to_do", "blocked")


def plan_part(view: ReportView, language: Language) -> Section:
    """Part 4: done, running, to do, blocked and by what."""
    parts = tuple(_group(view, state, language) for state in ORDER)
    return Section(text("part4", language), "plan", (), parts)


def next_steps_part(view: ReportView, language: Language) -> Section:
    """Part 6: what the casebook says to do, in its order."""
    steps = [reason_line(step, language) for step in view.plan.next_steps]
    blocks: tuple[Block, ...] = (Bullets(tuple(steps), ordered=True),)
    if not steps:
        blocks = (Paragraph((text("no_steps", language),)),)
    return Section(text("part6", language), "next", blocks)


def _group(view: ReportView, state: PlanState, language: Language) -> Section:
    items = [item for item in view.plan.items if item.state == state]
    block: Block = Bullets(tuple(_item(view, item, language) for item in items))
    if not items:
        block = Paragraph((text("no_items", language),))
    return Section(capital(plan_word(state, language)), f"plan-{state.replace('_', '-')}", (block,))


def _item(view: ReportView, item: PlanItem, language: Language) -> Line:
    mark = Mark(item.state, SIGNS[item.state], plan_word(item.state, language))
    line: Line = (mark, " ", Strong(view.name(item.case)), ": ", *reason_line(item.why, language))
    if item.progress is not None:
        line += (f"; {100 * item.progress:.0f} %",)
    if item.seconds is not None:
        line += (f"; {text('costs', language)} {duration(item.seconds, language)}",)
    if item.command:
        line += ("; ", Code(item.command))
    return line
