"""A model card where only the seal of its run is there: supported as written, else contradicted."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.audit.audit_document import Audit, audit_file
from mobile_vla.cli.main import main
from mobile_vla.seal.sealed_proof import sealed_proof
from run_folders import Maker
from seal_keys import write_keys

pytest.importorskip("cryptography")
pytest.importorskip("securesystemslib")


@pytest.fixture(params=["en", "ko"])
def alone(maker: Maker, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path, Path]:
    """A card, a folder of seals and the public key; the run is gone."""
    run = maker.finish("both_20", good=0.7)
    secret, public = write_keys(tmp_path)
    seals, card = tmp_path / "seals", tmp_path / "card.md"
    seals.mkdir()
    path = str(run.folder.path)
    assert main(["seal", path, "--key", str(secret), "--out", str(seals / "both_20.json")]) == 0
    assert main(["card", path, "--lang", request.param, "--out", str(card)]) == 0
    shutil.rmtree(maker.workspace / "runs")
    return card, seals, public


def audited(card: Path, seals: Path, key: Path) -> Audit:
    return audit_file(card, sealed_proof([seals], key, datetime.now(UTC))[0])


def test_every_claim_is_supported(alone: tuple[Path, Path, Path]) -> None:
    audit = audited(*alone)
    assert [judged for judged in audit.claims if judged.verdict != "supported"] == []
    assert len(audit.claims) > 10


def test_an_edited_digit_is_contradicted(alone: tuple[Path, Path, Path]) -> None:
    card, seals, key = alone
    text, missed = card.read_bytes(), []
    for judged in audited(*alone).claims:
        place = judged.claim.place
        digit = re.search(rb"\d", text[place.start : place.end])
        if digit is None:
            continue
        at = place.start + digit.start()
        other = text[at] - 1 if text[at] > ord("0") else ord("3")
        card.write_bytes(text[:at] + bytes([other]) + text[at + 1 :])
        if not audited(card, seals, key).counts()["contradicted"]:
            missed.append(text[place.start - 60 : place.end + 20].decode(errors="replace"))
    assert not missed


def test_the_command_line_says_what_was_not_checked(
    alone: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, seals, public = map(str, alone)
    assert main(["audit", card, "--seals", seals, "--key", public, "--strict"]) == 0
    assert "nobody's signature" not in capsys.readouterr().err
    assert main(["audit", card, "--seals", seals]) == 0
    assert "nobody's signature was checked" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    assert main(["audit", card, "--seals", seals, "--key", str(write_keys(other)[1])]) == 2
    assert "is no evidence: the seal was not signed with" in capsys.readouterr().err


def test_a_seal_that_was_changed_is_no_evidence(
    alone: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    card, seals, public = alone
    (seal,) = seals.iterdir()
    envelope: dict[str, Any] = json.loads(seal.read_bytes())
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"][::-1]
    seal.write_text(json.dumps(envelope))
    assert main(["audit", str(card), "--seals", str(seals), "--key", str(public)]) == 2
    assert "was changed after it was signed" in capsys.readouterr().err


def test_other_evidence_beside_seals_is_refused(
    alone: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, seals, _ = map(str, alone)
    assert main(["audit", card, "--seals", seals, "--evidence", str(tmp_path)]) == 2
    assert "leave out --evidence" in capsys.readouterr().err
    assert main(["audit", card, "--seals", str(tmp_path / "none.json")]) == 2
    assert "is no evidence" in capsys.readouterr().err
