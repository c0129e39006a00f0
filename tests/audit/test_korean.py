"""The audit's sentences in Korean: a sentence that no rule knows is left to be quoted."""

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.analysis.wording import FORBIDDEN
from mobile_vla.audit.audit_document import audit_document
from mobile_vla.audit.audit_messages import shown
from mobile_vla.audit.korean_reasons import RULES, korean_reason
from mobile_vla.old_claims.model import Claim, Judged
from mobile_vla.old_claims.source import parse_document

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import audit as corpus
from benchmarks.audit_evidence import make_proof


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("not begun", "시작 전"),
        ("finished 200 of 200 steps, and its checkpoint loads",
         "200 스텝 중 200 스텝을 마쳤고 체크포인트가 열림"),
        ("after Case 2, which is blocked", "Case 2 다음 차례 (그 상태: 막힘)"),
        ("moved as well: data_amount (40 against 80), optimiser_steps (100 against 200)",
         "함께 바뀐 요인: 데이터 양 (40 ↔ 80), 최적화 스텝 수 (100 ↔ 200)"),
        ("Case 2 is failed: refused in preflight: no x.pt",
         "Case 2: 실패, 학습 전 점검에서 거부됨: no x.pt"),
    ],
)  # fmt: skip
def test_reasons(english, korean):
    assert korean_reason(english) == korean


@pytest.mark.parametrize("sentence", ["CUDA out of memory", "", "Error: what: is this"])
def test_what_no_rule_knows_is_not_made_up(sentence):
    assert korean_reason(sentence) is None


def test_no_korean_rule_says_what_evidence_cannot_carry():
    assert [korean for _, korean in RULES if FORBIDDEN.search(korean)] == []


@given(st.text())
def test_any_text_is_answered(sentence):
    assert korean_reason(sentence) is None or isinstance(korean_reason(sentence), str)


def test_what_an_audit_says_of_a_korean_page_is_korean(tmp_path):
    proof = make_proof(tmp_path)
    judge, told = proof.judge(), []
    for path in sorted(corpus.CORPUS.glob("*.ko.md")):
        data = corpus.unmarked(path.read_bytes())[0]
        for judged in audit_document(parse_document(path, data), proof, judge).claims:
            parts = judged.reason.split("; ") if judged.reason else []
            told += [part for part in parts if korean_reason(part) is None]
    assert [part for part in told if "Error" not in part] == []  # a log's own words stay


def test_values_are_shown_for_people():
    claim = Claim(line=1, start=0, end=1, quantity="params", value="1", text="1")
    for quantity, expected, en, ko in (
        ("params", "5.58e+07", "55,800,000", "55,800,000"),
        ("duration", "1990", "33 min (1,990 s)", "33 분 (1,990 s)"),
        ("size", "6900000000", "6.9 GB (6,900,000,000 B)", "6.9 GB (6,900,000,000 B)"),
        ("episodes", "9 (7 train + 2 val)", "9 (7 train + 2 val)", "9 (학습 7 + 검증 2)"),
        ("init", "none beyond kosmos-2", "none beyond kosmos-2", "kosmos-2 외에 없음"),
        ("lora_r", "32", "32", "32"),
    ):  # fmt: skip
        one = msgspec.structs.replace(claim, quantity=quantity)
        judged = Judged(claim=one, verdict="contradicted", reason="", expected=expected)
        assert (shown(judged, "en"), shown(judged, "ko")) == (en, ko)
