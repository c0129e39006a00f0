"""SARIF as its schema has it, checked by another's models, and its places as editors count."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from sarif_pydantic import Sarif

from mobile_vla.old_audit.audit_document import Proof, audit_document
from mobile_vla.old_audit.sarif import sarif_log
from mobile_vla.old_claims.source import parse_document

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def log_of(text: str, proof: Proof, path: Path = Path("page.md")) -> dict[str, Any]:
    document = parse_document(path, text.encode())
    return sarif_log([document], [audit_document(document, proof)])


def test_a_log_of_every_verdict_is_valid(proof: Proof) -> None:
    text = (
        "nav_left_20251203 ran 12 epochs, nav_x_20250101 ran 3 epochs. Case 9 has seed 1.\n\n"
        "- nav_leftright_20251204: 진행 중\n"
    )
    log = log_of(text, proof)
    results = log["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {
        "contradicted", "unsupported", "ambiguous", "stale",
    }  # fmt: skip
    read = Sarif.model_validate(log).model_dump(mode="json", by_alias=True, exclude_none=True)
    for ours, theirs in zip(results, read["runs"][0]["results"], strict=True):
        place = theirs["locations"][0]["physicalLocation"]
        assert place["region"].items() >= ours["locations"][0]["physicalLocation"]["region"].items()
        assert (theirs["level"], theirs["ruleId"]) == (ours["level"], ours["ruleId"])


def test_places_are_counted_in_utf_16_units_without_the_byte_order_mark(proof: Proof) -> None:
    for lead in ("", "\ufeff", "ok\r\n\r\n"):
        (result,) = log_of(f"{lead}🚀 한글 nav_left_20251203 ran 12 epochs\n", proof)["runs"][0][
            "results"
        ]
        region = result["locations"][0]["physicalLocation"]["region"]
        line = 3 if "ok" in lead else 1
        assert (region["startLine"], region["endLine"]) == (line, line)
        assert (region["startColumn"], region["endColumn"]) == (29, 31)
        assert region["byteLength"] == 2


def test_messages_are_in_the_documents_language(proof: Proof) -> None:
    for text, told in (
        ("nav_left_20251203 ran 12 epochs\n", "epochs “12” is contradicted; evidence: 10"),
        ("학습은 nav_left_20251203 완료, 12 에폭\n", "에폭 수 “12”: 근거와 다름; 근거: 10"),
    ):
        (result,) = log_of(text, proof)["runs"][0]["results"]
        assert result["level"] == "error"
        assert told in result["message"]["text"]


def test_files_are_named_from_the_working_directory(
    proof: Proof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    named = {
        Path("docs/a b.md"): "docs/a%20b.md",
        Path.cwd() / "docs" / "x.md": "docs/x.md",
        Path("../out.md"): (tmp_path / "out.md").as_uri(),
    }
    for path, uri in named.items():
        (result,) = log_of("nav_left_20251203 ran 12 epochs\n", proof, path)["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri
