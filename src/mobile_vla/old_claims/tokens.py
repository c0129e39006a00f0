"""The words beside a number, English and Korean: what it counts, of which split, at which epoch."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from mobile_vla.old_claims.gates import Gate

SHORT = 300
"""Characters up to which a text is remembered: table cells and list items are often the same."""
NUMBER = r"(?P<num>\d(?<![\d.]\d)\d*(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d+)?(?:e[-+]?\d+)?))"
"""A number, from its first digit on. Patterns that begin with a letter, a digit or a class are
looked for several times faster than those that begin with a condition: conditions come second."""
ABOUT = r"(?:~|≈|약\s|about\s)"
ABOUT_BEFORE = re.compile(rf"{ABOUT}$")
NOUNS: dict[str, str] = {
    "loss": "loss", "losses": "loss", "손실": "loss", "rmse": "rmse",
    "lora r": "lora_r", "lora rank": "lora_r", "rank": "lora_r", "랭크": "lora_r",
    "lora alpha": "lora_alpha", "alpha": "lora_alpha", "알파": "lora_alpha", "α": "lora_alpha",
    "dropout": "lora_dropout", "드롭아웃": "lora_dropout",
    "learning rate": "learning_rate", "lr": "learning_rate", "학습률": "learning_rate",
    "학습 률": "learning_rate", "러닝레이트": "learning_rate",
    "weight decay": "weight_decay", "가중치 감쇠": "weight_decay",
    "gradient accumulation": "accumulate", "accumulation": "accumulate",
    "accumulated over": "accumulate", "accumulate": "accumulate", "grad accum": "accumulate",
    "누적 스텝": "accumulate", "그래디언트 누적": "accumulate", "누적": "accumulate",
    "batch": "batch", "batch size": "batch", "배치": "batch", "배치 크기": "batch",
    "window": "window", "window size": "window", "윈도우": "window", "윈도우 크기": "window",
    "윈도": "window", "chunk": "chunk", "chunks": "chunk", "chunk size": "chunk",
    "chunk length": "chunk", "action chunk": "chunk", "청크": "chunk", "청크 크기": "chunk",
    "seed": "seed", "시드": "seed",
    "epochs": "epochs", "max epochs": "epochs", "에폭 수": "epochs", "에포크 수": "epochs",
    "epoch": "epoch", "에폭": "epoch", "에포크": "epoch",
    "optimiser step": "steps", "optimizer step": "steps",
    "optimiser steps": "steps", "optimizer steps": "steps", "최적화 스텝": "steps",
    "최적화 스텝 수": "steps", "옵티마이저 스텝": "steps", "옵티마이저 스텝 수": "steps",
    "steps": "any_steps", "step": "any_steps", "스텝": "any_steps", "스텝 수": "any_steps",
    "parameters": "params", "params": "params", "파라미터": "params", "매개변수": "params",
    "trains": "trains", "total trained": "params", "frames": "frames", "프레임": "frames",
    "episodes": "episodes", "eps": "episodes", "에피소드": "episodes", "demos": "episodes",
    "데이터": "episodes", "data": "episodes",
}  # fmt: skip
QUALIFIERS: dict[str, str] = {
    "best": "best", "lowest": "best", "minimum": "best", "최저": "best", "최고": "best",
    "최소": "best", "가장 낮은": "best", "가장 낮았던": "best", "가장 좋은": "best",
    "가장 좋았던": "best", "가장 좋았을": "best", "bottomed out": "best",
    "final": "final", "last": "final", "latest": "final", "ended": "final", "ends": "final",
    "closed at": "final", "finished at": "final", "최종": "final", "마지막": "final",
    "끝났을": "final", "끝날 때": "final", "끝은": "final",
    "initial": "initial", "초기": "initial", "처음": "initial", "첫": "initial",
    "first epoch": "initial", "첫 epoch": "initial", "첫 에폭": "initial", "첫 에포크": "initial",
    "last epoch": "final", "마지막 epoch": "final", "마지막 에폭": "final",
    "마지막 에포크": "final", "starts at": "initial", "started at": "initial",
}  # fmt: skip
SPLITS: dict[str, str] = {
    "train": "train", "training": "train", "학습": "train", "훈련": "train",
    "val": "val", "validation": "val", "검증": "val", "held out": "val",
    "trained on": "train", "validated on": "val",
}  # fmt: skip
PARTS: dict[str, str] = {
    "vision tower": "vision", "vision encoder": "vision", "vision": "vision", "비전": "vision",
    "action head": "head", "head": "head", "헤드": "head",
    "text": "text", "텍스트": "text", "언어": "text",
}  # fmt: skip
TOTALS = (
    "in total",
    "in all",
    "altogether",
    "total",
    "합하면",
    "합치면",
    "합쳐",
    "통틀어",
    "총",
    "전체",
    "모두",
)
OTHERS = (
    "accuracy", "acc", "정확도", "성공률", "success", "mae", "norm", "temperature", "batch norm",
    "delta", "weight", "coefficient", "margin", "threshold", "gamma", "beta", "임계값", "page",
    "table", "version", "effective batch", "effective batch size", "global batch", "유효 배치",
    "실효 배치", "final learning rate", "final lr", "최종 학습률", "warmup", "워밍업", "baseline",
    "expected", "예상", "목표", "target",
)  # fmt: skip
"""Nouns of numbers that no claim here is about: they end the reach of the noun before them."""


def _pattern(phrase: str) -> str:
    words = r"[\s_-]*".join(re.escape(word) for word in phrase.split())
    ascii_word = phrase.isascii()
    return rf"{words}(?![a-z])" if ascii_word else words


_PHRASES = sorted({*NOUNS, *QUALIFIERS, *SPLITS, *PARTS, *TOTALS, *OTHERS}, key=len, reverse=True)
_BY_LETTERS = {re.sub(r"[\s_-]", "", phrase): phrase for phrase in _PHRASES}
_FIRST = {phrase[0]: [p for p in _PHRASES if p[0] == phrase[0]] for phrase in _PHRASES}
_WORD = "|".join(
    f"{first}(?:{'|'.join(_pattern(phrase)[1:] for phrase in phrases)})"
    for first, phrases in _FIRST.items()
)
"""The phrases by their first letters: few alternatives are tried where none of them stands."""
TOKEN = re.compile(
    rf"(?<![a-z¤]){NUMBER}|(?<![a-z])(?P<word>{_WORD})"
    r"|(?<![a-z])r(?=\s*(?:[=:]|[은는])\s*\d)|(?P<stop>[;|])"
)


ANY_WORD = Gate(
    "|".join(
        re.escape(word)
        for word in (
            *{phrase.split()[0] for phrase in (*NOUNS, *QUALIFIERS)},
            *(f"r{gap}{sign}" for gap in ("", " ") for sign in "=:은는"),
            "weights", "trainable",
        )
    )
)  # fmt: skip
"""Stands in every text in which a number has a noun."""


class Found(msgspec.Struct, frozen=True):
    """A value in a text: its place, quantity and reading. The fields are those of a claim."""

    start: int
    end: int
    quantity: str
    number: float | None = None
    step: float = 0.0
    about: bool = False
    qualifier: str = ""
    split: str = ""
    ways: tuple[str, ...] = ()
    only: bool = False
    parts: tuple[float, ...] = ()


def small(text: str) -> str:
    """Text in small letters, every character at its place; short ones are remembered."""
    return (_remembered if len(text) <= SHORT else _small)(text)


def _small(text: str) -> str:
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)


_remembered = lru_cache(maxsize=8192)(_small)


def phrase_of(word: str) -> str:
    """The phrase of the vocabulary that a token is, whatever stands between its words."""
    return _BY_LETTERS[re.sub(r"[\s_-]", "", word)]


def is_about(match: re.Match[str]) -> bool:
    """Whether "about" or its sign stands before a number."""
    start = match.start("num")
    return bool(ABOUT_BEFORE.search(match.string[max(0, start - 6) : start]))


def reading(match: re.Match[str], quantity: str, power: int = 0) -> Found | None:
    """A number with the worth of its last digit; None where it is no number of this world."""
    digits = match["num"].replace(",", "")
    mantissa, _, exponent = digits.lower().partition("e")
    places = int(exponent or 0) - len(mantissa.partition(".")[2]) + power
    if abs(places) > 30 or len(mantissa) > 30:
        return None
    return Found(
        start=match.start("num"), end=match.end("num"), quantity=quantity,
        number=float(f"{digits}") * 10.0**power if power else float(digits),
        step=10.0**places, about=is_about(match),
    )  # fmt: skip
