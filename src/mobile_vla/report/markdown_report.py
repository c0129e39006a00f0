"""The report as Markdown."""

from __future__ import annotations

from mobile_vla.analysis.wording import Language
from mobile_vla.report.markdown_page import section_markdown
from mobile_vla.report.page import report_page
from mobile_vla.report.report_data import ReportView


def report_markdown(view: ReportView, language: Language) -> str:
    """The lab's page from evidence. Unchanged evidence gives the same bytes."""
    return section_markdown(report_page(view, language), 1) + "\n"
