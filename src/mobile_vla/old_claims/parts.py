"""A document in parts that can be read one without the other."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

from mobile_vla.old_claims.source import Document


class Part(NamedTuple):
    """A stretch of a document that begins with a heading: which of its pieces and tables."""

    pieces: range
    tables: range


def parts_of(document: Document, count: int) -> list[Part]:
    """A document in so many parts of about one size; fewer where it has fewer headings."""
    total = len(document.pieces)
    heads = [n for n, piece in enumerate(document.pieces) if piece.kind == "heading" and n]
    wanted = [total * n // count for n in range(1, count)] if heads else []
    cuts = [0, *sorted({min(heads, key=lambda head: abs(head - place)) for place in wanted})]
    firsts = [rows[0][0].start if rows and rows[0] else 0 for rows in document.tables]
    tables = [bisect_left(firsts, document.pieces[cut].start) if cut else 0 for cut in cuts]
    pieces, spans = pairwise([*cuts, total]), pairwise([*tables, len(document.tables)])
    return [Part(range(*one), range(*two)) for one, two in zip(pieces, spans, strict=True)]
