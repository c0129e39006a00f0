"""Where in a Markdown file markup would show as text, or break what stands there."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, Literal

from mobile_vla.old_claims.source import body_of

How = Literal["markup", "words", "not"]
"""How a value can be corrected at a place: struck through, in words alone, or not at all."""
Span = tuple[int, int]

TAG = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^>]*>", re.DOTALL | re.I
)


class Inside:
    """The code, HTML, mathematics, links and pictures of one file."""

    def __init__(self, data: bytes) -> None:
        self.words: list[Span] = []
        self.never: list[Span] = []
        self.links = 0
        self._read(data)
        self.words.sort()
        self.never = _outermost(self.never)

    def how(self, place: int) -> How:
        """How the value that begins at a byte can be corrected."""
        if _holds(self.words, place):
            return "words"
        return "not" if _holds(self.never, place) else "markup"

    def _read(self, data: bytes) -> None:
        import pyromark

        skip, text = body_of(data)
        options = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_MATH
        for event, at in pyromark.events_with_range(text, options=options):
            self._take(event, data, at["start"] + skip, at["end"] + skip)

    def _take(self, event: Any, data: bytes, start: int, end: int) -> None:
        if isinstance(event, str):
            return
        ((kind, what),) = event.items()
        name = what if isinstance(what, str) else next(iter(what))
        if kind == "Code" or (kind, name) == ("Start", "CodeBlock"):
            self.words.append((start, end))
        elif kind in ("InlineMath", "DisplayMath"):
            self.never.append((start, end))
        elif kind == "InlineHtml" or (kind, name) == ("Start", "HtmlBlock"):
            self._html(data, start, end, block=kind == "Start")
        elif kind in ("Start", "End") and name in ("Link", "Image"):
            self.links += 1 if kind == "Start" else -1
            self.never.append((start, end))
        elif kind == "Text" and self.links and data[start - 1 : start] != b"<":
            self.words.append((start, end))

    def _html(self, data: bytes, start: int, end: int, *, block: bool) -> None:
        """Comments and what stands between a block's tags take words; tags and programs nothing."""
        place = start
        for match in TAG.finditer(data, start, end):
            if block and match.start() > place:
                self.words.append((place, match.start()))
            comment = match[0].startswith(b"<!--")
            (self.words if comment else self.never).append(match.span())
            place = match.end()
        if block and end > place:
            self.words.append((place, end))


def _outermost(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans):
        if not found or span[0] >= found[-1][1]:
            found.append(span)
    return found


def _holds(spans: list[Span], place: int) -> bool:
    """Whether a place lies in one of spans that are sorted and apart."""
    number = bisect_right(spans, (place, 1 << 62)) - 1
    return number >= 0 and place < spans[number][1]
