"""Claims in words, in sentences by nobody who knew a rule: a class of phrasing a line or two."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.old_audit.audit_document import Proof, audit_text
from mobile_vla.old_claims.times import date_parts

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def told(text: str, proof: Proof) -> list[tuple[str, str]]:
    """Of each claim: its quantity and its verdict."""
    return [(one.claim.quantity, one.verdict) for one in audit_text(text + "\n", proof).claims]


FALSE = (
    ("status", "sim_left_20261001 has crashed twice and never recovered."),
    ("status", "sim_oom_20261003 ran smoothly to the end."),
    ("status", "sim_oom_20261003 made it to the end."),
    ("status", "sim_left_20261001: 💀"),
    ("status", "sim_live_20261004 — finished."),
    ("status", "nav_robovlms_20251204 is currently training."),
    ("status", "sim_oom_20261003은 정상적으로 종료되었다."),
    ("status", "sim_left_20261001은 중간에 죽어 버렸다."),
    ("status", "sim_left_20261001 학습이 도중에 뻗었음."),
    ("status", "sim_live_20261004는 어제 다 끝났어요."),
    ("status", "nav_leftright_20251204의 학습은 중간에 끊겼다."),
    ("status", "nav_robovlms_20251204는 현재 학습이 진행되고 있다."),
    ("status", "sim_left_20261001 crashed, but sim_oom_20261003 finished."),
    ("status", "sim_left_20261001은 실패했지만 sim_both_20261002는 성공했다."),
    ("status", "### sim_left_20261001\n\nThe run died at step 40."),
    ("status", "### sim_live_20261004\n\n어제 저녁에 완료됨."),
    ("status", "### sim_left_20261001\n\nGPU 메모리가 부족해서 실패함."),
    ("status", "### sim_oom_20261003\n\n결과: 성공"),
    ("part", "비전 타워는 sim_left_20261001에서만 학습됩니다."),
    ("status", "| Run | Status |\n|--|--|\n| sim_live_20261004 | complete |"),
    ("reason", "sim_oom_20261003 died: no space left on device."),
    ("reason", "sim_oom_20261003 failed since the loss exploded."),
    ("reason", "sim_oom_20261003 was killed by a power cut."),
    ("reason", "sim_oom_20261003 crashed because a Python package was missing."),
    ("reason", "nav_robovlms_20251204 failed when the dataset could not be found."),
    ("reason", "sim_oom_20261003은 디스크가 꽉 차서 죽었다."),
    ("reason", "sim_oom_20261003은 학습률이 너무 높아 발산했다."),
    ("reason", "nav_robovlms_20251204의 실패 원인은 메모리가 모자란 것이다."),
    ("reason", "| Run | Why it stopped |\n|--|--|\n| nav_robovlms_20251204 | out of memory |"),
    ("init", "nav_left_20251203 was warm-started from the RoboVLMs checkpoint."),
    ("init", "nav_left_20251203 builds on the OXE-pretrained RoboVLMs weights."),
    ("init", "nav_left_20251203 loads `kosmos_ph_oxe-pretrain.pt`."),
    ("init", "nav_left_20251203은 RoboVLMs 가중치를 불러와 학습했다."),
    ("init", "nav_robovlms_20251204는 초기 가중치 없이 시작했다."),
    ("vlm", "nav_left_20251203의 VLM은 PaliGemma다."),
    ("regime", "sim_left_20261001 was fully fine-tuned."),
    ("regime", "sim_left_20261001 did not use LoRA."),
    ("regime", "sim_left_20261001은 풀 파인튜닝이다."),
    ("regime", "sim_left_20261001은 LoRA 없이 학습했다."),
    ("part", "sim_vision_20261005 leaves the vision tower frozen."),
    ("part", "sim_left_20261001 also fine-tunes the vision encoder."),
    ("part", "Only sim_left_20261001 has a trained vision tower."),
    ("part", "sim_left_20261001은 비전 인코더까지 학습했다."),
    ("part", "### sim_vision_20261005\n\n- freeze_vision: true"),
    ("part", "| 실험 | 비전 학습 |\n|--|--|\n| sim_left_20261001 | O |"),
    ("part", "sim_left_20261001의 비전 인코더는 열려 있었다."),
    ("part", "The vision tower of sim_vision_20261005 stays shut."),
    ("ways", "sim_live_20261004 saw only left episodes."),
    ("ways", "sim_left_20261001 was trained on left and right episodes."),
    ("ways", "The episodes of sim_live_20261004 are all left."),
    ("ways", "sim_live_20261004는 왼쪽 에피소드로만 학습했다."),
    ("ways", "sim_live_20261004는 좌우를 모두 사용했다."),
    ("ways", "sim_live_20261004의 방향은 왼쪽."),
    ("ways", "### sim_live_20261004\n\ndirections: left, seed 123"),
    ("date", "We kicked off sim_left_20261001 on 3 Oct."),
    ("date", "- October 2nd, 2026: sim_left_20261001"),
    ("date", "sim_left_20261001은 10월 2일에 띄웠다."),
    ("started", "### nav_left_20251203\n\nStarted at 11:15 p.m."),
)


@pytest.mark.parametrize(("quantity", "text"), FALSE)
def test_what_is_false_is_found(quantity: str, text: str, proof: Proof) -> None:
    assert (quantity, "contradicted") in told(text, proof)


TRUE = (
    ("status", "supported", "sim_oom_20261003은 12스텝 만에 터졌다."),
    ("status", "stale", "sim_vision_20261005 is under way."),
    ("status", "stale", "> sim_vision_20261005는 지금 학습 중 입니다."),
    ("reason", "supported", "sim_oom_20261003 failed when GPU memory was exhausted."),
    ("reason", "supported", "nav_robovlms_20251204는 가중치 파일을 못 찾아서 실패했다."),
    ("reason", "supported", "nav_robovlms_20251204는 메모리 부족이 아니라 경로 오류로 실패했다."),
    (
        "reason",
        "supported",
        "sim_oom_20261003 failed. We had been told of a full disk; it was OOM.",
    ),
    ("init", "supported", "Unlike nav_robovlms_20251204, nav_left_20251203 starts from Kosmos-2."),
    ("part", "supported", "sim_vision_20261005의 비전 타워는 고정하지 않았다."),
    ("part", "supported", "sim_vision_20261005 unfreezes the vision tower."),
    ("part", "supported", "### nav_left_20251203\n\nfreeze_backbone: true"),
    ("date", "supported", "sim_left_20261001 started on 1 Oct and ended on 2 Oct."),
    ("started", "supported", "### nav_left_20251203\n\n- 시작: 오후 10시 56분"),
    ("ways", "unsupported", "nav_left_20251203은 왼쪽 전용이다."),
)


@pytest.mark.parametrize(("quantity", "verdict", "text"), TRUE)
def test_what_is_true_is_not_denied(quantity: str, verdict: str, text: str, proof: Proof) -> None:
    found = told(text, proof)
    assert (quantity, verdict) in found
    assert (quantity, "contradicted") not in found


@pytest.mark.parametrize(
    "text",
    [
        "sim_both_20261002 has not failed.",
        "It is not true that sim_live_20261004 finished.",
        "The wiki says sim_live_20261004 is done, which is wrong.",
        "위키에는 sim_live_20261004가 완료라고 되어 있는데 틀렸다.",
        "sim_live_20261004가 끝났는지 확인해 주세요.",
        "sim_live_20261004 is nearly finished.",
        "sim_live_20261004는 절반쯤 완료됐다.",
        "The first epoch of sim_live_20261004 is finished.",
        "sim_left_20261001 had failed once before it finished.",
        "nav_left_20251203 could be initialised from RoboVLMs.",
        "전체 미세조정은 메모리가 모자라서 sim_left_20261001은 LoRA로 했다.",
        "sim_both_20261002 adds right episodes to the left-only data.",
        "sim_both_20261002의 렌더링이 중단되었다.",
        "The evaluation of sim_both_20261002 failed.",
        "On the robot, sim_left_20261001 failed 3 of 20 times.",
        "sim_left_20261001 정책은 바구니 앞에서 멈췄다.",
        "When sim_live_20261004 is finished, we evaluate it.",
        "sim_oom_20261003 finished its first 12 steps before it died.",
        "### sim_left_20261001\n\nThe server died on Monday.",
        "### sim_left_20261001\n\n서버가 죽었다.",
        "The disk was full while sim_oom_20261003 was being copied.",
        "nav_left_20251203 was not initialised from RoboVLMs.",
        "We wanted nav_left_20251203 to start from RoboVLMs.",
        "sim_left_20261001은 전체 미세조정이 아니다.",
        '"sim_left_20261001은 full fine-tuning"이라고 부르는 사람이 있다.',
        "sim_both_20261002는 왼쪽만 있는 것이 아니다.",
        "sim_left_20261001 is worse on right episodes only.",
        "### sim_left_20261001\n\nThe RT-1 paper uses batch 64.",
        "### sim_left_20261001\n\nLee's group trains with batch 256.",
        "### sim_left_20261001\n\n원 논문은 배치 128을 쓴다.",
        "### sim_left_20261001\n\n작년 기준선의 검증 손실은 0.044였다.",
        "### sim_left_20261001\n\n다음에는 배치 32로 돌려 볼 생각이다.",
        "### sim_left_20261001\n\nRafael guessed a final validation loss of 0.02.",
        "### sim_left_20261001\n\n~~val loss 0.05~~",
    ],
)
def test_what_is_no_claim_about_a_run(text: str, proof: Proof) -> None:
    assert "contradicted" not in [verdict for _, verdict in told(text, proof)]


def test_a_wish_silences_its_own_sentence_alone(proof: Proof) -> None:
    page = "sim_left_20261001 crashed. Next month we want to try batch 32."
    assert told(page, proof) == [("status", "contradicted")]


@pytest.mark.parametrize(
    ("said", "parts"),
    [("1 Oct", [10, 1]), ("Dec. 3rd, 2025", [2025, 12, 3]), ("2025년 12월 3일", [2025, 12, 3]),
     ("20251203", [2025, 12, 3])],
)  # fmt: skip
def test_days_are_read_as_people_write_them(said: str, parts: list[int]) -> None:
    assert date_parts(said) == parts


@pytest.mark.parametrize(
    ("said", "right"),
    [("2 Oct", "1 Oct"), ("October 2nd, 2026", "October 1, 2026"), ("2 October", "1 October")],
)
def test_a_day_is_corrected_as_it_was_written(said: str, right: str, proof: Proof) -> None:
    (one,) = audit_text(f"sim_left_20261001 started on {said}\n", proof).claims
    assert one.fixable == right


@pytest.mark.parametrize("said", ["VLM: Kosmos-1", "VLM init: MS Kosmos-2 (OXE)"])
def test_another_generation_or_other_data_is_another_model(proof: Proof, said: str) -> None:
    claims = audit_text(f"## nav_left_20251203\n\n{said}\n", proof).claims
    assert [one.verdict for one in claims] == ["contradicted"]
    same = audit_text("## nav_left_20251203\n\nVLM: Kosmos-2\n", proof).claims
    assert [one.verdict for one in same] == ["supported"]
