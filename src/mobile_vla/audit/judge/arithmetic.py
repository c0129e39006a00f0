"""Verdicts on totals, shares and ratios, recomputed from the page's own numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from mobile_vla.audit.judge.context import Context
from mobile_vla.audit.judge.verdict import Judged, unsupported, verdict_by_files
from mobile_vla.claims.model import Claim, Term


def judge_arithmetic(claim: Claim, context: Context) -> Judged:
    """A number held against what the terms beside it give, to the digits of all of them."""
    if claim.number is None or not claim.terms:
        return unsupported(claim, "no_terms")
    ranges = list(_possible(claim))
    if not ranges:
        return unsupported(claim, "no_terms")
    half = 0.5 * claim.step + 1e-9 * abs(claim.number)
    at = [context.place(claim)]
    terms = [term.value for term in claim.terms]
    for low, high in ranges:
        if low - half <= claim.number <= high + half:
            return verdict_by_files(claim, "supported", at, "follows_from_terms", terms=[*terms])
    low, high = ranges[0]
    return verdict_by_files(
        claim, "contradicted", at, "terms_give_other", terms=[*terms], value=(low + high) / 2
    )


def _possible(claim: Claim) -> Iterator[tuple[float, float]]:
    """From where to where the result can lie, for every reading of the terms.

    A share is of the sum of the terms after the first.
    """
    spans = [_span(term) for term in claim.terms]
    if claim.comparator == "sum":
        yield sum(low for low, _ in spans), sum(high for _, high in spans)
        return
    if len(spans) < 2:
        return
    first, second = spans[0], spans[1]
    if claim.comparator == "share":
        total = sum(low for low, _ in spans[1:]), sum(high for _, high in spans[1:])
        yield from _quotients([(first, total)])
        return
    yield from _quotients([(first, second), (second, first)])
    for low, high in _quotients([(first, second), (second, first)]):
        change = sorted((abs(1 - low), abs(1 - high)))
        yield change[0], change[1]


def _quotients(
    pairs: list[tuple[tuple[float, float], tuple[float, float]]],
) -> Iterator[tuple[float, float]]:
    for upper, lower in pairs:
        if lower[0] <= 0 <= lower[1]:
            continue
        values = [a / b for a, b in itertools.product(upper, lower)]
        yield min(values), max(values)


def _span(term: Term) -> tuple[float, float]:
    """From where to where a number can lie that is rounded as written; counts are exact."""
    half = 0.5 * _worth(term)
    return term.number - half, term.number + half


def _worth(term: Term) -> float:
    digits = re.search(r"\d[\d,]*(?:\.(\d+))?(?:[eE]([-+]?\d+))?", term.value)
    if digits is None or not term.number or not (digits[1] or digits[2]):
        return 0.0
    written = float(digits[0].replace(",", ""))
    scale = abs(term.number / written) if written else 1.0
    worth = 10.0 ** (int(digits[2] or 0) - len(digits[1] or ""))
    return worth * (scale if math.isfinite(scale) else 1.0)
