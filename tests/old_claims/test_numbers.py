"""Numbers in sentences, Korean and English: what they count, of which split, part or epoch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.old_audit.audit_document import Proof, audit_text

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

LEFT, BOTH, DEAD = "nav_left_20251203", "nav_leftright_20251204", "nav_robovlms_20251204"
SIM, VISION, LIVE, OOM = (
    f"sim_{name}" for name in ("left_20261001", "vision_20261005", "live_20261004", "oom_20261003")
)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def verdicts(text: str, proof: Proof) -> str:
    """ "200 supported, 50 contradicted": every claim of a text, as it stands there."""
    claims = audit_text(text, proof).claims
    return ", ".join(f"{one.claim.value} {one.verdict}" for one in claims)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LEFT} saw 200 training episodes, 60 of them for validation.",
         "200 supported, 60 contradicted"),
        (f"{LEFT}: 학습 에피소드는 200개, 검증은 40개, 합하면 250개.",
         "200 supported, 40 contradicted, 250 supported"),
        (f"{LEFT} data: 200 train + 60 val", "200 supported, 60 contradicted"),
        (f"{BOTH} used 400 demos in total.", "400 contradicted"),
        (f"{BOTH} trains on 400 episodes.", "400 supported"),
        (f"{SIM} held out 25 % of its episodes.", "25 contradicted"),
        (f"{LEFT} was trained on 3,600 frames.", "3,600 supported"),
        (f"{LEFT}의 검증 프레임은 1,800장이다.", "1,800 contradicted"),
    ],
)  # fmt: skip
def test_episodes_and_frames(proof: Proof, text: str, expected: str) -> None:
    assert verdicts(text, proof) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{BOTH}: best 0.027, final 0.027.", "0.027 supported, 0.027 contradicted"),
        (f"{BOTH} 최저 0.027, 끝은 0.0357", "0.027 supported, 0.0357 supported"),
        (f"The val loss of {LEFT} went from 0.052 after the first epoch to 0.0139 after the last.",
         "0.052 supported, 0.0139 contradicted"),
        (f"{LEFT}의 학습 손실은 0.179에서 0.015로 내려갔다.",
         "0.179 supported, 0.015 contradicted"),
        (f"{BOTH} stood at 0.048 after epoch 4.", "0.048 contradicted"),
        (f"{LEFT}의 3번 에포크 검증 손실은 0.031이었다.", "0.031 supported"),
        (f"Validation losses of {BOTH}: epoch 1 0.064, epoch 4 0.048.",
         "0.064 supported, 0.048 contradicted"),
        (f"{BOTH}: lowest val loss 0.027 @ epoch 6", "0.027 supported, 6 contradicted"),
        (f"The epoch 7 loss of {LEFT} was 0.0150.", "0.0150 ambiguous"),
    ],
)  # fmt: skip
def test_losses(proof: Proof, text: str, expected: str) -> None:
    assert verdicts(text, proof) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LIVE} has done 90 of 200 steps.", "90 supported, 200 supported"),
        (f"{OOM}은 200 스텝 가운데 15번째 스텝에서 멈췄다.",
         "200 supported, 15 contradicted, 멈췄 supported"),
        (f"{SIM} trains 155,348 parameters, of which 36,864 belong to the action head.",
         "155,348 supported, 36,864 contradicted"),
        (f"{VISION}에서 학습되는 파라미터는 비전 963,136개, 헤드 118,420개, 텍스트 963,136개.",
         "963,136 supported, 118,420 supported, 963,136 contradicted"),
        (f"{LEFT}: gradients are accumulated over 4 batches.", "4 contradicted"),
        (f"{SIM} trained for 10 epochs.", "10 contradicted"),
        (f"{DEAD}: 10 에폭 학습 완료", "10 contradicted, 완료 contradicted"),
    ],
)  # fmt: skip
def test_steps_parameters_and_settings(proof: Proof, text: str, expected: str) -> None:
    assert verdicts(text, proof) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"The validation loss of {LEFT} fell by 75 %.", "75 supported"),
        (f"{LEFT}의 검증 손실은 92 % 감소했다.", "92 contradicted"),
        (f"{BOTH}: best 0.027, final 0.0357, 32 % higher.",
         "0.027 supported, 0.0357 supported, 32 supported"),
        (f"{LEFT} and {BOTH} differ by 50 % in final val loss.", "50 contradicted"),
        (f"The best val loss of {BOTH} is 2.1 times that of {LEFT}.", "2.1 supported"),
        (f"{BOTH}의 최저 손실은 {LEFT}보다 10배 높다.", "10 contradicted"),
        (f"After 5 epochs the loss of {LEFT} had fallen by 40 %.", "5 ambiguous"),
    ],
)  # fmt: skip
def test_ratios_and_changes(proof: Proof, text: str, expected: str) -> None:
    assert verdicts(text, proof) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It was not trained for 20 epochs.",
        "20 에폭이 아니라 10 에폭이었다.",
        "The final val loss is below 0.02.",
        "검증 손실은 0.027이 아니다.",
        "The effective batch size was 8.",
        "유효 배치: 8",
        "It ran 200 steps per epoch.",
        "에폭당 200 스텝이다.",
        "Every 5 steps a line was logged.",
        "The model has 1.7 B parameters, 55.8 M trainable.",
        "Its final learning rate was 1e-7.",
        "There were 0.1 epochs of warm-up.",
        "5 of 10 epochs had been done at 23:13.",
        "Validation ran on 50 episodes of 18 frames.",
        "Train/val split: 80/20",
        "Baseline loss: 0.5",
        "The loss is 2.9 times smaller than ten years ago.",
        "Trained on 2 cards of 48 GB in room 407.",
        f"{LEFT} could be retrained with r=64.",
        f"{LEFT}을 20 에폭으로 다시 돌려야 한다.",
        f"Unlike {BOTH}, which has 500 episodes, {LEFT} has 250.",
        f"Nobody saw {LEFT} fail.",
        f"The upload of {LEFT}'s checkpoint failed.",
        f"{LEFT}은 오른쪽 상자에서 실패한다.",
        f"An earlier report said that {LEFT} had 500 episodes.",
        f"It is wrong to say that {LEFT} is better than {BOTH}.",
        f"{LEFT} 학습 중 검증 손실은 계속 내려갔다.",
        "남은 에폭은 3개였다.",
        f"{LEFT} 말고 {BOTH}의 최저 손실은 0.027이다. epoch 4의 손실은 0.043이다.",
    ],
)
def test_what_is_true_or_about_something_else_is_not_contradicted(proof: Proof, text: str) -> None:
    claims = audit_text(f"## {LEFT}\n\n{text}\n", proof).claims
    assert [one.claim.value for one in claims if one.verdict in ("contradicted", "stale")] == []
