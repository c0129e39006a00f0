"""Numbers, units, sizes and durations for people; the same in every sentence, table and page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Language = Literal["en", "ko"]
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
LANGUAGES: tuple[Language, ...] = ("en", "ko")
UNITS: dict[str, str] = {"1": "", "": "", "ratio": "", "share": ""}
"""Units that are not shown."""


def pick(pair: tuple[str, str], language: Language) -> str:
    """The text of a pair (English, Korean) in one language."""
    return pair[LANGUAGES.index(language)]


def number(value: float | None, unit: str = "1", digits: int = 3, *, signed: bool = False) -> str:
    """A number with its unit: three significant digits, no unit for "1", a dash for None.

    >>> number(0.12345, "m/s"), number(None), number(0.5, signed=True)
    ('0.123 m/s', '–', '+0.5')
    """
    if value is None:
        return "–"
    unit = UNITS.get(unit, unit)
    return f"{plain(value, digits, signed=signed)}{' ' + unit if unit else ''}"


def plain(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """A number to so many significant digits, never in exponents between 1e-4 and 1e6."""
    text = f"{value:+.{digits}g}" if signed else f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e6:
        text = f"{value:+.0f}" if signed else f"{value:.0f}"
    return text


def size(count: int) -> str:
    """Bytes in decimal units, as disks are sold.

    >>> size(6_900_000_000)
    '6.9 GB'
    """
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{plain(amount)} {units[0]}"


def duration(seconds: float, language: Language) -> str:
    """Seconds for people.

    >>> duration(40, "en"), duration(720, "en"), duration(11520, "ko")
    ('40 s', '12 min', '3.2 시간')
    """
    for limit, divisor, unit in (
        (120.0, 1.0, ("s", "초")),
        (7200.0, 60.0, ("min", "분")),
        (float("inf"), 3600.0, ("h", "시간")),
    ):
        if seconds < limit:
            return f"{plain(seconds / divisor, 2)} {pick(unit, language)}"
    return f"{plain(seconds / 3600.0, 2)} {pick(('h', '시간'), language)}"


def listing(names: Iterable[str], language: Language) -> str:
    """Names in one phrase.

    >>> listing(["a", "b", "c"], "en"), listing(["a", "b"], "ko")
    ('a, b and c', 'a, b')
    """
    items = list(names)
    if language == "ko" or len(items) < 2:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def one_line(text: str) -> str:
    """Text without control characters and line breaks.

    >>> one_line("a\\tb\\x1b[31m")
    'a b [31m'
    """
    return CONTROLS.sub(" ", text)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending whole numbers as (first, last) of each unbroken run.

    >>> ranges([3, 4, 5, 9])
    [(3, 5), (9, 9)]
    """
    runs: list[tuple[int, int]] = []
    for value in numbers:
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
