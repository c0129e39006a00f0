"""Whether a claimed number is the evidence's, to the digits that both give."""

from __future__ import annotations

import math
from typing import Literal

from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact

Agreement = Literal["agrees", "finer", "differs"]
"""`finer`: the claim has digits that no file gives, and the file's own digits do not exclude it."""

SETTINGS = frozenset(
    {"lora_r", "lora_alpha", "lora_dropout", "learning_rate", "weight_decay", "batch", "accumulate",
     "window", "chunk", "action_dim", "hidden", "seed", "best_epoch"}
)  # fmt: skip
"""Quantities that somebody chose: a rounded value is another value, unless the file's is uneven."""
TIMES = frozenset({"duration", "epoch_time", "step_time"})
"""Quantities that files give only roughly: within their roughness a value agrees."""
SIDES = {"at_most": 1, "at_least": -1}
ABOUT = 0.1
"""How far "about 100" may lie from the evidence, as a share of it."""
UNEVEN_DIGITS = 4
"""Digits from which on a setting is one that nobody typed, so that pages round it."""


def agreement(claim: Claim, fact: Fact) -> Agreement:
    """A claim's number held against a fact; words never agree."""
    if claim.number is None or isinstance(fact.value, str) or not math.isfinite(fact.value):
        return "differs"
    number, value = claim.number, float(fact.value)
    off = abs(number - value)
    slack = 1e-9 * max(abs(number), abs(value))
    if claim.comparator in SIDES:
        return "agrees" if SIDES[claim.comparator] * (number - value) >= -slack else "differs"
    if claim.comparator == "about":
        return "agrees" if off <= max(ABOUT * abs(value), 0.5 * claim.step) else "differs"
    if off <= slack or (_may_round(claim, value) and off <= 0.5 * claim.step + slack):
        return "agrees"
    within: Agreement = "agrees" if claim.quantity in TIMES else "finer"
    return within if off <= 0.5 * fact.step + slack else "differs"


def _may_round(claim: Claim, value: float) -> bool:
    if claim.quantity not in SETTINGS:
        return True
    return significant_digits(value) >= UNEVEN_DIGITS and _written_digits(claim) > 1


def _written_digits(claim: Claim) -> int:
    if not claim.number or not claim.step:
        return 0
    return math.floor(math.log10(abs(claim.number) / claim.step) + 1e-9) + 1


def significant_digits(value: float) -> int:
    """Digits of the shortest decimal that gives the number back.

    >>> significant_digits(0.000233596350262616), significant_digits(0.0001)
    (15, 1)
    """
    digits = repr(float(value)).partition("e")[0].replace(".", "").lstrip("-0")
    return len(digits.rstrip("0")) or 1
