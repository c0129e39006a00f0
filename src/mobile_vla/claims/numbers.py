"""One lexer for what a page writes in digits: numbers with units, fractions, dates and times."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

MONTHS = {name.lower(): index for names in (calendar.month_name, calendar.month_abbr)
          for index, name in enumerate(names) if name}  # fmt: skip
NUMBER = re.compile(
    r"(?P<sign>[-−–+±]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exp>[-+−]?\d{1,3})(?!\w)|\s?[×x*]\s?10(?:\^|\*\*)?(?P<power>[-−⁻]?[\d⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))?"
)
APPROXIMATE = re.compile(r"(?:[~≈∼]|about|around|approx\.?|roughly|약|대략)\s?", re.IGNORECASE)
FRACTION = re.compile(
    r"(?P<part>\d{1,9})\s?(?:/|out of|of)\s?(?P<total>\d{1,9})(?![\d./])"
    r"|(?P<total_ko>\d{1,9})\s?(?:회|번|개|건|편)?\s?중(?:에서|에)?\s?(?P<part_ko>\d{1,9})\s?(?:회|번|개|건|편)?"
)
TIME = r"(?:[ T,]{1,2}(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?)?"
DATES = [re.compile(pattern) for pattern in (
    r"(?P<year>20\d\d)([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d)" + TIME,
    r"(?:(?P<year>20\d\d)년\s?)?(?P<month>\d{1,2})월\s?(?P<day>\d{1,2})일" + TIME,
    r"(?P<month>[01]\d)[-/](?P<day>[0-3]\d)(?![\d/-])" + TIME,
    r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\s(?P<name>[A-Z][a-z]{2,8})\.?,?(?:\s(?P<year>20\d\d))?(?!\w)",
)]  # fmt: skip
NAMED_DATE = re.compile(
    r"(?P<name>[A-Z][a-z]{2,8})\.?\s(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\w)(?:,?\s(?P<year>20\d\d))?"
)
BARE_DATE = re.compile(r"(?P<year>20(?:1[5-9]|2\d|3[0-5]))(?P<month>[01]\d)(?P<day>[0-3]\d)(?!\d)")
"""Eight digits that are a day of 2015 to 2035; with a unit after them they are a number."""
WORDS = {word: value for value, word in enumerate(
    ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 2
)}  # fmt: skip
WORD = re.compile(rf"(?:{'|'.join(WORDS)})(?![\w-])", re.IGNORECASE)
CLOCK = re.compile(
    r"(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d)(?::[0-5]\d)?(?![\d:])|시\s?(?P<minute_ko>[0-5]?\d)분)"
)
SECOND_UNIT = re.compile(
    r"\s?(\d+(?:\.\d+)?)\s?(m|min|mins|minutes|s|sec|seconds|분|초)(?![A-Za-z])"
)
SUPERSCRIPT = str.maketrans("⁻−⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
Units = Mapping[str, Mapping[str, float]]
"""Worth of each unit in the base unit, by kind: "count", "size", "duration", "share", "length"."""
UnitAt = Callable[[str, int], tuple[str, int]]


class Number(NamedTuple):
    """A number of a text. `start` and `end` hold its unit.

    `base` and `step` are without the unit; `step` is the worth of the last written digit.
    `total` of a fraction ("19 of 20"). `date`: ISO, without the year where the page gives none
    ("12-03"), with "T22:56" where it gives a time. `seconds` of "3h 20m".
    """

    start: int
    end: int
    base: float = 0.0
    step: float = 0.0
    unit: str = ""
    approximate: bool = False
    total: float | None = None
    date: str = ""
    seconds: float | None = None

    def in_kind(self, kind: str, units: Units) -> tuple[float, float] | None:
        """Value and step in the base unit of a kind; None where the unit is of another kind."""
        if kind == "duration" and self.seconds is not None:
            return self.seconds, self.step
        if not self.unit:
            return None if kind in ("size", "duration") else (self.base, self.step)
        worth = units.get(kind, {}).get(self.unit)
        return None if worth is None else (self.base * worth, self.step * worth)


def read_number(
    text: str, at: int, unit_at: UnitAt, durations: Mapping[str, float]
) -> Number | None:
    """The number, fraction or date that begins at a character of a text, None where none does.

    `unit_at(text, place)`: the unit that stands at a place and where it ends.

    >>> read_number("2.3e-4", 0, lambda text, at: ("", at), {}).base
    0.00023
    """
    mark = APPROXIMATE.match(text, at)
    start = mark.end() if mark else at
    number = _date(text, start, unit_at) or _fraction(text, start)
    if number is None:
        match = NUMBER.match(text, start)
        word = WORD.match(text, start) if match is None else None
        if word is not None:
            match, number = word, Number(start, word.end(), float(WORDS[word[0].lower()]), 1.0)
        elif match is None or text.startswith("_", match.end()):
            return None
        else:
            number = _plain(match)
        unit, end = unit_at(text, match.end())
        number = _with_second_unit(text, number._replace(unit=unit, end=end), durations)
    finite = math.isfinite(number.base)
    return number._replace(start=at, approximate=bool(mark)) if finite else None


def _plain(match: re.Match[str]) -> Number:
    digits = match["digits"].replace(",", "")
    power = int((match["exp"] or match["power"] or "0").translate(SUPERSCRIPT))
    decimals = len(digits.partition(".")[2])
    sign = -1.0 if match["sign"] in ("-", "−", "–") else 1.0
    base, step = sign * float(f"{digits}e{power}"), float(f"1e{power - decimals}")
    return Number(match.start(), match.end(), base, step)


def _fraction(text: str, at: int) -> Number | None:
    match = FRACTION.match(text, at)
    if match is None:
        return None
    part = float(match["part"] or match["part_ko"])
    total = float(match["total"] or match["total_ko"])
    return Number(at, match.end(), part, total=total) if 0 < total >= part else None


def _with_second_unit(text: str, number: Number, durations: Mapping[str, float]) -> Number:
    """ "3h 20m" as one duration."""
    worth = durations.get(number.unit, 0.0)
    match = SECOND_UNIT.match(text, number.end) if worth >= 60 else None
    if match is None:
        return number
    step = durations[match[2]]
    seconds = number.base * worth + float(match[1]) * step
    return number._replace(end=match.end(), seconds=seconds, step=step)


def _date(text: str, at: int, unit_at: UnitAt) -> Number | None:
    for pattern in DATES if text[at : at + 1].isdigit() else [NAMED_DATE]:
        if (match := pattern.match(text, at)) and (day := _iso(match)):
            return Number(at, match.end(), date=day)
    if (match := BARE_DATE.match(text, at)) and not unit_at(text, match.end())[0]:
        return Number(at, match.end(), date=day) if (day := _iso(match)) else None
    if (match := CLOCK.match(text, at)) is not None:
        minute = int(match["minute"] or match["minute_ko"])
        return Number(at, match.end(), date=f"T{int(match['hour']):02d}:{minute:02d}")
    return None


def _iso(match: re.Match[str]) -> str:
    """ISO date of a match, "" where there is no such day."""
    parts = match.groupdict()
    month = MONTHS.get((parts.get("name") or "").lower()) or int(parts.get("month") or 0)
    year = parts.get("year")
    try:
        day = date(int(year or 2000), month, int(parts["day"])).isoformat()
    except ValueError:
        return ""
    clock = f"T{int(parts['hour']):02d}:{parts['minute']}" if parts.get("hour") else ""
    return (day if year else day[5:]) + clock
