"""Part 7 of the report, its end: which offline number ranks checkpoints as driving does."""

from __future__ import annotations

from mobile_vla.casebook.trust import driven, trust
from mobile_vla.documents.blocks import Bullets, Paragraph, Section
from mobile_vla.documents.view import ReportView
from mobile_vla.documents.wording import Language
from mobile_vla.documents.wording_trust import (
    over_cases,
    trust_sentence,
    trust_title,
    within_cases,
)


def trust_sections(view: ReportView, language: Language) -> tuple[Section, ...]:
    """From loss to driving; nothing where fewer than two checkpoints were evaluated and driven."""
    found = trust(driven(view.cases, view.workspace))
    if not found:
        return ()
    answers = Paragraph((f"{over_cases(found, language)} {within_cases(found, language)}",))
    numbers = Bullets(tuple((trust_sentence(one, language),) for one in found))
    return (Section(trust_title(language), "loss-to-driving", (answers, numbers)),)
