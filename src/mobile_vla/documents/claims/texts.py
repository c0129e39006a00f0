"""One text before it is read closely: what it may hold, its sentences, names of runs masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from mobile_vla.documents.claims.changes import PERCENT, RATIO
from mobile_vla.documents.claims.naming import Mention
from mobile_vla.documents.claims.numbers import RUN
from mobile_vla.documents.claims.pairs import COMPARING
from mobile_vla.documents.claims.scan import SHORT
from mobile_vla.documents.claims.source import Piece
from mobile_vla.documents.claims.tokens import small
from mobile_vla.documents.claims.words import GUESS, INTERESTING, state_of, state_word

BESIDE = re.compile(
    r"아직|현재|지금|이미|결과|still|now|currently|it is|it has|\bit\b|했음|했다|입니다"
)
"""Words that may stand beside a bare state."""
NOTE = re.compile(r"\[\^mvla-\d|note mvla-\d")
SENTENCE = re.compile(r"[.!?。](?<!\(\d\.)(?<!^\d\.)(?<!\.[eg]\.)(?<!vs\.)[\s*_]+(?=\S)")
ELSEWHERE = re.compile(
    "|".join(
        [f"{word} (?:run|case|training|experiment)"
         for word in ("older", "previous", "other", "another", "earlier")]
        + [f"{word} (?:실행|학습|실험|케이스)" for word in ("이전", "다른", "옛")]
    )
)  # fmt: skip
"""In small letters: what is said of a run that is not named."""


def epoch_of_file(row: list[Piece]) -> str:
    """The epoch that a checkpoint's name in the row bears."""
    for cell in row:
        if match := re.search(
            r"epoch[_=]0*(\d+)\S*\.ckpt", cell.text.replace("epoch_epoch", "epoch")
        ):
            return f"epoch {match[1]}"
        if re.search(r"\blast\.ckpt", cell.text):
            return "final"
    return ""


class Look(msgspec.Struct, frozen=True):
    """What a text may hold, before it is read closely."""

    read: bool
    guess: bool
    compares: bool
    ratio: bool
    elsewhere: bool


def look_at(text: str) -> Look:
    """What may stand in a text; short ones are remembered."""
    return (_looked if len(text) <= SHORT else _look)(text)


def _look(text: str) -> Look:
    lowered = small(text)
    read = bool(INTERESTING.search(lowered)) and not NOTE.match(text)
    return Look(
        read,
        read and bool(GUESS.search(lowered)),
        read and bool(COMPARING.search(lowered)),
        read and bool(RATIO.search(lowered) or PERCENT.search(lowered)),
        read and bool(ELSEWHERE.search(lowered)),
    )


_looked = lru_cache(maxsize=8192)(_look)


def masked(text: str, mentions: Sequence[Mention]) -> str:
    """A text with the names of runs in it masked, each letter at its place."""
    for start, end, _, _ in mentions:
        text = text[:start] + RUN * (end - start) + text[end:]
    return text


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """The sentences of a line, each with its place in it."""
    start = 0
    for match in SENTENCE.finditer(text):
        asked = match[0][0] == "?"
        if len(text) > match.end() and (asked or not text[match.end()].islower()):
            yield start, text[start : match.start() + 1]
            start = match.end()
    yield start, text[start:]


def bare_state(text: str) -> bool:
    """Whether a sentence says a state and next to nothing else: "아직 학습 중.", "Failed."."""
    word = state_word(text) if len(text) < 32 else None
    if word is None or word[0] in "✅❌⏳":
        return False
    rest = text[: word.start()] + text[word.end() :]
    return len(re.findall(r"[^\W\d_]", BESIDE.sub("", rest))) <= 1


def states_case(text: str, mentions: list[tuple[int, int, str, str | None]]) -> bool:
    """Whether a line speaks of the case's state: a mark before it, or a word after it."""
    if not mentions:
        return len(text) < 160
    start, end = mentions[0][0], mentions[0][1]
    after = text[end:].lstrip("* ")
    marked = any(mark in text[:start] for mark in "✅❌⏳") and after[:1] in (":", "：", "(", "")
    plain = re.sub("[✅❌⏳]", "", text)
    words = len(text) < 160 and (plain == text or state_of(plain) is not None)
    return marked or words
