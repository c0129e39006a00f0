"""Part 7 of the report, its end: which offline number ranks checkpoints as driving does."""

from __future__ import annotations

from mobile_vla.analysis.offline_vs_rollout import evaluated_checkpoints, trust
from mobile_vla.analysis.wording import Language
from mobile_vla.analysis.wording_trust import (
    over_cases,
    trust_sentence,
    trust_title,
    within_cases,
)
from mobile_vla.report.page_model import Bullets, Paragraph, Section
from mobile_vla.report.report_data import ReportView


def trust_sections(view: ReportView, language: Language) -> tuple[Section, ...]:
    """From loss to driving; nothing where fewer than two checkpoints were evaluated and driven."""
    found = trust(evaluated_checkpoints(view.cases, view.workspace))
    if not found:
        return ()
    answers = Paragraph((f"{over_cases(found, language)} {within_cases(found, language)}",))
    numbers = Bullets(tuple((trust_sentence(one, language),) for one in found))
    return (Section(trust_title(language), "loss-to-driving", (answers, numbers)),)
