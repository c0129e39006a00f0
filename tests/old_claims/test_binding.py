"""Of which run a value is, in tables and lists of any layout; questions, comparisons, times."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.old_audit.audit_document import Proof, audit_text

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

LEFT, BOTH, DEAD = "nav_left_20251203", "nav_leftright_20251204", "nav_robovlms_20251204"
SIM, TWO, OOM = "sim_left_20261001", "sim_both_20261002", "sim_oom_20261003"
LIVE, VISION = "sim_live_20261004", "sim_vision_20261005"
RIGHT, WRONG = "supported", "contradicted"


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def table(*rows: str) -> str:
    """A table of rows whose cells are parted by semicolons, the head first."""
    cells = [row.split(";") for row in rows]
    lines = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def told(page: str, proof: Proof) -> list[tuple[str | None, str, str, str]]:
    """Of each claim: its run, quantity with qualifier and split, value, verdict."""
    return [
        (one.claim.name, one.claim.what, one.claim.value, one.verdict)
        for one in audit_text(page, proof).claims
    ]


@pytest.mark.parametrize(
    ("page", "claims"),
    [
        (table("Run;Dir;Train ep;Steps done", f"{SIM};right;80;120"),
         [(SIM, "ways", "right", WRONG), (SIM, "train episodes", "80", RIGHT),
          (SIM, "steps", "120", WRONG)]),
        (table("실험;방향;에피소드 (검증);$\\alpha$", f"{TWO};좌우;20;16"),
         [(TWO, "ways", "좌우", RIGHT), (TWO, "val episodes", "20", WRONG),
          (TWO, "lora alpha", "16", WRONG)]),
        (table("Run;Train L;Train R;Sum", f"{SIM};80;0;80"),
         [(SIM, "train episodes", "80", RIGHT), (SIM, "train episodes", "0", RIGHT),
          (SIM, "total episodes", "80", WRONG)]),
        (table("Run;text;head;total", f"{SIM};36,864;36,864;155,348"),
         [(SIM, "text params", "36,864", RIGHT), (SIM, "head params", "36,864", WRONG),
          (SIM, "params", "155,348", RIGHT)]),
        (table("Part;Parameters", "head;36,864").replace("| Part", f"{SIM}:\n\n| Part"),
         [(SIM, "head params", "36,864", WRONG)]),
        (table("구분;이름;전체 에피소드;Train;Val", f"Case 1;{LEFT};250;250;50"),
         [(LEFT, "total episodes", "250", RIGHT), (LEFT, "train episodes", "250", WRONG),
          (LEFT, "val episodes", "50", RIGHT)]),
        ("**표 1. 검증 손실**\n\n"
         + table("실험;첫 epoch;최저;마지막", f"{BOTH};0.091;0.0357;0.0357"),
         [(BOTH, "initial val loss", "0.091", RIGHT), (BOTH, "best val loss", "0.0357", WRONG),
          (BOTH, "final val loss", "0.0357", RIGHT)]),
        (table("Run;Item;Value", f"{LEFT};epoch 5 val loss;0.031", ";batch;1"),
         [(LEFT, "epoch 5 val loss", "0.031", WRONG), (LEFT, "batch", "1", RIGHT)]),
        (table("런;항목;적힌 값", f"{TWO};방향;왼쪽", f"{TWO};전체 에피소드;160"),
         [(TWO, "ways", "왼쪽", WRONG), (TWO, "total episodes", "160", WRONG)]),
        ("Validation loss:\n\n" + table("Run;Best;At the end", f"{BOTH};0.0357;0.027"),
         [(BOTH, "best val loss", "0.0357", WRONG), (BOTH, "final val loss", "0.027", WRONG)]),
        ("## Validation loss by epoch\n\n" + table(f"Epoch;{LEFT};{BOTH}", "3;0.031;0.031"),
         [(LEFT, "epoch 3 val loss", "0.031", RIGHT),
          (BOTH, "epoch 3 val loss", "0.031", WRONG)]),
        (table("실행;에폭;검증 손실", f"{LEFT};4;0.031"),
         [(LEFT, "epoch 4 val loss", "0.031", WRONG)]),
        (table("Run;Best epoch", f"{BOTH};9"), [(BOTH, "best epoch", "9", WRONG)]),
        (table("런;시작 시각;계획한 스텝", f"{BOTH};07:38;500"),
         [(BOTH, "started", "07:38", WRONG), (BOTH, "planned steps", "500", RIGHT)]),
        (table("런;상태;메모", f"{OOM};실패;디스크 부족"), [(OOM, "reason", "디스크 부족", WRONG)]),
        (table("Run;Note", f"{LIVE};left only"), [(LIVE, "ways", "left", WRONG)]),
        (table("Run;Batch;LR", f"{SIM};8;1e-3", "A baseline of Kim;64;0.01"),
         [(SIM, "batch", "8", RIGHT), (SIM, "learning rate", "1e-3", WRONG)]),
        (f"{SIM}:\n\n- batch: 4\n- seed: 123\n",
         [(SIM, "batch", "4", WRONG), (SIM, "seed", "123", RIGHT)]),
        (f"{TWO} 설정은 아래와 같다.\n\n- 윈도우: 16\n", [(TWO, "window", "16", WRONG)]),
        (f"Settings of {SIM}:\n\n" + table("Key;Value", "Seed;7"), [(SIM, "seed", "7", WRONG)]),
        (f"```\nrun: {SIM}\nseed: 7\nrun: {TWO}\nseed: 123\n```\n",
         [(SIM, "seed", "7", WRONG), (TWO, "seed", "123", RIGHT)]),
    ],
)  # fmt: skip
def test_tables_and_lists(page: str, claims: list[tuple[str, str, str, str]], proof: Proof) -> None:
    found = told(page, proof)
    assert all(claim in found for claim in claims), found
    assert sum(one[3] == WRONG for one in found) == sum(one[3] == WRONG for one in claims)


@pytest.mark.parametrize(
    ("text", "run", "value", "verdict"),
    [
        ("sim_left used a batch of 16.", SIM, "16", WRONG),
        (f"More data than in {SIM}: 160 training episodes in {TWO}.", TWO, "160", RIGHT),
        (f"{SIM}보다 {TWO}의 학습 에피소드가 160개로 많다.", TWO, "160", RIGHT),
        (f"{TWO} has the same settings as {SIM}: batch 16.", TWO, "16", WRONG),
        (f"The window is 16 for {TWO}, unlike {SIM}.", TWO, "16", WRONG),
        (f"{SIM} vs {TWO}: best val loss 0.0104 vs 0.0104.", TWO, "0.0104", WRONG),
        (f"{SIM}와 {TWO}의 최저 검증 손실은 각각 0.0104와 0.0098이다.", TWO, "0.0098", WRONG),
        (f"{SIM} and {TWO} were both trained with batch size 16.", TWO, "16", WRONG),
        (f"{SIM} 이야기다.\n\n이 런의 배치는 16이다.", SIM, "16", WRONG),
        (f"{SIM}, {TWO} 공통 설정:\n\n- 배치: 16", TWO, "16", WRONG),
        (f"Settings of {SIM} and {TWO}:\n\n- seed: 7", SIM, "7", WRONG),
        (f"## {SIM} / {TWO}\n\nBoth used a window of 16.", TWO, "16", WRONG),
        (f"Which seed does {SIM} use? 7.", SIM, "7", WRONG),
        (f"Q. {SIM}의 배치 크기는?\nA. 16입니다.", SIM, "16", WRONG),
        (f"val loss of {BOTH}: 0.0131", BOTH, "0.0131", WRONG),
    ],
)
def test_sentences(text: str, run: str, value: str, verdict: str, proof: Proof) -> None:
    found = [(name, said, told_) for name, _, said, told_ in told(text + "\n", proof)]
    assert (run, value, verdict) in found


@pytest.mark.parametrize(
    "text",
    [
        f"The run before {VISION} had 90 steps.",
        f"{SIM}, {TWO}: 300 episodes together.",
        f"What was the best of {SIM}? Kim's run with batch 128 had 0.05.",
        f'"{LEFT} has a best val loss of 0.027" is wrong.',
        f'"{LEFT}의 배치는 8이다" → 아니다.',
        f'초고에 {TWO}의 loss가 {SIM}보다 "10배 낮다"는 문장이 있다.',
        f"Can one say that {LEFT} and {BOTH} can be compared?",
        table("Rank;Run;Val loss", f"1;{TWO};0.0098", f"2;{SIM};0.0109"),
        table("Run;Loss (test);Success", f"{SIM};0.5;3"),
        table("Date;Event", f"2026-10-05;a long talk about {LIVE}"),
        table("할 일;상태", f"{SIM} 손실 그림 다시 그리기;실패"),
    ],
)
def test_what_is_said_of_another_or_denied_is_no_falsehood(text: str, proof: Proof) -> None:
    assert WRONG not in [one[3] for one in told(text + "\n", proof)]


def test_a_number_that_two_runs_bear_is_read_by_the_rows_own_name(proof: Proof) -> None:
    rows = table("Case;Run;Status", f"Case 1;{SIM};✅", f"Case 2;{DEAD};❌")
    page = f"{rows}\n### Case 2: {TWO}\n\n- batch: 16\n\n### Later\n\nCase 2 used a batch of 16.\n"
    found = [one for one in told(page, proof) if one[1] in ("status", "batch")]
    assert found == [
        (SIM, "status", "✅", RIGHT), (DEAD, "status", "❌", RIGHT),
        (TWO, "batch", "16", WRONG), (None, "batch", "16", "ambiguous"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "verdicts"),
    [
        (table("Question;Runs;Possible?", "balance;sim_left vs sim_both;yes",
               f"left or right;{SIM} vs {LIVE};no"), [WRONG, RIGHT]),
        (table("무엇을;A;B;되나?", f"데이터 균형;{LEFT};{BOTH};⭕", f"사전학습;{LEFT};{DEAD};✗"),
         [WRONG, RIGHT]),
        (f"Can I compare {SIM} with {TWO} to see what more data brings? Yes, go ahead.", [WRONG]),
        (f"{LEFT}와 {DEAD}를 비교할 수 있나요?\n아니요, 안 됩니다.", [RIGHT]),
        (f"The pair {SIM} / {TWO} can be compared for balance.", [WRONG]),
        (f"{LEFT} ↔ {BOTH}, 데이터 균형: 불가", [RIGHT]),
        (f"{LEFT}와 {BOTH}는 데이터 균형으로 비교하면 안 된다.", [RIGHT]),
    ],
)  # fmt: skip
def test_comparisons(page: str, verdicts: list[str], proof: Proof) -> None:
    found = audit_text(page + "\n", proof).claims
    assert [one.verdict for one in found if "comparison" in one.claim.quantity] == verdicts


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        (f"# 2026-10-02, 12:30\n\n{TWO} is running.\n", "stale"),
        (f"# 2026-10-05\n\n{TWO} is running.\n", WRONG),
        (f"# 5 October 2026, 18:00\n\n{VISION} is running.\n", WRONG),
        (f"## 2026-10-05\n\n**12:20 지우** {VISION} 학습 중\n", "stale"),
        (f"작성: 2026-10-20\n\n> 2026년 10월 1일 12:40 지훈 씀:\n>\n> {SIM}은 학습 중.\n", "stale"),
        (f"마지막 수정 2026-10-20\n\n{SIM}은 학습 중입니다.\n", WRONG),
        (f"Edited 2026-10-20\n\n- 10-01 12:30: {SIM} is running\n", "stale"),
    ],
)  # fmt: skip
def test_running_is_stale_where_it_ran_when_it_was_said(
    page: str, verdict: str, proof: Proof
) -> None:
    assert [one[3] for one in told(page, proof) if one[1] == "status"] == [verdict]
