"""What an audit says of a claim, in the document's language: in SARIF, notes, tools, on screen."""

from __future__ import annotations

import re

from mobile_vla.analysis.wording import (
    STATES,
    VERDICTS,
    Language,
    duration,
    size,
    state_word,
    verdict_word,
)
from mobile_vla.audit.korean_reasons import korean_reason
from mobile_vla.old_claims.model import Claim, Judged

HANGUL = re.compile(r"[가-힣\u1100-\u11ff]")
TIMES = ("duration", "epoch_time", "step_time")
VALUES = tuple(
    (re.compile(pattern), korean)
    for pattern, korean in (
        (r"^none beyond (.*)", r"\1 외에 없음"),
        (r"^no finished run$", "끝난 실행 없음"), (r"^no loss$", "손실 없음"),
        (r"^no LoRA$", "LoRA 없음"), (r"^none of it trains$", "학습되지 않음"),
        (r"^none$", "없음"), (r"^unknown$", "알 수 없음"),
        (r"^finished, unverified$", "완료, 확인 안 됨"),
        (r"([\d,]+) parameters of (\w+) train$", r"\2의 파라미터 \1개가 학습됨"),
        (r"([\d,]+) parameters train$", r"파라미터 \1개가 학습됨"),
        (r"^(.*) loads$", r"\1 열림"), (r"^(.*) is lower$", r"\1 쪽이 더 낮음"),
        (r"(\d+) train\b", r"학습 \1"), (r"(\d+) val\b", r"검증 \1"),
        (r"(\d+) left\b", r"왼쪽 \1"), (r"(\d+) right\b", r"오른쪽 \1"),
        (r"(\d+) straight\b", r"직진 \1"),
        (r"\bmemory\b", "메모리 부족"), (r"^path$", "경로 오류"), (r"\bnot a number\b", "NaN 발산"),
    )
)  # fmt: skip
"""The evidence's values that are words, in Korean."""
LETTER = re.compile(r"[^\W\d_]")
SAID = {
    "supported": "근거와 일치", "contradicted": "근거와 다름", "stale": "지난 사실",
    "unsupported": "근거 없음", "ambiguous": "불분명",
}  # fmt: skip
QUANTITIES = {
    "val_loss": "검증 손실", "train_loss": "학습 손실", "rmse": "RMSE", "lora_r": "LoRA r",
    "lora_alpha": "LoRA alpha", "lora_dropout": "LoRA dropout", "learning_rate": "학습률",
    "weight_decay": "가중치 감쇠", "accumulate": "그래디언트 누적", "batch": "배치 크기",
    "window": "윈도우", "chunk": "청크", "seed": "시드", "epochs": "에폭 수",
    "steps": "최적화 스텝",
    "any_steps": "스텝", "params": "학습 파라미터", "size": "크기", "episodes": "에피소드",
    "share": "비율", "ways": "방향", "date": "날짜", "status": "상태", "reason": "원인",
    "checkpoint": "체크포인트", "checkpoint_file": "체크포인트 파일", "vlm": "VLM",
    "init": "초기 가중치", "regime": "학습 방식", "lora": "LoRA", "part": "학습되는 부분",
    "comparison": "비교 가능", "no_comparison": "비교 불가", "better": "우열", "ratio": "비",
    "duration": "소요 시간", "epoch_time": "에폭당 시간", "step_time": "스텝당 시간",
    "started": "시작 시각", "best_epoch": "최저 에폭", "name": "이름", "hidden": "은닉 크기",
    "action_dim": "행동 차원",
}  # fmt: skip
COMPARED = {verdict_word(v, "en"): verdict_word(v, "ko") for v in VERDICTS}
WORDS = {"best": "최저", "final": "최종", "initial": "처음", "train": "학습", "val": "검증",
         "planned": "계획한"}  # fmt: skip


def language_of(text: str) -> Language:
    """Korean where at least a tenth of the letters are Hangul, else English."""
    letters = len(LETTER.findall(text))
    return "ko" if letters and len(HANGUL.findall(text)) >= 0.1 * letters else "en"


def message(judged: Judged, language: Language) -> str:
    """What is found of a claim, in one line: what it says, the evidence, why, and where."""
    at = judged.evidence
    parts = [heading(judged, language)]
    if judged.expected:
        parts.append(f"{'근거' if language == 'ko' else 'evidence'}: {shown(judged, language)}")
    if judged.reason:
        parts.append(reason(judged.reason, language))
    parts += [f"{at.file} {at.where}".strip()] if at else []
    return "; ".join(parts)


def heading(judged: Judged, language: Language) -> str:
    """The claim and its verdict."""
    claim = judged.claim
    if language == "en":
        return f"{claim.case or 'no case'}, {claim.what} “{claim.value}” is {judged.verdict}"
    told = SAID[judged.verdict]
    return f"{claim.case or '케이스 불명'}, {what(claim, language)} “{claim.value}”: {told}"


def what(claim: Claim, language: Language) -> str:
    """What is claimed, in words: "best val loss at epoch 8", "8 에폭 최저 검증 손실"."""
    if language == "en":
        return claim.what
    name, _, epoch = claim.qualifier.partition(" at ")
    epoch = epoch or (name if name.startswith("epoch ") else "")
    number = f"{epoch.removeprefix('epoch ')} 에폭" if epoch else ""
    parts = (number, WORDS.get(claim.split, ""), WORDS.get(name, ""),
             QUANTITIES.get(claim.quantity, claim.what))  # fmt: skip
    return " ".join(part for part in parts if part)


def reason(text: str, language: Language) -> str:
    """A reason, each part of it in Korean where it is known how to say it."""
    if language == "en" or not text:
        return text
    return "; ".join(korean_reason(part) or part for part in text.split("; "))


def shown(judged: Judged, language: Language) -> str:
    """The evidence's value for people: a state, a comparison's verdict, numbers with their unit."""
    expected = judged.expected or ""
    try:
        return _amount(judged.claim.quantity, float(expected), expected, language)
    except ValueError:
        pass
    if language == "en":
        return expected
    if expected in STATES:
        return state_word(expected, "ko")  # type: ignore[arg-type]
    if expected in COMPARED:
        return COMPARED[expected]
    for pattern, korean in VALUES:
        expected = pattern.sub(korean, expected)
    return expected


def _amount(quantity: str, number: float, written: str, language: Language) -> str:
    if quantity in TIMES:
        return f"{duration(number, language)} ({number:,.0f} s)"
    if quantity == "size":
        return f"{size(int(number))} ({number:,.0f} B)"
    return f"{number:,.0f}" if number >= 1e4 else written
