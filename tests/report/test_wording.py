"""No sentence about a result says more than was measured, whatever it is given."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document_evidence import effect
from mobile_vla.analysis import wording
from mobile_vla.analysis.headline_metrics import Rate
from mobile_vla.analysis.model import Finding, Verdict
from mobile_vla.analysis.wording import FORBIDDEN
from mobile_vla.evidence.model import State
from mobile_vla.evidence.run_factors import DERIVED, IMPLIED
from mobile_vla.messages import formats
from mobile_vla.messages.catalogue import names
from mobile_vla.messages.formats import LANGUAGES
from mobile_vla.study import factors
from mobile_vla.study.models import Counts

FACTORS = [None, *names("factor"), "recipe.window", "something_new"]


def every_effect():
    for finding, metric, seeds, difference, low, p_adjusted in itertools.product(
        get_args(Finding), [*names("metric"), "mae_linear_x", "new_metric"], (1, 2, 5),
        (-0.2, 0.0, 0.3), (None, -0.5), (None, 0.01),
    ):  # fmt: skip
        high = None if low is None else 0.4
        yield effect(finding=finding, metric=metric, seeds=seeds, difference=difference,
                     low=low, high=high, p_adjusted=p_adjusted)  # fmt: skip


def result_sentences(language):
    for one in every_effect():
        yield wording.effect_sentence(one, "Case 1", "Case 3", language)
        yield wording.found_words(one, "Case 3", language)
        yield wording.findings_text([one, one], "Case 3", language)
    for verdict, factor in itertools.product(get_args(Verdict), FACTORS):
        confounds = ["data_amount", "optimiser_steps", "recipe.window"]
        yield wording.verdict_sentence(verdict, None, confounds, language)
        yield wording.verdict_sentence(verdict, "effect of data balance", confounds, language)
        yield wording.unattributed(factor, confounds, language)
        yield wording.separates(factor, confounds, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_holds_a_word_that_evidence_cannot_carry(language):
    sentences = list(result_sentences(language))
    assert len(sentences) > 2000
    assert [s for s in sentences if FORBIDDEN.search(s)] == []


@pytest.mark.parametrize(
    "word",
    ["better", "The best run", "It proves", "a trend", "significantly lower", "더 좋음", "우수함",
     "입증됨", "유의한 차이", "outperforms"],
)  # fmt: skip
def test_forbidden_words_are_recognised(word):
    assert FORBIDDEN.search(word)


def test_every_state_verdict_and_finding_has_words_and_a_sign():
    for state in get_args(State):
        assert state in names("state") and state in names("sign")
    for verdict in get_args(Verdict):
        assert verdict in names("verdict") and verdict in names("sign")
    assert set(names("finding")) == set(get_args(Finding))


def test_every_factor_the_casebook_derives_has_a_name_in_both_languages():
    """A key of the recipe keeps its own name behind the word "recipe"."""
    for name in DERIVED | set(IMPLIED) | set(factors.FACTORS):
        assert name in names("factor") or name.startswith("recipe."), name


def test_one_seed_each_is_suggestive_at_most_whatever_the_statistics_say():
    bold = effect(finding="difference", seeds=1)
    assert wording.found_words(bold, "Case 3", "en").startswith("suggestive at most")
    sentence = wording.effect_sentence(bold, "Case 1", "Case 3", "en")
    assert "One training seed each: suggestive at most" in sentence
    assert "ifference found" not in sentence
    assert "시드가 각각 하나뿐" in wording.effect_sentence(bold, "Case 1", "Case 3", "ko")
    several = wording.effect_sentence(effect(finding="difference", seeds=3), "a", "b", "en")
    assert "Difference found" in several and "One training seed" not in several


def test_a_cell_of_findings_says_each_finding_once():
    several = [effect(metric=f"mae_linear_{axis}") for axis in "xyz"]
    text = wording.findings_text(several, "Case 3", "en")
    assert text == (
        "MAE linear_x, MAE linear_y and MAE linear_z: suggestive at most: lower in Case 3"
    )


def test_an_effect_is_told_with_both_values_interval_and_count():
    sentence = wording.effect_sentence(effect(), "Case 1", "Case 3", "en")
    assert sentence.startswith(
        "MAE linear_y: 0.412 m/s in Case 1, 0.187 m/s in Case 3, difference -0.225 m/s "
        "(95 % interval -0.31 to -0.14 m/s, n = 40, paired bootstrap over episodes, p = 0.0004)."
    )
    assert "lower in Case 3" in sentence


def test_no_difference_found_names_no_direction_and_says_what_could_be_missed():
    none = effect(finding="no_difference_found")
    sentence = wording.effect_sentence(none, "Case 1", "Case 3", "en")
    assert "lower" not in sentence and "higher" not in sentence
    assert "a difference below 0.12 m/s would often go unseen" in sentence


def test_a_confounded_pair_names_every_confound():
    said = wording.verdict_sentence("confounded", "q", ["data_amount", "optimiser_steps"], "en")
    assert said == "This pair cannot answer “q”: data amount and optimiser steps moved as well."
    korean = wording.verdict_sentence("confounded", "q", ["data_amount", "optimiser_steps"], "ko")
    assert "데이터 양, 최적화 스텝 수" in korean


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0131, "1", "0.0131"), (1664.0, "1", "1664"), (0.4, "m/s", "0.4 m/s"), (None, "m", "–"),
     (123456.0, "1", "123456"), (0.0, "1", "0"), (3.2e-5, "1", "3.2e-05")],
)  # fmt: skip
def test_numbers_carry_their_unit_and_three_digits(value, unit, text):
    assert formats.number(value, unit) == text


@given(st.floats(1e-4, 999_000, allow_nan=False))
def test_numbers_stay_within_half_a_unit_of_their_third_digit(value):
    text = formats.plain(value)
    assert "e" not in text
    assert abs(float(text) - value) <= 0.00501 * value + 1e-12


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (690_000, "690 kB"), (6_900_000_000, "6.9 GB"),
     (999_600, "1 MB")],
)  # fmt: skip
def test_sizes(count, text):
    assert formats.size(count) == text


def test_durations_and_rates_and_counts_in_both_languages():
    assert formats.duration(40, "en") == "40 s"
    assert formats.duration(720, "en") == "12 min"
    assert formats.duration(11_520, "ko") == "3.2 시간"
    rate = Rate(k=18, n=20, low=0.699, high=0.972)
    assert wording.share_of(rate, "en") == "18 of 20 [70, 97] %"
    assert wording.share_of(rate, "ko") == "20회 중 18회 [70, 97] %"
    assert wording.share_of(None, "en") == "not measured"
    assert wording.episodes(Counts(left=40, right=10), "ko") == "왼쪽 40 + 오른쪽 10"
    assert wording.episodes(None, "en") == "unknown"
