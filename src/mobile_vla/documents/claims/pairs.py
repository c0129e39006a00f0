"""Claims that two cases can or cannot be compared: in tables, sentences and headings."""

from __future__ import annotations

import re

from mobile_vla.documents.claims.naming import Names
from mobile_vla.documents.claims.scan import Found
from mobile_vla.documents.claims.source import Piece
from mobile_vla.documents.claims.words import NOT_POSSIBLE, POSSIBLE, clean, question_of

Bound = tuple[Piece, Found, tuple[str, str | None] | None, tuple[str, ...]]
AGAINST = re.compile(
    r"\bvs\.?(?=\W)|\bagainst\b|\bcompared? (?:with|to)\b|와 비교|비교", re.IGNORECASE
)
QUESTION = re.compile(r"비교|comparison|question|질문", re.IGNORECASE)
ANSWER = re.compile(r"가능|possible|verdict|판정|comparable", re.IGNORECASE)
NO_PAIR = re.compile(r"no comparison|비교 ?불가", re.IGNORECASE)


def pair_claims(rows: list[list[Piece]], names: Names) -> list[Bound]:
    """The comparisons that a table or a line claims possible or not; empty where it claims none."""
    if len(rows) == 1 and len(rows[0]) == 1:
        found = _line_pair(rows[0][0], names)
        return [found] if found else []
    head = [clean(cell.text).lower() for cell in rows[0]] if rows else []
    if "case a" not in head or "case b" not in head:
        return []
    answer = next((n for n, text in enumerate(head) if ANSWER.search(text)), None)
    asked = next((n for n, text in enumerate(head) if QUESTION.search(text)), None)
    if answer is None:
        return []
    a, b = head.index("case a"), head.index("case b")
    return [
        bound
        for row in rows[1:]
        if len(row) > max(a, b, answer)
        and (bound := _row_pair(row, (a, b), answer, asked, names)) is not None
    ]


def heading_pair(piece: Piece, names: Names) -> Bound | None:
    """ "Comparison 1: data balance (possible)", whose cases stand below it."""
    match = _answer(piece.text)
    if match is None or not QUESTION.search(piece.text) or not question_of(piece.text):
        return None
    cases = _cases(piece.text, names)
    for below in piece.section.pieces[1:]:
        cases += [case for case in _cases(below.text, names) if case not in cases]
    return _bound(piece, match, cases[:2], question_of(piece.text))


def arms_of(claim_pair: tuple[str, ...]) -> tuple[str, ...]:
    """The cases of a comparison's claim, without its question."""
    return tuple(part for part in claim_pair if not part.startswith("?"))


def question_asked(claim_pair: tuple[str, ...]) -> str | None:
    """The factor that a comparison's claim asks about."""
    return next((part[1:] for part in claim_pair if part.startswith("?")), None)


def _line_pair(piece: Piece, names: Names) -> Bound | None:
    if not AGAINST.search(piece.text):
        return None
    cases = _cases(piece.text, names)
    match = _answer(piece.text)
    if len(cases) != 2 or match is None:
        return None
    return _bound(piece, match, cases, question_of(piece.text))


def _row_pair(
    row: list[Piece], arms: tuple[int, int], answer: int, asked: int | None, names: Names
) -> Bound | None:
    match = _answer(row[answer].text)
    if match is None:
        return None
    cases = [next(iter(_cases(row[place].text, names)), clean(row[place].text)) for place in arms]
    question = question_of(row[asked].text) if asked is not None else None
    return _bound(row[answer], match, cases, question)


def _bound(
    piece: Piece, match: re.Match[str], cases: list[str], question: str | None
) -> Bound | None:
    if len(cases) != 2:
        return None
    said = "comparison" if not NOT_POSSIBLE.search(match[0]) else "no_comparison"
    found = Found(match.start(), match.end(), said)
    pair = (*cases, *([f"?{question}"] if question else []))
    return piece, found, (f"{cases[0]} vs {cases[1]}", None), pair


def _answer(text: str) -> re.Match[str] | None:
    plain = text.strip()
    return NO_PAIR.search(plain and text) or NOT_POSSIBLE.search(text) or POSSIBLE.search(text)


def _cases(text: str, names: Names) -> list[str]:
    return list(dict.fromkeys(name or alias for _, _, alias, name in names.mentions(text)))
