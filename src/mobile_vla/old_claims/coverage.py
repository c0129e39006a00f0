"""What an audit did not read: every line with a number that gave no claim."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mobile_vla.old_claims.around import HIDDEN, PATHS
from mobile_vla.old_claims.model import Claim, Unread
from mobile_vla.old_claims.naming import Names
from mobile_vla.old_claims.scan import has_number
from mobile_vla.old_claims.source import Document, Piece
from mobile_vla.old_claims.texts import masked
from mobile_vla.old_claims.tokens import small

DAY = re.compile(r"20\d{2}[-./]\d{1,2}[-./]\d{1,2}(?:[ t,(]*\d{1,2}:\d{2})?")
HEADED = re.compile(r"^#+\s*(?:[\d.]+[.)]?\s)?")
"""A heading's marks and its own number."""


def coverage(
    document: Document, names: Names, claims: Sequence[Claim], told: Sequence[Unread]
) -> list[Unread]:
    """The lines told as not read, each once, with those of which nothing was said at all.

    Days, paths, links, versions and names of runs are no numbers in this.
    """
    seen = {claim.line for claim in claims} | {line.line for line in told}
    found = {(line.line, line.text): line for line in told}
    for piece in document.pieces:
        if piece.row == -1 and piece.kind == "cell":
            continue  # a head says what stands below it
        line = document.line_of(piece.start)
        if line not in seen and has_number(piece.text) and _counts(piece, names):
            text = piece.text.strip()[:200]
            found[line, text] = Unread(line=line, text=text)
    return sorted(found.values(), key=lambda unread: unread.line)


def _counts(piece: Piece, names: Names) -> bool:
    """Whether a piece has a number in which more than a day, a place or a name is told."""
    text = masked(piece.text, names.mentions(piece.text))
    if piece.kind == "heading":
        text = HEADED.sub("", text)
    if not has_number(text):
        return False
    text = small(text)
    for pattern in (DAY, PATHS, *(pattern for sign, pattern in HIDDEN if sign != ":")):
        text = pattern.sub(" ", text)
    return has_number(text)
