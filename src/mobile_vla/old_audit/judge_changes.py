"""Verdicts on ratios and percentages: of two runs, and of one run's losses over its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mobile_vla.analysis.wording import plain
from mobile_vla.old_audit.facts import CaseFacts, Fact
from mobile_vla.old_audit.tolerance import agrees
from mobile_vla.old_claims.model import Claim, Judged, say

Look = Callable[[str], CaseFacts | None]
ALONG = {"fall": (("initial", "final"), ("initial", "best")),
         "rise": (("best", "final"), ("initial", "final"))}  # fmt: skip
"""Between which of a run's losses a fall or a rise may be meant."""


def judge_change(claim: Claim, facts: Look) -> Judged:
    """ "50×", "32 % higher": of what two runs reached, or of one run's losses from first to last.

    Where it may be of several pairs, one that agrees is enough.
    """
    pairs = list(_of_two(claim, facts) if len(claim.pair) == 2 else _of_one(claim, facts))
    if claim.number is None or not pairs:
        return say(claim, "unsupported", f"both values of the {claim.quantity} are not known")
    told = [(a, b, value) for a, b in pairs for value in _values(claim, a.number, b.number)]
    if not told:
        return say(claim, "unsupported", "a value of zero has no ratio")
    for a, b, value in told:
        if agrees(claim, Fact(value, b.evidence)):
            return say(claim, "supported", _of(a, b), _shown(claim, value), evidence=b.evidence)
    a, b, value = told[0]
    fixable = plain(value, 2) if claim.quantity == "ratio" else _shown(claim, value).rstrip(" %")
    return say(claim, "contradicted", _of(a, b), _shown(claim, value), fixable, evidence=b.evidence)


def _of(a: Fact, b: Fact) -> str:
    return f"of {plain(a.number)} and {plain(b.number)}"


def _shown(claim: Claim, value: float) -> str:
    return plain(value) if claim.quantity == "ratio" else f"{plain(100 * value, 2)} %"


def _values(claim: Claim, a: float, b: float) -> Iterator[float]:
    """The ratios or shares that the change from `a` to `b` may be called."""
    if not a or not b:
        return
    low, high = sorted((abs(a), abs(b)))
    if claim.quantity == "ratio":
        yield high / low
        return
    if claim.qualifier.endswith("rise"):
        yield high / low - 1
    else:
        yield 1 - low / high
        if len(claim.pair) == 2:
            yield high / low - 1


def _of_two(claim: Claim, facts: Look) -> Iterator[tuple[Fact, Fact]]:
    what = claim.qualifier.partition(" ")[0]
    held = [_held(facts(name), what) for name in claim.pair]
    if held[0] is not None and held[1] is not None:
        yield held[0], held[1]


def _held(facts: CaseFacts | None, what: str) -> Fact | None:
    """What a ratio is of: the final or best validation loss, the training episodes, parameters."""
    if facts is None or facts.speaking is None:
        return None
    if what == "episodes":
        told = facts.speaking.episodes.get("train")
        return Fact(*told) if told else None
    if what == "params":
        return facts.speaking.numbers.get(("params", "", ""))
    return facts.speaking.numbers.get(("val_loss", what, ""))


def _of_one(claim: Claim, facts: Look) -> Iterator[tuple[Fact, Fact]]:
    found = facts(claim.name or "")
    if found is None or found.speaking is None:
        return
    numbers, quantity = (
        found.speaking.numbers,
        "train_loss" if claim.split == "train" else "val_loss",
    )
    for first, last in ALONG[claim.qualifier]:
        a, b = numbers.get((quantity, first, "")), numbers.get((quantity, last, ""))
        if a is not None and b is not None:
            yield a, b
