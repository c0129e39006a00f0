"""A model card holds against its run's evidence, and an edited digit does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mobile_vla.audit.audit_document import Audit, audit_file, gather_proof
from mobile_vla.cli.main import main
from mobile_vla.messages.formats import Language
from run_folders import Maker

LANGUAGES: list[Language] = ["en", "ko"]


def written(maker: Maker, language: Language) -> Path:
    run = maker.finish("both_20", good=0.7)
    card = maker.workspace / f"card.{language}.md"
    arguments = ["card", str(run.folder.path), "--lang", language, "--out", str(card)]
    assert main(arguments) == 0
    return card


def audited(maker: Maker, card: Path) -> Audit:
    return audit_file(card, gather_proof(maker.book("laptop")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_claim_of_a_card_is_supported(maker: Maker, language: Language) -> None:
    audit = audited(maker, written(maker, language))
    assert [judged for judged in audit.claims if judged.verdict != "supported"] == []
    assert len(audit.claims) > 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_card_has_hugging_face_front_matter(maker: Maker, language: Language) -> None:
    text = written(maker, language).read_text()
    assert text.startswith("---\n")
    front = YAML(typ="safe").load(text.split("---\n")[1])
    assert front["library_name"] == "mobile-vla" and front["pipeline_tag"] == "robotics"
    assert text.count("\n## ") >= 5
    assert re.search(r"\[\d+, \d+\] %", text), "success with its interval"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edited_digit_of_a_result_is_contradicted(maker: Maker, language: Language) -> None:
    card = written(maker, language)
    audit = audited(maker, card)
    text = card.read_bytes()
    places = [judged.claim.place for judged in audit.claims]
    places = [p for p in places if re.search(rb"\d", text[p.start : p.end])]
    missed = []
    for place in places:
        at = next(n for n in range(place.start, place.end) if text[n : n + 1].isdigit())
        other = text[at] - 1 if text[at] > ord("0") else ord("3")
        card.write_bytes(text[:at] + bytes([other]) + text[at + 1 :])
        if not audited(maker, card).counts()["contradicted"]:
            missed.append(text[place.start - 60 : place.end + 20].decode(errors="replace"))
    assert not missed


def test_a_run_that_did_not_finish_has_no_card(
    maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.begin("left_10")
    assert main(["card", str(run.folder.path)]) == 2
    assert "needs a finished run" in capsys.readouterr().err
