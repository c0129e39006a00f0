"""Claims that two cases can or cannot be compared: in tables, sentences and headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.naming import Names
from mobile_vla.old_claims.source import Piece
from mobile_vla.old_claims.tokens import Found, small
from mobile_vla.old_claims.words import (
    NUMERIC,
    Key,
    clean,
    read_key,
)

Case = tuple[str, str | None]
Bound = tuple[Piece, Found, Case | None, tuple[str, ...]]
AGAINST = Gate(
    r"vs(?<!\wvs)\.?(?=\W)|against\b|compar(?:e|ed|able|ison)\b|pair(?<!\wpair)\b|비교|견주|[↔⇔]|<->"
)
QUESTION = re.compile(r"비교|comparison|question|질문")
ANSWER = re.compile(
    r"가능|possible|verdict|판정|comparable|되나|되는지|allowed|valid|^ok\b|\bmay\b|\bcan\b"
)
MARKS = re.compile(r"[✅⭕✔☑](?P<yes>)|[❌✖✗✘🚫](?P<no>)")
SAID = re.compile(
    r"(?P<yes>o|ok(?:ay)?|ye(?:s|ah|p)|y|네|예|넵|응|ㅇㅇ|가능|됨|된다|됩니다|돼요?|그렇습니다|possible"
    r"|valid|comparable|sure|of course|물론)(?![a-z가-힣])"
    r"|(?P<no>x|no(?:pe|t)?|n|불가능?|안 ?[됨돼됩된]|아니(?:요|오|다|에요|야|)|impossible|invalid"
    r"|confounded)(?![a-z])"
)
"""In small letters: what an answer begins with."""
ANSWERER = re.compile(r"^[\W_]*(?:(?:a\d*|[^\W\d]{1,12})\s*[.:)：][\s*_]*)?(?=[^\W_])")
"""What stands before an answer: "A.", "Sumin:"."""
NOT_POSSIBLE = re.compile(
    r"불가|[❌✖✗✘🚫]|\bimpossible\b|not comparable|not possible|(?<!not )(?<!un)confounded\b|^no\b"
    r"|(?:can(?:not|'t| not)|(?:may|must|should|could) not|never) (?:\w+ )?(?:be )?(?:\w+ )?compare"
    r"|(비교할|말할|알|볼) 수 없|가능하지 (?:않|못)"
    r"|비교(?:하면|해선|해서는|해도|는)? ?안 ?[되된됨돼됩]",
    re.IGNORECASE,
)
POSSIBLE = re.compile(
    r"가능|[✅✔☑⭕]|\bpossible\b|comparable|\bvalid\b|^yes\b"
    r"|\b(?:can|may|could) (?:\w+ )?(?:be )?(?:\w+ )?compare"
    r"|(?<=비교할 수 )있|(?<=말할 수 )있|(?<=알 수 )있|(?<=볼 수 )있"
    r"|(?<=비교해도 )(?:괜찮|[되된됨돼됩])",
    re.IGNORECASE,
)
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("direction_balance", r"균형|balance"),
    ("data_amount", r"데이터(?:의)? ?(양|증가|수)|data amount|amount of data|more data|data size"),
    ("initial_weights", r"pretrain|사전 ?학습|초기 가중치|initial weights"),
)
ANSWERS = re.compile(r"\W*[aA답]\d*\W*$")
VALUE_ALONE = re.compile(
    r"^\W*(?:a\d*\W+)?(?:\ue000+\W*(?:[은는]|is|was|has|had)?\W*)?(?:약|about)?\W*\d"
)
WORD_ALONE = re.compile(r"^\W*(?:a\d*\W+)?(?!yes|no\b|네|예|아니)[^.!?]{2,60}\W*$")
"""In small letters, names masked: an answer that is the value asked for."""
NO_PAIR = re.compile(r"no comparison|비교 ?불가", re.IGNORECASE)

BEST_CELL = re.compile(r"[\W]*(?P<best>best|최고)(?: model| 모델| 성능)?[\W]*", re.IGNORECASE)
BEST = re.compile(
    r"best(?<!\wbest) (?:(?!of|in|from|than|at)\w+ )?(?:model|run|case|one)\b"
    r"(?! (?:of|from|in) (?!all|the |our|these|any))|현재 best|최고 (?:성능|모델)"
    r"|가장 (?:우수|좋은|뛰어난)(?=\S*\s*(?:모델|성능|결과|학습|케이스))"
)
BETTER = re.compile(
    r"better\b|outperform(?:s|ed)?\b|beats?\b|superior\b|worse\b"
    r"|성능이 (?:더 )?(?:좋|높|낫|우수|나쁘|낮|떨어)\w*|더 (?:낫|우수|뛰어나)\w*"
    r"|낫\w*|우수\w*|뛰어나\w*"
)
LESS = re.compile(r"worse|나쁘|낮|떨어")
COMPARING = Gate(
    r"vs|↔|⇔|<->|against|compar|비교|견주|best|better|worse|outperform|beat|superior|최고|좋|낫|우수|높|낮|나쁘"
    r"|뛰어나|떨어"
)
"""In small letters: a text without any of these compares nothing."""
NO_CLAIM = re.compile(r"\bno\b|\bnot\b|n't|없|않|\?|인지|는지|확인|아니", re.IGNORECASE)


def pair_claims(rows: list[list[Piece]], names: Names) -> list[Bound]:
    """The comparisons that a table claims possible or not; empty where it claims none.

    Each row names two runs, in columns of their own or in one cell, and answers.
    """
    head = [clean(cell.text).lower() for cell in rows[0]] if rows else []
    answer = _answer_column(head, rows)
    if answer is None:
        return []
    found = [_row_pair(head, row, answer, names) for row in rows[1:] if len(row) > answer]
    return [bound for bound in found if bound is not None]


def _answer_column(head: list[str], rows: list[list[Piece]]) -> int | None:
    """The column that answers: by its head, else the last, where the table asks and it is marks."""
    told = next((n for n, text in enumerate(head) if ANSWER.search(text)), None)
    if told is not None or not head:
        return told
    asks = AGAINST.search(" ".join((*head, small(rows[0][0].section.title))))
    last = [row[len(head) - 1].text for row in rows[1:] if len(row) == len(head)]
    return len(head) - 1 if asks and last and all(map(_cell_says, last)) else None


def _cell_says(text: str) -> re.Match[str] | None:
    """What a cell answers where it does nothing else: a mark, yes or no, possible or not."""
    marks = list(MARKS.finditer(text))
    if len(marks) == 1 and not re.search(r"\w", text):
        return marks[0]
    plain = small(text)
    lead = len(plain) - len(plain.lstrip(" *_`"))
    return SAID.fullmatch(plain, lead, len(plain.rstrip(" *_`.!")))


class Asked(NamedTuple):
    """A question whose answer follows: whether two runs can be compared, or for a quantity.

    `block`: the paragraph or item that it stands in. `of`: the run that it names.
    """

    block: int
    pair: tuple[str, ...]
    key: Key | None
    of: Case | None


def asked(piece: Piece, text: str, names: Names) -> Asked:
    """What a question asks. `pair`: two runs and the factor asked about, or nothing."""
    cases, lowered = _cases(text, names), small(text)
    pairs = len(cases) == 2 and AGAINST.search(lowered) and not BETTER.search(lowered)
    factor = question_of(text)
    pair = (*cases, *([f"?{factor}"] if factor else [])) if pairs else ()
    return Asked(piece.block, pair, read_key(text.rstrip("?*_ ")), names.only(text))


def answered(piece: Piece, place: tuple[int, str], question: Asked) -> list[Bound]:
    """The claim of a sentence that answers whether two runs can be compared."""
    start, text = place
    lead = ANSWERER.match(text)
    match = SAID.match(small(text), lead.end() if lead else 0) if question.pair else None
    if match is None:
        return []
    said = "comparison" if match["yes"] is not None else "no_comparison"
    found = Found(start + match.start(), start + match.end(), said)
    return [(piece, found, (" vs ".join(arms_of(question.pair)), None), question.pair)]


def is_answerer(text: str) -> bool:
    """Whether a sentence is but "A.": the answer follows."""
    return len(text) < 5 and bool(ANSWERS.match(text))


def answers(text: str, key: Key) -> bool:
    """Whether a text, small letters and names masked, is little but the value asked for."""
    return bool((VALUE_ALONE if key.quantity in NUMERIC else WORD_ALONE).match(text))


def _mark_beside(bound: Bound) -> list[Bound]:
    """The mark after a word that says the same: "(possible ✅)"."""
    piece, found, case, pair = bound
    mark = "✅" if found.quantity == "comparison" else "❌"
    after = piece.text[found.end : found.end + 4]
    if mark not in after:
        return []
    place = found.end + after.index(mark)
    return [(piece, msgspec.structs.replace(found, start=place, end=place + 1), case, pair)]


def heading_pair(piece: Piece, names: Names) -> list[Bound]:
    """ "Comparison 1: data balance (possible)", whose cases stand below it."""
    match = _answer(piece.text) if QUESTION.search(small(piece.text)) else None
    if match is None or not question_of(piece.text):
        return []
    cases = _cases(piece.text, names)
    for below in piece.section.pieces[1:]:
        cases += [case for case in _cases(below.text, names) if case not in cases]
    found = _bound(piece, match, cases[:2], question_of(piece.text))
    return [found, *_mark_beside(found)] if found else []


def line_pairs(piece: Piece, names: Names, place: tuple[int, str]) -> list[Bound]:
    """The comparison that a sentence, at `place` of its line, claims possible or not."""
    start, text = place
    if not AGAINST.search(small(text)):
        return []
    cases = _cases(text, names)
    match = _answer(text) if len(cases) == 2 else None
    if match is None:
        return []
    found = _bound(piece, match, cases, question_of(text))
    return [
        (
            piece,
            msgspec.structs.replace(one, start=one.start + start, end=one.end + start),
            case,
            pair,
        )
        for _, one, case, pair in ([found, *_mark_beside(found)] if found else [])
    ]


def better_claims(
    piece: Piece,
    case: tuple[str, str | None] | None,
    others: Sequence[str],
    names: Names | None = None,
) -> list[Bound]:
    """ "Best" of a table's row, "better than" of a sentence: a run held above others.

    `others`: all runs that the document names. Without `names` the text is a cell of `case`.
    """
    if names is None:
        match = BEST_CELL.fullmatch(piece.text.replace("✅", "").replace("⭐", ""))
        place = piece.text.find(match["best"]) if match and case else -1
        if match is None or case is None or place < 0:
            return []
        return [_above(piece, place, match["best"], case[1] or case[0], others)]
    lowered = small(piece.text)
    found, best = BETTER.search(lowered), BEST.search(lowered)
    if (not found and not best) or NO_CLAIM.search(piece.text):
        return []
    cases = _cases(piece.text, names)
    match = best or found
    assert match is not None
    if best and not cases and case:
        cases = [case[1] or case[0]]
    if found and not best and LESS.search(found[0]):
        cases.reverse()
    than = re.search(r"보다", piece.text)
    if than and len(cases) == 2 and not best and _first_is_less(piece.text, names, than.start()):
        cases.reverse()
    if not cases or (len(cases) != 2 and not best):
        return []
    against = cases[1:] if len(cases) == 2 else others
    return [_above(piece, match.start(), match[0], cases[0], against)]


def _first_is_less(text: str, names: Names, than: int) -> bool:
    """Whether the run before "보다" is the first that is named."""
    found = names.mentions(text)
    return sum(start < than for start, _, _, _ in found) == 1


def _above(piece: Piece, place: int, word: str, case: str, others: Sequence[str]) -> Bound:
    found = Found(place, place + len(word), "better")
    return piece, found, (case, case), (case, *(name for name in others if name != case))


def arms_of(claim_pair: tuple[str, ...]) -> tuple[str, ...]:
    """The cases of a comparison's claim, without its question."""
    return tuple(part for part in claim_pair if not part.startswith("?"))


def question_asked(claim_pair: tuple[str, ...]) -> str | None:
    """The factor that a comparison's claim asks about."""
    return next((part[1:] for part in claim_pair if part.startswith("?")), None)


def _row_pair(head: list[str], row: list[Piece], answer: int, names: Names) -> Bound | None:
    cell = row[answer]
    match = _cell_says(cell.text) or _answer(cell.text)
    if match is None:
        return None
    others = [piece for n, piece in enumerate(row) if n != answer]
    cases = list(dict.fromkeys(case for piece in others for case in _cases(piece.text, names)))
    if "case a" in head and "case b" in head:  # an arm may be called by its weights
        arms = [row[head.index(arm)].text for arm in ("case a", "case b")]
        cases = [next(iter(_cases(text, names)), clean(text)) for text in arms]
    factor = next((one for piece in others if (one := question_of(piece.text))), None)
    return _bound(cell, match, cases, factor)


def _bound(
    piece: Piece, match: re.Match[str], cases: list[str], question: str | None
) -> Bound | None:
    if len(cases) != 2:
        return None
    no = match.groupdict().get("no") is not None or NOT_POSSIBLE.search(match[0])
    found = Found(match.start(), match.end(), "no_comparison" if no else "comparison")
    pair = (*cases, *([f"?{question}"] if question else []))
    return piece, found, (f"{cases[0]} vs {cases[1]}", None), pair


def _answer(text: str) -> re.Match[str] | None:
    plain = text.strip()
    return NO_PAIR.search(plain and text) or NOT_POSSIBLE.search(text) or POSSIBLE.search(text)


def _cases(text: str, names: Names) -> list[str]:
    return list(dict.fromkeys(name or alias for _, _, alias, name in names.mentions(text)))


def question_of(text: str) -> str | None:
    """The factor that a comparison asks about."""
    return next((name for name, said in QUESTIONS if re.search(said, text, re.IGNORECASE)), None)
