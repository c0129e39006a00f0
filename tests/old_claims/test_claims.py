"""How claims are bound: columns, nested lists, pairs of values, times, one run above others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.old_audit.audit_document import Proof, audit_text
from mobile_vla.old_audit.audit_messages import language_of, message, reason
from mobile_vla.old_claims import scan as scanning
from mobile_vla.old_claims.scan import ALONE, scan
from mobile_vla.old_claims.words import Key

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

Told = list[tuple[str, str, str, str]]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def told(text: str, proof: Proof) -> Told:
    """Of each claim: its run, quantity with qualifier and split, value, verdict."""
    return [
        (one.claim.name or "", one.claim.what, one.claim.value, one.verdict)
        for one in audit_text(text, proof).claims
    ]


def test_runs_may_stand_in_columns(proof: Proof) -> None:
    page = "| 항목 | nav_left_20251203 | No Chunk |\n|--|--|--|\n| 시드 | 123 | 500 |\n"
    assert told(page, proof) == [("nav_left_20251203", "seed", "123", "supported")]


def test_list_items_ten_deep_speak_of_the_run_above(proof: Proof) -> None:
    lines = ["- nav_left_20251203"] + [f"{'  ' * n}- level {'x' * n}" for n in range(1, 10)]
    page = "\n".join([*lines, f"{'  ' * 10}- 시드: 7", "- 시드: 8"]) + "\n"
    assert told(page, proof) == [
        ("nav_left_20251203", "seed", "7", "contradicted"),
        ("", "seed", "8", "ambiguous"),
    ]


def test_two_values_of_one_cell_are_two_claims(proof: Proof) -> None:
    page = (
        "| Run | Train/val | Val loss (best/final) |\n|--|--|--|\n"
        "| nav_leftright_20251204 | 400/50 | 0.027/0.027 |\n"
    )
    assert [one[1:] for one in told(page, proof)] == [
        ("train episodes", "400", "supported"), ("val episodes", "50", "contradicted"),
        ("best val loss", "0.027", "supported"), ("final val loss", "0.027", "contradicted"),
    ]  # fmt: skip


def test_a_heading_names_a_run_by_when_it_began(proof: Proof) -> None:
    page = "### LoRA (2025-12-03 22:56)\n\n- Training episodes: 210\n"
    assert told(page, proof) == [("nav_left_20251203", "train episodes", "210", "contradicted")]
    assert told(page.replace("22:56", "22:57"), proof)[0][3] == "ambiguous"


@pytest.mark.parametrize(
    ("text", "quantity", "verdict"),
    [
        ("nav_left_20251203 took 63 minutes", "duration", "supported"),
        ("nav_left_20251203은 5시간 걸렸다", "duration", "contradicted"),
        ("Each epoch of nav_left_20251203 took 25 minutes", "epoch time", "contradicted"),
        ("nav_left_20251203 학습은 22시 56분에 시작했다", "started", "supported"),
        ("nav_left_20251203 학습은 20:10에 시작했다", "started", "contradicted"),
        ("sim_left_20261001: 스텝당 0.4초", "step time", "ambiguous"),
        ("nav_left_20251203: lowest val loss in epoch 3", "best epoch", "contradicted"),
        ("In sim_vision_20261005 the vision tower is frozen", "part", "contradicted"),
        ("nav_left_20251203 was initialised from RoboVLMs", "init", "contradicted"),
        ("sim_live_20261004 is at step 80 of 200", "steps", "stale"),
        ("nav_robovlms_20251204 검증 손실 0.02", "val loss", "contradicted"),
    ],
)
def test_sentences(text: str, quantity: str, verdict: str, proof: Proof) -> None:
    found = told(text, proof)
    assert (quantity, verdict) in [(one[1].replace("vision ", ""), one[3]) for one in found]


def test_a_bare_state_speaks_of_the_run_of_its_heading(proof: Proof) -> None:
    page = "### nav_left_20251203\n\n아직 학습 중.\n\n✅ 최고 달성\n\nDid nav_left_20251203 fail?\n"
    assert told(page, proof) == [("nav_left_20251203", "status", "학습 중", "stale")]


def test_losses_of_two_validation_sets_make_no_ranking(proof: Proof) -> None:
    page = "nav_left_20251203 is better than nav_leftright_20251204.\n"
    (one,) = audit_text(page, proof).claims
    assert one.verdict == "contradicted"
    assert "another validation set (50 episodes)" in one.reason
    same = "sim_left_20261001 is better than sim_both_20261002.\n"
    assert audit_text(same, proof).claims[0].verdict == "contradicted"  # 0.0104 against 0.00968
    other = "sim_both_20261002 is better than sim_vision_20261005.\n"
    assert audit_text(other, proof).claims[0].verdict in ("unsupported", "contradicted")
    assert told("nav_left_20251203 is not better than nav_leftright_20251204.", proof) == []


@given(st.decimals(0, 2000, places=4), st.sampled_from(sorted(ALONE)))
def test_a_bare_number_is_read_as_in_a_sentence(number: object, quantity: str) -> None:
    key = Key(quantity, "", "")
    quick = scan(f"**{number}**", key, cased=True).found
    assert quick == tuple(scanning._Scan(f"**{number}**", key).run(cased=True))


def test_a_korean_page_is_answered_in_korean(proof: Proof) -> None:
    page = "nav_leftright_20251204의 최저 검증 손실은 0.0357이다.\n"
    found = audit_text(page, proof)
    assert found.language == "ko"
    said = message(found.claims[0], "ko")
    assert "최저 검증 손실 “0.0357”: 근거와 다름; 근거: 0.027; 그 값은 이 실행의 final 값임" in said
    assert "is contradicted; evidence: 0.027" in message(found.claims[0], "en")
    assert language_of("val loss 0.1") == "en"
    assert reason("what no rule knows", "ko") == "what no rule knows"
