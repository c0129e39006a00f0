"""Numbers, units, fractions and dates as pages write them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mobile_vla.claims.lexer import Names
from mobile_vla.claims.lexicon import standard
from mobile_vla.claims.numbers import Number

LEXICON = standard()


def number(text: str) -> Number:
    (item,) = [item for item in LEXICON.lex(text, Names()) if item.number is not None]
    assert item.number is not None
    return item.number


@pytest.mark.parametrize(
    ("text", "kind", "value", "step"),
    [
        ("1,234 steps", "count", 1234, 1),
        ("55.83M params", "count", 55.83e6, 1e4),
        ("1.2k", "count", 1200, 100),
        ("50만", "count", 500_000, 10_000),
        ("3억", "count", 3e8, 1e8),
        ("2.3e-4", "number", 2.3e-4, 1e-5),
        ("1 × 10^-4", "number", 1e-4, 1e-4),
        ("−0.5", "number", -0.5, 0.1),
        ("6.9 GB", "size", 6.9e9, 1e8),
        ("2 GiB", "size", 2 * 2**30, 2**30),
        ("25분", "duration", 1500, 60),
        ("3시간 20분", "duration", 12_000, 60),
        ("3h 20m", "duration", 12_000, 60),
        ("85%", "share", 0.85, 0.01),
        ("85 퍼센트", "share", 0.85, 0.01),
    ],
)
def test_a_number_with_its_unit(text: str, kind: str, value: float, step: float) -> None:
    measured = number(text).in_kind(kind, LEXICON.units)
    assert measured == pytest.approx((value, step))


@pytest.mark.parametrize("text", ["19 of 20", "19/20", "20회 중 19회", "19 out of 20"])
def test_a_fraction(text: str) -> None:
    assert (number(text).base, number(text).total) == (19, 20)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-05-03", "2026-05-03"),
        ("2026/5/3", "2026-05-03"),
        ("05-03", "05-03"),
        ("5월 3일", "05-03"),
        ("2026년 5월 3일", "2026-05-03"),
        ("May 3, 2026", "2026-05-03"),
        ("3 May 2026", "2026-05-03"),
        ("2026-05-03 22:56", "2026-05-03T22:56"),
        ("22시 56분", "T22:56"),
    ],
)
def test_a_date(text: str, date: str) -> None:
    assert number(text).date == date


@pytest.mark.parametrize("text", ["13-45", "2026-13-40", "2026-02-30", "20361201", "20251301"])
def test_no_such_day_is_no_date(text: str) -> None:
    assert not any(item.number and item.number.date for item in LEXICON.lex(text, Names()))


def test_a_number_inside_a_name_is_none() -> None:
    items = LEXICON.lex("kosmos2_right_only_20260503 x", Names())
    assert not any(item.number for item in items)


def is_a_day(digits: str) -> bool:
    try:
        return len(digits) == 8 and 2015 <= datetime.strptime(digits, "%Y%m%d").year <= 2035
    except ValueError:
        return False


@given(st.integers(0, 10**12) | st.integers(20150000, 20360000))
@example(20251201)
def test_thousands_separators_change_nothing_but_for_a_day(value: int) -> None:
    assert number(f"{value:,}").base == value
    plain = number(f" {value}")
    if is_a_day(str(value)):
        assert plain.date == datetime.strptime(str(value), "%Y%m%d").date().isoformat()
    else:
        assert (plain.base, plain.date) == (value, "")


def test_eight_digits_with_a_unit_are_no_day() -> None:
    size = number("20251201 bytes")
    assert (size.base, size.date) == (20251201, "")


@given(st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False))
def test_digits_come_back_with_the_step_of_the_last(value: object) -> None:
    read = number(f"{value}")
    assert read.base == pytest.approx(float(str(value)))
    assert read.step == pytest.approx(1e-4)


def test_a_mark_may_have_a_variation_selector() -> None:
    mark, word = LEXICON.lex("✔️ done", Names())
    assert (mark.kind, mark.text, word.text) == ("mark", "✔️", "done")


def test_an_elided_path_names_no_file() -> None:
    assert not any(item.kind == "path" for item in LEXICON.lex("...epoch_09.ckpt", Names()))


@given(st.text(max_size=60))
def test_items_stand_in_order_and_hold_their_text(text: str) -> None:
    place = 0
    for item in LEXICON.lex(text, Names(["Case 1", text])):
        assert place <= item.start < item.end <= len(text)
        assert item.text == text[item.start : item.end]
        place = item.end
