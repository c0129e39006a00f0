"""Intervals, tests and smallest detectable differences; pure functions of counts and values.

scipy does the work and is imported late, because `mvla status` needs none of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mobile_vla.analysis.model import Finding

Z95 = 1.959963984540054
LEVEL = 0.05
FEWEST_PAIRS = 6
"""Pairs from which a sign-flip or McNemar test can reach p < 0.05 (2 / 2**6)."""
RESAMPLES = 9999
SEED = 20251204
Interval = tuple[float, float]


def wilson(successes: int, n: int) -> Interval:
    """Wilson's 95 % score interval of a rate (Wilson 1927), for 0 <= successes <= n, n >= 1.

    In closed form, because the table of every `mvla status` shows it.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} trials")
    share = successes / n
    centre = share + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    scale = 1 + Z95**2 / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    return low, 1.0 if successes == n else (centre + half) / scale


def paired_interval(differences: Sequence[float]) -> Interval | None:
    """95 % interval of the mean difference of pairs, by Student's t.

    It holds its level from few pairs on, where a percentile bootstrap is too narrow (Hesterberg
    2015). None for fewer than two pairs. Without any scatter it has no width.
    """
    deviation = _standard_error(differences)
    if deviation is None:
        return None
    from scipy.stats import t

    mean = math.fsum(differences) / len(differences)
    if len(set(differences)) == 1:
        return differences[0], differences[0]
    half = float(t.ppf(0.975, len(differences) - 1)) * deviation
    return mean - half, mean + half


def paired_permutation(differences: Sequence[float]) -> float | None:
    """Two-sided p of a mean difference of 0, by flipping signs of pairs; None below two.

    All signs are flipped where there are at most 9999 ways (13 pairs), else a seeded sample.
    """
    if len(differences) < 2:
        return None
    if not any(differences):
        return 1.0
    import numpy as np
    from scipy.stats import permutation_test

    result = permutation_test(
        (np.asarray(differences, dtype=float),),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    )
    return float(result.pvalue)


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[Interval, float, float] | None:
    """Of mean B minus mean A of independent seeds (Welch 1947): interval, p, detectable.

    A 95 % interval, a two-sided p, and the smallest difference that so many seeds show with 80 %
    power at 5 %. Where the seeds of each side agree exactly there is no variance to go by: the
    interval has no width and p is that of the exact permutation test. None for fewer than two on
    a side.
    """
    if min(len(a), len(b)) < 2:
        return None
    a, b = _settled(a), _settled(b)
    if len(set(a)) == 1 and len(set(b)) == 1:
        difference = b[0] - a[0]
        ways = math.comb(len(a) + len(b), len(a))
        return (difference, difference), 1.0 if difference == 0 else 2 / ways, 0.0
    import warnings

    from scipy.stats import t, ttest_ind

    with warnings.catch_warnings():  # that one side's seeds agree exactly is no news here
        warnings.simplefilter("ignore", RuntimeWarning)
        result = ttest_ind(b, a, equal_var=False)
    interval = result.confidence_interval(0.95)
    low, high, reach = float(interval.low), float(interval.high), float(t.ppf(0.975, result.df))
    least = (reach + float(t.ppf(0.8, result.df))) * (high - low) / 2 / reach
    return (low, high), float(result.pvalue), least


def _settled(values: Sequence[float]) -> list[float]:
    """Without the last digits, so that rounding is never taken for a variance."""
    return [round(value, 12) for value in values]


def newcombe_paired(both: int, only_a: int, only_b: int, neither: int) -> Interval:
    """95 % interval of rate B minus rate A over pairs (Newcombe 1998, square-and-add, method 10).

    scipy has none; the tests hold it against published tables.
    """
    n = both + only_a + only_b + neither
    rate_a, rate_b = (both + only_a) / n, (both + only_b) / n
    low_a, high_a = wilson(both + only_a, n)
    low_b, high_b = wilson(both + only_b, n)
    phi = _correlation(both, only_a, only_b, neither)
    down_b, up_b, down_a, up_a = rate_b - low_b, high_b - rate_b, rate_a - low_a, high_a - rate_a
    below = math.sqrt(max(0.0, down_b**2 - 2 * phi * down_b * up_a + up_a**2))
    above = math.sqrt(max(0.0, up_b**2 - 2 * phi * up_b * down_a + down_a**2))
    return max(-1.0, rate_b - rate_a - below), min(1.0, rate_b - rate_a + above)


def newcombe(hits_a: int, n_a: int, hits_b: int, n_b: int) -> Interval:
    """95 % interval of rate B minus rate A of unpaired trials (Newcombe 1998, method 10)."""
    rate_a, rate_b = hits_a / n_a, hits_b / n_b
    low_a, high_a = wilson(hits_a, n_a)
    low_b, high_b = wilson(hits_b, n_b)
    below = math.hypot(rate_b - low_b, high_a - rate_a)
    above = math.hypot(high_b - rate_b, rate_a - low_a)
    return rate_b - rate_a - below, rate_b - rate_a + above


def fisher(hits_a: int, n_a: int, hits_b: int, n_b: int) -> float:
    """Two-sided exact Fisher p of two unpaired rates."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[hits_a, n_a - hits_a], [hits_b, n_b - hits_b]]).pvalue)


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """phi of the paired table, towards 0 by half the number of pairs, as method 10 has it."""
    a, b = both + only_a, both + only_b
    c, d = only_b + neither, only_a + neither
    if not a * b * c * d:
        return 0.0
    cross = both * neither - only_a * only_b
    if cross > 0:
        cross = max(0.0, cross - (both + only_a + only_b + neither) / 2)  # type: ignore[assignment]
    return cross / math.sqrt(a * b * c * d)


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar p of the discordant pairs: a binomial test of one half.

    >>> mcnemar(0, 0), mcnemar(1, 7)
    (1.0, 0.0703125)
    """
    pairs, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(pairs, k) for k in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**pairs))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (Holm 1979), in the order of `p_values`.

    >>> holm([0.5, 0.25])
    [0.5, 0.5]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def detectable_mean(differences: Sequence[float]) -> float | None:
    """Smallest mean difference shown with 80 % power at 5 %, from the pairs' own deviation, by t.

    None below six pairs, whose signs can be flipped in 32 ways at most: no p falls below 0.05.
    """
    if len(differences) < FEWEST_PAIRS:
        return None
    deviation = _standard_error(differences)
    assert deviation is not None
    from scipy.stats import t

    freedom = len(differences) - 1
    return float(t.ppf(0.975, freedom) + t.ppf(0.8, freedom)) * deviation


def _standard_error(differences: Sequence[float]) -> float | None:
    """Standard error of the mean; None for fewer than two values."""
    n = len(differences)
    if n < 2:
        return None
    mean = math.fsum(differences) / n
    variance = math.fsum((value - mean) ** 2 for value in differences) / (n - 1)
    return math.sqrt(variance / n)


def detectable_rate(pairs: int) -> float | None:
    """Smallest true difference of rates that so many pairs show with 80 % power at 5 %.

    For exact McNemar in the most favourable case, all discordant pairs one way: fewer than six
    can never show anything, so fewer than six pairs give None.
    """
    if pairs < FEWEST_PAIRS:
        return None
    from scipy.optimize import brentq
    from scipy.stats import binom

    power = 1 - 0.2
    return float(brentq(lambda d: binom.sf(FEWEST_PAIRS - 1, pairs, d) - power, 0.0, 1.0))


def finding_of_seeds(both: Finding, pairs: Finding) -> Finding:
    """What pairs and seeds show together, and else what the pairs alone suggest."""
    if both != "no_difference_found":
        return both
    return "suggestive" if pairs in ("difference", "suggestive") else both


def finding(interval: Interval | None, p_value: float | None, seeds: int) -> Finding:
    """What an interval and its p (adjusted where several questions were asked) amount to.

    A claim about a method counts training seeds: one on each side is suggestive at most.
    """
    if interval is None or p_value is None:
        return "not_estimated"
    if interval[0] <= 0 <= interval[1] or p_value >= LEVEL:
        return "no_difference_found"
    return "difference" if seeds > 1 else "suggestive"
