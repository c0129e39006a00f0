"""Part 3 lists what other documents say wrongly, with their lines and the evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from document_evidence import CASE_1, view_of
from mobile_vla.audit.audit_document import Proof, audit_text
from mobile_vla.messages.errors import UserError
from mobile_vla.report.false_claims import wrong_lines
from mobile_vla.report.render import report_markdown


def test_a_false_claim_is_listed_with_its_line_and_evidence(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(f"# Notes\n\n- {CASE_1}: 7777 episodes\n")
    (tmp_path / "report.md").write_text(f"{CASE_1} read 7777 episodes\n")
    (tmp_path / "broken.md").write_bytes(b"\xff\xfe")
    view = view_of(tmp_path / "workspace")
    broken, wrong = wrong_lines(tmp_path, view, {tmp_path / "report.md"})
    assert (broken.document, broken.judged) == ("../broken.md", None)
    assert "UTF-8" in broken.problem
    assert (wrong.document, wrong.line) == ("../notes.md", 3)
    assert wrong.judged is not None
    assert wrong.judged.claim.value == "7777"
    page = report_markdown(replace(view, wrong=(wrong,)), "ko")
    assert "### 문서가 잘못 말하는 것" in page
    assert f"[notes.md line 3](../notes.md): `{CASE_1} 에피소드: 7777` → " in page
    found = audit_text(page, Proof(view.cases, view.workspace))
    assert not any("7777" in judged.claim.value for judged in found.claims)
    assert any("7777" in line.text for line in found.unread)  # quoted, not claimed, and told so


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        wrong_lines(tmp_path / "none", view_of(tmp_path), ())
