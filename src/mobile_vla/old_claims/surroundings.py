"""What the headings and dates around a piece say of it: its run, whether it is a guess, when."""

from __future__ import annotations

import re

from mobile_vla.old_claims.naming import Names
from mobile_vla.old_claims.source import Document, Piece, Section
from mobile_vla.old_claims.tokens import small
from mobile_vla.old_claims.words import GUESS_HEADING

Case = tuple[str, str | None]
QUOTING = re.compile(r"^#+ (What documents say wrongly|문서가 잘못 말하는 것)")
QUOTED = re.compile(r"\[.+ line \d+\]\([^)\s]+\): (`.+` → |.*cannot be read)")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
MONTH = f"(?:{'|'.join(MONTHS)})[a-z]*"
DAY = re.compile(
    r"(?P<y>20\d{2})[-./](?P<m>[01]?\d)[-./](?P<d>[0-3]?\d)(?!\d)"
    r"|(?:(?P<ky>20\d{2})년 ?)?(?<!\d)(?P<km>[01]?\d)월 ?(?P<kd>[0-3]?\d)일"
    r"|(?<!\d)(?P<sm>[01]\d)[-/](?P<sd>[0-3]\d)"
    r"(?:(?=[ t(]+\d?\d:\d\d)|(?<=^.....)(?=\s*(?:[:：)]|$)))"
    rf"|(?<!\d)(?P<ed>[0-3]?\d)(?:st|nd|rd|th)? (?P<em>{MONTH})\.?(?:,? (?P<ey>20\d{{2}}))?"
    rf"|(?P<am>{MONTH})\.? (?P<ad>[0-3]?\d)(?:st|nd|rd|th)?(?!\d)(?:,? (?P<ay>20\d{{2}}))?"
)
"""In small letters: a day; without its year where a clock follows it or it begins the text."""
CLOCK = re.compile(r"(?<![\d:-])(?P<h>[01]?\d|2[0-3])(?::|시 ?)(?P<m>[0-5]\d)(?![\d:])")
DATED = re.compile(
    r"작성|갱신|수정|날짜|기준|보낸|date|written|updated|edited|as of|status on|^\W*\w*day\b",
    re.IGNORECASE,
)
"""What stands in a line that says when a page was written."""
SENT = re.compile(r"(?:씀|작성|wrote|writes|said)\W*$", re.IGNORECASE)
"""The end of a line that says who wrote the quotation below it, and when."""


class Surroundings:
    """The surroundings of a document's pieces; each heading is read once."""

    def __init__(self, document: Document, names: Names) -> None:
        self.names = names
        self.sections: dict[int, Case | None] = {}
        self.guesses: dict[int, bool] = {}
        self.days: dict[int, str | None] = {}
        self.quoted: tuple[Section | None, bool] = (None, False)
        self.sent: tuple[Section | None, str | None] = (None, None)
        self.written = self._written(document)

    def case(self, section: Section) -> Case | None:
        """The run that a heading above names."""
        if id(section) not in self.sections:
            self.sections[id(section)] = self.names.of_section(section)
        return self.sections[id(section)]

    def quotes(self, piece: Piece) -> bool:
        """Whether a line of a report's list says what another document says wrongly."""
        if piece.section is not self.quoted[0]:
            self.quoted = (piece.section, bool(QUOTING.search(piece.section.title)))
        return self.quoted[1] and bool(QUOTED.match(piece.text))

    def guess(self, section: Section | None) -> bool:
        """Whether a heading above says that what follows is expected, proposed or supposed."""
        if section is None:
            return False
        if id(section) not in self.guesses:
            self.guesses[id(section)] = bool(
                GUESS_HEADING.search(small(section.title))
            ) or self.guess(section.parent)
        return self.guesses[id(section)]

    def hears(self, piece: Piece) -> None:
        """Note a line that says when the quotation below it was written."""
        if SENT.search(piece.text[-16:]) and (moment := self._moment(piece.text)):
            self.sent = (piece.section, moment)

    def time(self, piece: Piece) -> str | None:
        """When a piece was written: by its own words, its quotation's, its headings', the page's.

        A day alone is its first minute: the earliest that it can have been.
        """
        sent = self.sent[1] if self.sent[0] is piece.section else None
        around = sent or self._day(piece.section) or self.written
        text = "" if piece.kind == "cell" else piece.text
        own = self._moment(text, around or "")
        clock = CLOCK.search(text[:24]) if own is None and around and text else None
        if clock and around and clock.start() < 4:
            own = f"{around[:10]} {int(clock['h']):02d}:{clock['m']}"
        return own or around

    def _day(self, section: Section | None) -> str | None:
        if section is None:
            return None
        if id(section) not in self.days:
            self.days[id(section)] = self._moment(section.title) or self._day(section.parent)
        return self.days[id(section)]

    def _written(self, document: Document) -> str | None:
        for piece in document.pieces[:40]:
            dated = piece.kind != "heading" and DATED.search(piece.text)
            if dated and (moment := self._moment(piece.text)):
                return moment
        return None

    def _moment(self, text: str, around: str = "") -> str | None:
        """The day, and the minute where it is told; the year is that around where it has none."""
        lowered = small(text)
        for match in DAY.finditer(lowered):
            told = {key[-1]: value for key, value in match.groupdict().items() if value}
            name = told["m"][:3]
            month = MONTHS.index(name) + 1 if name in MONTHS else int(told["m"])
            year, day = told.get("y") or around[:4], int(told["d"])
            if year and 1 <= month <= 12 and 1 <= day <= 31:
                clock = CLOCK.search(lowered, match.end())
                minute = f"{int(clock['h']):02d}:{clock['m']}" if clock else "00:00"
                return f"{year}-{month:02d}-{day:02d} {minute}"
        return None
