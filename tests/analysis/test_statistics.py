"""The statistics against closed forms, published tables and the libraries' own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm, ttest_1samp
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from mobile_vla.analysis import statistics as s

COUNT = st.integers(0, 30)


@pytest.mark.parametrize("n", [1, 2, 7, 20, 40, 400])
def test_wilson_equals_scipy(n: int) -> None:
    for k in range(n + 1):
        theirs = binomtest(k, n).proportion_ci(method="wilson")
        assert s.wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_of_a_published_count() -> None:
    assert s.wilson(7, 20) == pytest.approx((0.1812, 0.5671), abs=5e-5)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="trials"):
        s.wilson(k, n)


def test_newcombe_paired_of_a_published_table() -> None:
    """Airway hyper-responsiveness before and after transplantation, in Fagerland et al. (2014)."""
    low, high = s.newcombe_paired(both=1, only_a=7, only_b=1, neither=12)
    assert (low, high) == pytest.approx((-0.507, -0.026), abs=5e-4)


@given(COUNT, COUNT, COUNT, COUNT)
@settings(max_examples=300, deadline=None)
def test_newcombe_paired_holds_the_difference_and_turns_with_the_arms(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    n = both + only_a + only_b + neither
    if n == 0:
        return
    low, high = s.newcombe_paired(both, only_a, only_b, neither)
    assert -1 <= low <= (only_b - only_a) / n <= high <= 1
    turned = s.newcombe_paired(both, only_b, only_a, neither)
    assert turned == pytest.approx((-high, -low), abs=1e-12)


def test_newcombe_paired_covers_the_truth_at_its_rate() -> None:
    """Exact coverage at n = 20 over all tables of a true difference of 0.2."""
    n, shares = 20, (0.4, 0.1, 0.3, 0.2)
    covered = 0.0
    for a, b, c in itertools.product(range(n + 1), repeat=3):
        if a + b + c <= n:
            low, high = s.newcombe_paired(a, b, c, n - a - b - c)
            if low <= shares[2] - shares[1] <= high:
                covered += _multinomial((a, b, c, n - a - b - c), shares)
    assert 0.94 < covered < 0.98


def _multinomial(counts: tuple[int, ...], shares: tuple[float, ...]) -> float:
    chance, left, rest = 1.0, sum(counts), 1.0
    for count, share in zip(counts[:-1], shares[:-1], strict=True):
        chance *= float(binom.pmf(count, left, share / rest))
        left, rest = left - count, rest - share
    return chance


@pytest.mark.parametrize(
    ("b", "a", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe_of_published_rates(
    b: tuple[int, int], a: tuple[int, int], interval: tuple[float, float]
) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 873, table II, method 10."""
    assert s.newcombe(*a, *b) == pytest.approx(interval, abs=1e-4)


@given(COUNT, COUNT)
@settings(max_examples=100, deadline=None)
def test_mcnemar_is_the_exact_binomial(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    exact = 1.0 if n == 0 else float(binomtest(only_a, n).pvalue)
    assert s.mcnemar(only_a, only_b) == pytest.approx(exact, abs=1e-12)


def test_mcnemar_of_a_published_count() -> None:
    assert s.mcnemar(2, 10) == pytest.approx(0.03857, abs=5e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_holm_is_monotone_and_never_below_the_raw_p(p_values: list[float]) -> None:
    adjusted = s.holm(p_values)
    assert all(a >= p - 1e-12 for a, p in zip(adjusted, p_values, strict=True))
    assert adjusted[p_values.index(min(p_values))] == pytest.approx(
        min(1.0, min(p_values) * len(p_values))
    )


def test_holm_of_nothing_is_nothing() -> None:
    assert s.holm([]) == []


def test_the_paired_interval_is_students() -> None:
    values = [float(norm.ppf((i + 0.5) / 20)) + 0.3 for i in range(20)]
    theirs = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert s.paired_interval(values) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("n", [6, 10, 20])
@pytest.mark.parametrize("scatter", ["normal", "uniform", "laplace"])
def test_the_paired_interval_holds_its_level_for_few_pairs(n: int, scatter: str) -> None:
    """3000 simulated sets of pairs; a percentile bootstrap covers 86 % at n = 6."""
    rng = np.random.default_rng(n)
    covered = 0
    for values in getattr(rng, scatter)(size=(3000, n)):
        low, high = s.paired_interval([float(value) for value in values])  # type: ignore[misc]
        covered += low <= (0.5 if scatter == "uniform" else 0.0) <= high
    assert 0.93 <= covered / 3000 <= 0.98


def test_the_detectable_mean_is_found_at_its_power() -> None:
    """Simulated with that true difference, the test of ten pairs finds it four times in five."""
    rng = np.random.default_rng(1)
    scatter = rng.normal(size=(300, 10))
    scatter = (scatter - scatter.mean(1, keepdims=True)) / scatter.std(1, ddof=1, keepdims=True)
    least = s.detectable_mean([float(value) for value in scatter[0]])
    assert least == pytest.approx((2.262 + 0.883) / 10**0.5, abs=1e-3)
    drawn = rng.normal(least, 1.0, size=(400, 10))
    shown = [s.paired_permutation([float(v) for v in values]) or 1.0 for values in drawn]
    assert 0.74 < np.mean([p < 0.05 for p in shown]) < 0.86


def test_five_pairs_detect_no_mean() -> None:
    assert s.detectable_mean([0.1, 0.2, 0.3, 0.4, 0.5]) is None
    assert s.paired_permutation([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(2 / 32)


def test_one_pair_tells_no_interval() -> None:
    assert s.paired_interval([0.5]) is None
    assert s.paired_permutation([0.5]) is None
    assert s.detectable_mean([0.5]) is None
    assert s.finding(None, None, 1) == "not_estimated"


def test_equal_differences_have_an_interval_of_no_width() -> None:
    assert s.paired_interval([0.1] * 5) == (0.1, 0.1)
    assert s.paired_permutation([0.0] * 5) == 1.0


def test_the_permutation_test_is_exact_for_few_pairs() -> None:
    assert s.paired_permutation([1.0, 2.0, 3.0, 4.0]) == pytest.approx(2 / 16)


def test_five_pairs_can_show_nothing_and_more_show_less() -> None:
    assert s.detectable_rate(5) is None
    found = [s.detectable_rate(n) or 0.0 for n in (6, 10, 20, 40, 100)]
    assert found == sorted(found, reverse=True)
    assert binom.sf(5, 20, found[2]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("interval", "p_value", "seeds", "expected"),
    [
        ((0.1, 0.3), 0.01, 1, "suggestive"),
        ((0.1, 0.3), 0.01, 3, "difference"),
        ((-0.1, 0.3), 0.01, 3, "no_difference_found"),
        ((0.1, 0.3), 0.06, 3, "no_difference_found"),
        ((0.1, 0.3), None, 3, "not_estimated"),
    ],
)
def test_findings(
    interval: tuple[float, float], p_value: float | None, seeds: int, expected: str
) -> None:
    assert s.finding(interval, p_value, seeds) == expected


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_statsmodels(only_a: int, only_b: int) -> None:
    if only_a + only_b:
        theirs = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
        assert s.mcnemar(only_a, only_b) == pytest.approx(min(1.0, theirs), rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    theirs = multipletests(p_values, method="holm")[1]
    assert s.holm(p_values) == pytest.approx(list(theirs), abs=1e-12)
