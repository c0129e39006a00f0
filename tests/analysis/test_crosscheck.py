"""The statistics against fieldtrial's own, which was written independently of these."""

from __future__ import annotations

import pytest

from mobile_vla.analysis import statistics as s

theirs = pytest.importorskip("fieldtrial.stats")
COUNTS = [(0, 20), (1, 20), (7, 20), (15, 20), (20, 20), (3, 7), (40, 100)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson(k: int, n: int) -> None:
    found = theirs.proportion_ci(k, n, method="wilson").interval
    assert s.wilson(k, n) == pytest.approx((found.low, found.high), abs=1e-9)


@pytest.mark.parametrize("only_a", range(0, 13, 3))
@pytest.mark.parametrize("only_b", range(0, 13, 2))
def test_mcnemar(only_a: int, only_b: int) -> None:
    assert s.mcnemar(only_a, only_b) == pytest.approx(
        theirs.mcnemar_exact(only_a, only_b).pvalue, abs=1e-9
    )


def test_holm() -> None:
    p_values = [0.01, 0.04, 0.03, 0.5]
    assert s.holm(p_values) == pytest.approx(
        list(theirs.adjust_pvalues(p_values, method="holm").adjusted)
    )


@pytest.mark.parametrize("pairs", [6, 10, 20, 40])
def test_the_detectable_rate_has_eighty_per_cent_power(pairs: int) -> None:
    least = s.detectable_rate(pairs)
    assert least is not None
    found = theirs.mcnemar_power(least - 1e-6, 1e-6, pairs)
    assert found.power == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("table", [(1, 7, 1, 12), (10, 2, 8, 20), (30, 5, 0, 5)])
def test_the_paired_interval_is_near_tangos(table: tuple[int, int, int, int]) -> None:
    """Another method for the same quantity: near it, and of the same sign."""
    both, only_a, only_b, neither = table
    other = theirs.tango_interval(only_b, only_a, sum(table))
    assert s.newcombe_paired(both, only_a, only_b, neither) == pytest.approx(other, abs=0.07)
