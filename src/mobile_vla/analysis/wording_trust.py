"""Which offline number may be trusted to choose a checkpoint: phrases and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mobile_vla.analysis.offline_vs_rollout import Trust
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import Language, listing


def trust_lines(trusts: Sequence[Trust], language: Language) -> Iterator[str]:
    """The answer over cases, the answer within a case, then a line a number."""
    if trusts:
        yield over_cases(trusts, language)
        yield within_cases(trusts, language)
    for trust in trusts:
        yield f"- {trust_sentence(trust, language)}"


def over_cases(trusts: Sequence[Trust], language: Language) -> str:
    """Which numbers rank checkpoints of several cases as driving does."""
    names = listing((term("metric", t.metric, language) for t in trusts if t.trusted), language)
    key = "trust.over_cases" if names else "trust.over_cases_none"
    n, cases = max(t.n for t in trusts), max(t.cases for t in trusts)
    return phrase(key, language, n=n, cases=cases, metrics=names)


def within_cases(trusts: Sequence[Trust], language: Language) -> str:
    """Which numbers may choose among the checkpoints of one case."""
    trusted = (term("metric", t.metric, language) for t in trusts if t.trusted_within)
    names, pairs = listing(trusted, language), max(t.pairs for t in trusts)
    key = "trust.within_cases" if names else "trust.within_cases_none"
    return phrase(key, language, metrics=names, pairs=pairs)


def trust_sentence(trust: Trust, language: Language) -> str:
    """Rank correlation with its interval, MMRV and adjusted p of one number."""
    values: dict[str, Any] = {
        "metric": term("metric", trust.metric, language),
        "n": trust.n,
        "cases": trust.cases,
    }
    if trust.rank_correlation is None or trust.low is None or trust.high is None:
        return phrase("trust.constant", language, **values)
    values |= {
        "interval": f"{trust.rank_correlation:+.2f} [{trust.low:+.2f}, {trust.high:+.2f}]",
        "mmrv": f"{trust.mmrv:.3f}",
        "p": f"{trust.p_adjusted:.3g}",
    }
    if trust.p_within is None:
        return phrase("trust.ranked", language, **values)
    values |= {
        "right": f"{trust.right:g}",
        "pairs": trust.pairs,
        "p_within": f"{trust.p_within:.3g}",
    }
    return phrase("trust.ranked_within", language, **values)
