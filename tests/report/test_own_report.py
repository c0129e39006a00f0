"""A report just written is supported to the last line; a changed one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from document_evidence import view_of, write_files
from mobile_vla.analysis.wording import LANGUAGES, Language
from mobile_vla.old_audit.audit_document import Proof, audit_document
from mobile_vla.old_claims.model import Audit
from mobile_vla.old_claims.source import parse_document
from mobile_vla.report.render import report_markdown
from mobile_vla.report.report_data import ReportView
from mobile_vla.report.self_audit import OwnReport


def audited(view: ReportView, text: str) -> Audit:
    proof = Proof(cases=view.cases, base=view.workspace.as_posix())
    document = parse_document(Path("report.md"), text.encode())
    own = OwnReport([view.title.en, view.title.ko or ""], lambda: view)
    return own.judge(document, audit_document(document, proof))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_in_a_fresh_report_is_unread_or_its_page_unsupported(
    tmp_path: Path, language: Language
) -> None:
    view = view_of(tmp_path)
    write_files(view)
    found = audited(view, report_markdown(view, language))
    assert found.unread == []
    assert len(found.claims) > 30
    # The view is made up by hand: its numbers and its files need not agree, its page must.
    lines = [judged for judged in found.claims if judged.claim.quantity == "report line"]
    assert {judged.verdict for judged in lines} == {"supported"}


def test_a_changed_digit_in_a_report_is_contradicted(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    text = report_markdown(view, "en")
    line = next(line for line in text.splitlines() if "95 %" in line or "interval" in line.lower())
    row = next(line for line in text.splitlines() if line.startswith("| **MAE") or "m/s" in line)
    digit = next(char for char in row if char.isdigit())
    changed = row.replace(digit, str((int(digit) + 1) % 10), 1)
    found = audited(view, text.replace(row, changed, 1))
    wrong = [judged for judged in found.claims if judged.verdict == "contradicted"]
    assert row in [judged.expected for judged in wrong], line


def test_other_documents_are_judged_as_ever(tmp_path: Path) -> None:
    found = audited(view_of(tmp_path), "# Another page\n\n17 chairs\n")
    assert (found.claims, len(found.unread)) == ([], 1)
