"""A claim with its verdict, the reason for it and the evidence it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact
from mobile_vla.evidence.model import Evidence
from mobile_vla.messages.reason import Field, Reason, reason

ClaimVerdict = Literal[
    "contradicted", "stale", "ambiguous", "unsupported", "unbound", "supported"
]  # fmt: skip
VERDICTS: tuple[ClaimVerdict, ...] = (
    "contradicted", "stale", "ambiguous", "unsupported", "unbound", "supported",
)  # fmt: skip


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """`expected`: the fact that decides. `correction`: the value as it should stand on the page,
    None where nothing can be put there.
    """

    claim: Claim
    verdict: ClaimVerdict
    reason: Reason
    expected: Fact | None = None
    evidence: Sequence[Evidence] = ()
    correction: str | None = None


def verdict_by_fact(
    claim: Claim, verdict: ClaimVerdict, fact: Fact, code: str, **fields: Field
) -> Judged:
    """A verdict that rests on one fact."""
    return Judged(
        claim=claim, verdict=verdict, reason=reason(f"judge.{code}", **fields), expected=fact,
        evidence=[fact.source],
    )  # fmt: skip


def verdict_by_files(
    claim: Claim, verdict: ClaimVerdict, files: Sequence[Evidence], code: str, **fields: Field
) -> Judged:
    """A verdict that rests on several places, or on none."""
    return Judged(
        claim=claim, verdict=verdict, reason=reason(f"judge.{code}", **fields), evidence=list(files)
    )


def unsupported(claim: Claim, code: str, **fields: Field) -> Judged:
    """No evidence decides."""
    return verdict_by_files(claim, "unsupported", [], code, **fields)


def true_or_false(holds: bool) -> ClaimVerdict:
    """The verdict where the evidence decides."""
    return "supported" if holds else "contradicted"


def as_is(fact: Fact) -> float | str:
    """The value of a fact as its file writes it, for the field of a reason."""
    if isinstance(fact.value, str):
        return fact.value
    return fact.digits.removesuffix(".0") or fact.value


def number_of(fact: Fact) -> float:
    """The number of a fact. Raises ValueError where it is a word."""
    return float(fact.value)
