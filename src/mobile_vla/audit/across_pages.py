"""Where pages, or two places of one page, give one quantity of a run two values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mobile_vla.audit.judge.judge import BOUND
from mobile_vla.claims.model import Claim
from mobile_vla.messages.reason import Reason, reason

COUNTED_APART = frozenset(
    {"share", "checkpoint_file", "date", "regime", "trained_part", "init", "vlm", "cause"}
)
"""Quantities of which one run has several values, or one value has several names."""
MOVING = frozenset({"state", "checkpoint"})
"""Quantities that change while a run goes on: two pages may be of two days."""
Key = tuple[str, str, str, str, str, str, int | None]


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two claims of one thing with two values, and the pages that they stand on."""

    first: Claim
    first_page: str
    second: Claim
    second_page: str

    @property
    def reason(self) -> Reason:
        """Both values, as the second one's page sees them, and the first one's place."""
        return reason(
            "audit.across_pages", quantity=self.first.quantity, run=self.first.run or "",
            value=self.second.value, other=self.first.value, file=self.first_page,
            line=self.first.place.line,
        )  # fmt: skip


def disagreements(pages: Iterable[tuple[str, Sequence[Claim]]]) -> list[Disagreement]:
    """Each pair of values that exclude each other, in the order of the pages and their claims.

    A value is held against the first place of every value before it that it does not agree with.
    """
    by_key: dict[Key, list[tuple[Claim, str]]] = {}
    excluding: list[Disagreement] = []
    for page, claims in pages:
        for claim in claims:
            key = _key(claim, page)
            if key is None:
                continue
            places = by_key.setdefault(key, [])
            excluding += _against(claim, page, places)
            if not any(_same(claim, other) for other, _ in places):
                places.append((claim, page))
    return excluding


def _against(claim: Claim, page: str, places: Iterable[tuple[Claim, str]]) -> list[Disagreement]:
    return [
        Disagreement(first=other, first_page=file, second=claim, second_page=page)
        for other, file in places if not agree(other, claim)
    ]  # fmt: skip


def _key(claim: Claim, page: str) -> Key | None:
    bound = claim.run is not None and claim.sure in BOUND
    exact = claim.comparator in ("equal", "about")
    if claim.kind != "value" or not (bound and exact) or claim.quantity in COUNTED_APART:
        return None
    of = (claim.run or "", claim.quantity, claim.qualifier)
    at = page if claim.quantity in MOVING else ""
    return (*of, claim.split, claim.group, at, claim.epoch)


def agree(a: Claim, b: Claim) -> bool:
    """Whether two values can be one: rounded to the coarser one's digits, or the same word."""
    if a.number is None or b.number is None:
        return (a.word or a.value) == (b.word or b.value)
    about = 0.1 * abs(a.number) if "about" in (a.comparator, b.comparator) else 0.0
    apart = abs(a.number - b.number)
    return apart <= max(0.5 * max(a.step, b.step), about) + 1e-9 * abs(a.number)


def _same(a: Claim, b: Claim) -> bool:
    return (a.number, a.word or a.value) == (b.number, b.word or b.value) or (
        a.number is not None and a.number == b.number
    )
