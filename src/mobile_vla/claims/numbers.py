"""One lexer for what a page writes in digits: numbers with units, fractions, dates and times."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

MONTHS = {name.lower(): index for names in (calendar.month_name, calendar.month_abbr)
          for index, name in enumerate(names) if name}  # fmt: skip
PLAIN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:\.\d+)?|\.\d+"
NUMBER = re.compile(
    rf"(?P<sign>[-−–+±]?)(?P<digits>{PLAIN})"
    r"(?:[eE](?P<exp>[-+−]?\d{1,3})(?!\w)|\s?[×x*]\s?10(?:\^|\*\*)?(?P<power>[-−⁻]?[\d⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))?"
)
APPROXIMATE = re.compile(r"(?:[~≈∼]|about|around|approx\.?|roughly|약|대략)\s?", re.IGNORECASE)
APPROXIMATE_WORDS = frozenset({"about", "around", "roughly", "approx"})
FRACTION = re.compile(
    r"(?P<part>\d{1,9})\s?(?:/|out of|of)\s?(?P<total>\d{1,9})(?![\d./])"
    r"|(?P<total_ko>\d{1,9})\s?(?:회|번|개|건|편)?\s?중(?:에서|에)?\s?(?P<part_ko>\d{1,9})\s?(?:회|번|개|건|편)?"
)
TIME = r"(?:[ T,]{1,2}(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?)?"
DATES = (
    re.compile(r"(?P<year>20\d\d)([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d)" + TIME),
    re.compile(r"(?P<year>20\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)(?!\d)"),
    re.compile(r"(?:(?P<year>20\d\d)년\s?)?(?P<month>\d{1,2})월\s?(?P<day>\d{1,2})일" + TIME),
    re.compile(r"(?P<month>[01]\d)[-/](?P<day>[0-3]\d)(?![\d/-])" + TIME),
    re.compile(
        r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\s(?P<name>[A-Z][a-z]{2,8})\.?,?(?:\s(?P<year>20\d\d))?(?!\w)"
    ),
)
NAMED_DATE = re.compile(
    r"(?P<name>[A-Z][a-z]{2,8})\.?\s(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\w)(?:,?\s(?P<year>20\d\d))?"
)
CLOCK = re.compile(
    r"(?P<hour>[01]?\d|2[0-3])(?::(?P<minute>[0-5]\d)(?::[0-5]\d)?(?![\d:])|시\s?(?P<minute_ko>[0-5]?\d)분)"
)
MORE_TIME = re.compile(r"\s?(\d+(?:\.\d+)?)\s?(m|min|mins|minutes|s|sec|seconds|분|초)(?![A-Za-z])")
SUPERSCRIPT = str.maketrans("⁻−⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
Units = Mapping[str, Mapping[str, float]]
"""Worth of each unit in the base unit, by kind: "count", "size", "duration", "share", "length"."""


class Number(NamedTuple):
    """A number of a text. `start` and `end` hold its unit; `digits_end` is where the digits end.

    `base` and `step` are without the unit; `step` is the worth of the last written digit.
    `total` of a fraction ("19 of 20"). `date`: ISO, without the year where the page gives none
    ("12-03"), with "T22:56" where it gives a time.
    """

    start: int
    end: int
    digits_end: int
    base: float
    step: float
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
    text: str, at: int, unit_of: Callable[[str, int], tuple[str, int]]
) -> Number | None:
    """The number, fraction or date that begins at a character of a text, None where none does.

    `unit_of(text, place)`: the unit that stands at a place and where it ends.

    >>> read_number("2.3e-4", 0, lambda text, at: ("", at)).base
    0.00023
    """
    mark = APPROXIMATE.match(text, at)
    start = mark.end() if mark else at
    if (date := _date(text, start)) is not None:
        return date._replace(start=at, approximate=bool(mark))
    if fraction := FRACTION.match(text, start):
        part = float(fraction["part"] or fraction["part_ko"])
        total = float(fraction["total"] or fraction["total_ko"])
        if 0 < total >= part:
            return Number(at, fraction.end(), fraction.end(), part, 0.0, total=total)
    match = NUMBER.match(text, start)
    if match is None or (match.end() < len(text) and text[match.end()] == "_"):
        return None
    number = _plain(match)
    unit, end = unit_of(text, match.end())
    number = number._replace(start=at, unit=unit, end=end, approximate=bool(mark))
    return (
        _with_more_time(text, number)
        if unit in ("h", "hr", "hours", "시간", "min", "분", "m")
        else number
    )


def digits_of(value: str) -> tuple[float, float] | None:
    """Value and step of digits alone ("0.013": 0.013, 0.001), None where it is no number."""
    match = NUMBER.fullmatch(value.strip())
    return None if match is None else (_plain(match).base, _plain(match).step)


def _plain(match: re.Match[str]) -> Number:
    digits = match["digits"].replace(",", "")
    power = int((match["exp"] or match["power"] or "0").translate(SUPERSCRIPT))
    decimals = len(digits.partition(".")[2])
    sign = -1.0 if match["sign"] in ("-", "−", "–") and match["sign"] else 1.0
    base = sign * float(f"{digits}e{power}")
    step = float(f"1e{power - decimals}")
    return Number(match.start(), match.end(), match.end(), base, step)


def _with_more_time(text: str, number: Number) -> Number:
    """ "3h 20m" as one duration."""
    parts = {"h": 3600.0, "hr": 3600.0, "hours": 3600.0, "시간": 3600.0}
    more = MORE_TIME.match(text, number.end)
    if more is None:
        return number
    small = 60.0 if more[2][0] in "m분" else 1.0
    seconds = number.base * parts.get(number.unit, 60.0) + float(more[1]) * small
    return number._replace(end=more.end(), digits_end=more.end(), seconds=seconds, step=small)


def _date(text: str, at: int) -> Number | None:
    for pattern in DATES:
        if (match := pattern.match(text, at)) is not None and (date := _iso(match)):
            return Number(at, match.end(), match.end(), 0.0, 0.0, date=date)
    if (clock := CLOCK.match(text, at)) is not None:
        minute = clock["minute"] or clock["minute_ko"]
        date = f"T{int(clock['hour']):02d}:{int(minute):02d}"
        return Number(at, clock.end(), clock.end(), 0.0, 0.0, date=date)
    return None


def named_date(text: str, at: int) -> Number | None:
    """A date that begins with the month's name: "Dec 3, 2025"."""
    match = NAMED_DATE.match(text, at)
    date = _iso(match) if match else ""
    return Number(at, match.end(), match.end(), 0.0, 0.0, date=date) if match and date else None


def _iso(match: re.Match[str]) -> str:
    """ISO date of a match, "" where there is no such day."""
    parts = match.groupdict()
    month = MONTHS.get((parts.get("name") or "").lower()) or int(parts.get("month") or 0)
    day = int(parts["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    year = f"{parts['year']}-" if parts.get("year") else ""
    clock = f"T{int(parts['hour']):02d}:{parts['minute']}" if parts.get("hour") else ""
    return f"{year}{month:02d}-{day:02d}{clock}"
