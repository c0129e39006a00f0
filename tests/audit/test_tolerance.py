"""Whether a claimed number is the evidence's: properties."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from made_claims import claim, known
from mobile_vla.audit.judge.tolerance import agreement, significant_digits
from mobile_vla.evidence.fact_table import digit_worth

VALUES = st.floats(1e-6, 1e6, allow_nan=False)


@given(VALUES, st.integers(1, 6))
def test_a_measured_value_rounded_to_any_digits_agrees(value, digits):
    text = f"{value:.{digits - 1}e}"
    assert agreement(claim("val_loss", text), known("val_loss", value)) == "agrees"


@given(VALUES, st.integers(2, 6), st.sampled_from([-1, 1]))
def test_a_last_digit_that_is_two_off_differs(value, digits, sign):
    text = f"{value:.{digits - 1}e}"
    step = 10.0 ** (int(text.partition("e")[2]) - digits + 1)
    wrong = claim("val_loss", text, number=float(text) + 2 * sign * step, step=step)
    assert agreement(wrong, known("val_loss", value)) == "differs"


@given(st.floats(1e-6, 99.0))
def test_more_digits_than_the_file_has_are_never_contradicted(value):
    printed = float(f"{value:.3g}")
    finer = claim("val_loss", f"{value:.9e}")
    answer = agreement(finer, known("val_loss", printed, step=digit_worth(printed)))
    assert answer in ("agrees", "finer")


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_count_or_a_setting_is_exact(written, held):
    for quantity in ("episodes", "batch"):
        answer = agreement(claim(quantity, str(written)), known(quantity, held))
        assert answer == ("agrees" if written == held else "differs")


@given(st.integers(1, 9), st.integers(-6, 3))
def test_a_setting_of_one_digit_is_no_rounding_of_another(digit, exponent):
    value = float(f"{digit}.4e{exponent}")
    assert (
        agreement(claim("learning_rate", f"{digit}e{exponent}"), known("learning_rate", value))
        == "differs"
    )


@given(VALUES)
def test_nothing_agrees_with_a_word_or_with_nan(value):
    one = claim("val_loss", f"{value:.3e}")
    assert agreement(one, known("val_loss", "high")) == "differs"
    assert agreement(one, known("val_loss", math.nan)) == "differs"


@given(VALUES)
def test_at_most_and_at_least_hold_on_their_sides(value):
    fact = known("val_loss", value)
    assert agreement(claim("val_loss", "1e7", comparator="at_most"), fact) == "agrees"
    assert agreement(claim("val_loss", "1e7", comparator="at_least"), fact) == "differs"


@given(VALUES)
def test_digits_of_a_number(value):
    assert float(f"{value:.{significant_digits(value) - 1}e}") == value
