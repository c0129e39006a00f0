"""Numbers cited with their source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.cite import cite

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof


def test_a_number_comes_with_its_file_and_line(tmp_path: Path) -> None:
    make_proof(tmp_path)
    found = cite("nav_leftright_20251204", "best val_loss", evidence=[str(tmp_path)])
    assert float(found) == 0.027
    assert str(found).startswith("0.027 (")
    assert "case3_20251204_150407.txt line" in found._repr_markdown_()
    assert float(cite("nav_left_20251203", "val episodes", evidence=[str(tmp_path)])) == 50


def test_states_and_korean_words_are_told_too(tmp_path: Path) -> None:
    make_proof(tmp_path)
    logs = [str(tmp_path)]
    assert float(cite("nav_leftright_20251204", "최저 검증 손실", evidence=logs)) == 0.027
    assert float(cite("nav_left_20251203", "검증 에피소드", evidence=logs)) == 50
    assert str(cite("nav_left_20251203", "status", evidence=logs)).startswith("finished (")
    assert str(cite("nav_robovlms_20251204", "상태", evidence=logs)).startswith("실패 (")


def test_what_no_file_tells_is_an_error(tmp_path: Path) -> None:
    make_proof(tmp_path)
    with pytest.raises(UserError, match="final val_loss"):
        cite("nav_left_20251203", "final val_los", evidence=[str(tmp_path)])
    with pytest.raises(UserError, match="no run of"):
        cite("nav_middle_20251203", "lora_r", evidence=[str(tmp_path)])
    with pytest.raises(UserError, match="Name a workspace"):
        cite("nav_left_20251203", "lora_r")
