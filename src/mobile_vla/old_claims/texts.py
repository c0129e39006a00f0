"""One text before it is read closely: what it may hold, its sentences, names of runs masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from mobile_vla.old_claims.around import RUN
from mobile_vla.old_claims.changes import TIMES
from mobile_vla.old_claims.fates import ANY_MARK, MARKS, cause_of, state_word
from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.naming import WITH_BEFORE, Mention, Names
from mobile_vla.old_claims.pairs import COMPARING
from mobile_vla.old_claims.source import Piece
from mobile_vla.old_claims.tokens import SHORT, small
from mobile_vla.old_claims.words import GUESS, INTERESTING, Key, read_key

Case = tuple[str, str | None]
BESIDE = re.compile(
    r"(?<![a-z])(?:still|now|currently|it|this|that|the|is|was|has|had|been|have|run|training|job"
    r"|case"
    r"|at|once|just|already|soon|immediately|again|and|but|then|also|on|in|after|before|step|epoch"
    r"|started|launched|began|there|only|unfortunately|sadly|finally|normally|since)(?![a-z])"
    r"|아직|현재|지금|이미|결과|결국|곧바로|바로|방금|또|다시|그냥|그리고|그런데|역시|시작\S*|띄\S+"
    r"|[이그] ?(?:런|실험|실행|학습)|학습|훈련|실험|실행|런"
    r"|[해되여아어]서|때문에|gpu|cuda|어제|오늘|그제|지난|새로|잘|무사히|성공적으로|도중에?|중간에|끝내|아침|오전|오후|저녁|밤"
    r"|새벽|[년월일시분초에은는이도]"
)
"""In small letters: words that may stand before a state that is said of the run spoken of."""
FIRST = 64
"""Characters within which such a state stands."""
TOLD_WHY = re.compile(
    r"\W*(?:직접 |주된 |근본 ?|실제 )?(?:원인|이유|(?:the )?(?:\w+ )?(?:cause|reason) (?:was|is)\b)"
)
OTHER = re.compile(
    r"(?<![a-z])(?:the|an?|our|my|his|her|their|[a-z]+'s)"
    r" (?!(?:\w+ )?(?:run|training|job|case|experiment|process|attempt|model|one)\b)\w+[^,;:.]*$"
)
"""In small letters, before a state: it may be said of something else than the run."""
NOTE = re.compile(r"\[\^mvla-\d|note mvla-\d")
SENTENCE = re.compile(r"[.!?。](?<!\(\d\.)(?<!: \d\.)(?<!^\d\.)(?<!\.[eg]\.)(?<!vs\.)[\s*_]+(?=\S)")
ELSEWHERE = Gate(
    "|".join(
        [f"{word} (?:run|case|training|experiment|baseline)"
         for word in ("older", "previous", "other", "another", "earlier")]
        + [f"{word} (?:실행|학습|실험|케이스|기준선)(?!들?처럼|들?[과와] (?:같|마찬가지))"
           for word in ("이전", "다른", "옛")]
        + [f"{word} (?:[a-z0-9-]+ )?(?:모델|기준선)" for word in ("작년", "예전", "옛", "지난")]
        + [f"{word} (?:[a-z0-9-]+ )?(?:model|baseline)" for word in ("old", "last year's")]
        + ["run whose", "one whose", "case whose", r"'s (?:\w+ )?(?:run|model|baseline)\b"]
    )
)  # fmt: skip
"""In small letters: what is said of a run that is not named."""


QUOTED = re.compile(
    r"[\"”」’'](?:\s*(?:→|->|—|–|:|=>|is|was|는|은|라는 건)?\s*"
    r"(?:아니|틀[렸린]|거짓|사실이 아|사실과|no\b|wrong|false|not (?:true|so)\b|untrue|a myth)"
    r"|(?:라|이라)?는 (?:문장|말|주장|표현|글|대목))"
)
DISOWNED = Gate(
    "|".join(
        [rf"{word} (?:is|was) (?:wrong|false|untrue|a mistake|not so|not true)\b"
         for word in ("that", "which", "it", "this")]
        + [rf"{word} to (?:say|call|claim)" for word in ("wrong", "false", "mistaken")]
        + [rf"{word} (?:page|report|version|revision|readme|draft)\w* [^.]{{0,24}}?"
           r"(?:said|says|claimed|claims|had|wrote)\b"
           for word in ("previous", "older", "earlier", "last")]
        + [rf"{word} (?:보고서|페이지|문서|버전)[가-힣]* [^.]*?(?:라고|이라는)"
           for word in ("지난", "이전", "옛", "예전")]
        + [r"cannot be called", r"only (?:once|if|when|after)\b"]
    )
)  # fmt: skip
"""In small letters: a quotation that is told not to be so; what others said, or only would hold."""


def unsaid(text: str) -> bool:
    """Whether a text, small letters, expects, wishes, denies or tells what others said."""
    return any(pattern.search(text) for pattern in (GUESS, DISOWNED, QUOTED))


SAYS = re.compile(r" (?:was|were|is|are|has|had) ")
"""What stands before a colon is a sentence of its own, and no key."""
KEYED = re.compile(
    r"^(?P<lead>[\s>*_-]*(?:\d+\.\s*)?[✅❌⏳⚠️🔥⏸️\s*`]*)"
    r"(?P<key>[^:：|]{1,48}?)[*`\s]*(?:(?<!\d)[:：]|[:：](?!\d))\s?(?P<value>.+)$"
)


def keyed_by(text: str, names: Names) -> tuple[Key, re.Match[str], Case | None] | None:
    """The key that a text begins with, the value after it, and the run that the key names."""
    match = KEYED.match(text) if ":" in text or "：" in text else None
    if match is None or SAYS.search(match["key"]):
        return None
    named = names.mentions(match["key"])
    key = read_key(unnamed(match["key"], named))
    of = names.only(match["key"]) if named and not names.mentions(match["value"]) else None
    if key is None or key.quantity == "epoch" or (named and of is None):
        return None
    return key, match, of


def of_another(text: str) -> bool:
    """Whether a text speaks of a run that it does not name, and not only compares with it."""
    lowered = small(text)
    return any(
        not WITH_BEFORE.search(lowered, 0, match.start()) for match in ELSEWHERE.finditer(lowered)
    )


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
        read and unsaid(lowered),
        read and bool(COMPARING.search(lowered)),
        read and ("%" in lowered or bool(TIMES.search(lowered))),
        read and bool(ELSEWHERE.search(lowered)),
    )


_looked = lru_cache(maxsize=8192)(_look)


def masked(text: str, mentions: Sequence[Mention]) -> str:
    """A text with the names of runs in it masked, each letter at its place."""
    for start, end, _, _ in mentions:
        text = text[:start] + RUN * (end - start) + text[end:]
    return text


def unnamed(text: str, mentions: Sequence[Mention]) -> str:
    """A key without the names of runs in it: "val loss of A", "A의 val loss"."""
    if not mentions:
        return text
    text = re.sub(rf"[`*(]*{RUN}+[`*)]*(?:의|에서|'s)?", RUN, masked(text, mentions))
    return re.sub(rf"(?:\b(?:of|in|for|from|by|with))?\s*{RUN}\s*[,–—-]?\s*", " ", text).strip()


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """The sentences of a line, each with its place in it."""
    start = 0
    for match in SENTENCE.finditer(text):
        ends = match[0][0] == "?" or "가" <= text[match.start() - 1 : match.start()] <= "힣"
        if len(text) > match.end() and (ends or not text[match.end()].islower()):
            yield start, text[start : match.start() + 1]
            start = match.end()
    yield start, text[start:]


def of_run(text: str) -> bool:
    """Whether a sentence without a name says a state or a cause of the run its heading names.

    Next to nothing else stands before the state: "아직 학습 중.", "It crashed at once."
    """
    lowered = small(text)
    if TOLD_WHY.match(lowered):
        return True
    word = state_word(text[:FIRST])
    if word is None or word[0] in MARKS:
        return False
    before = lowered[: word.start()]
    if cause := cause_of(before):
        before = before[: cause[1]] + before[cause[2] :]
    return len(re.findall(r"[^\W\d_]", BESIDE.sub("", before))) <= 1


def states_case(text: str, mentions: list[tuple[int, int, str, str | None]]) -> bool:
    """Whether a line speaks of the case's state: a mark before it, or a word."""
    if mentions and not ANY_MARK.search(text):
        return True
    word = state_word(text)
    if not mentions:
        return word is None or not OTHER.search(small(text[: word.start()]))
    after = text[mentions[0][1] :].lstrip("* ")
    marked = any(mark in text[: mentions[0][0]] for mark in MARKS)
    beside = after[:1] in (":", "：", "(", "")
    if not marked and not re.search(r"[^\W_]", after):
        return True
    return word is None or word[0] not in MARKS or (marked and beside)
