"""The report as Markdown."""

from __future__ import annotations

from mobile_vla.documents.markdown import section_markdown
from mobile_vla.documents.page import report_page
from mobile_vla.documents.view import ReportView
from mobile_vla.documents.wording import Language


def report_markdown(view: ReportView, language: Language) -> str:
    """The lab's page from evidence. Unchanged evidence gives the same bytes."""
    return section_markdown(report_page(view, language), 1) + "\n"
