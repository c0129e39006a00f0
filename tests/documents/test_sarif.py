"""SARIF as its schema has it, checked by another's models where they are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.documents.audit import audit_text
from mobile_vla.documents.sarif import sarif_log

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof


def test_a_log_of_every_verdict_is_valid(tmp_path: Path) -> None:
    models = pytest.importorskip("sarif_pydantic")
    text = (
        "nav_left_20251203 ran 12 epochs, nav_x_20250101 ran 3 epochs. Case 9 has seed 1.\n\n"
        "- nav_leftright_20251204: 진행 중\n"
    )
    log = sarif_log([audit_text(text, make_proof(tmp_path))])
    assert {result["ruleId"] for result in log["runs"][0]["results"]} == {
        "contradicted", "unsupported", "ambiguous", "stale",
    }  # fmt: skip
    models.Sarif.model_validate(log)
