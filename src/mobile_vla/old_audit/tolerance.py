"""Whether a claimed number is the evidence's, to the digits given."""

from __future__ import annotations

import math

from mobile_vla.old_audit.facts import Fact
from mobile_vla.old_claims.model import Claim

MEASURED = frozenset(
    {"val_loss", "train_loss", "rmse", "params", "size", "share", "ratio", "percent",
     "duration", "epoch_time", "step_time"}
)  # fmt: skip
ABOUT = 0.1
"""How far "about 100" may lie from the evidence, as a share of it."""


def agrees(claim: Claim, fact: Fact) -> bool:
    """Measured values are rounded to the digits written; settings and counts are exact; "about" may
    be off by a tenth.
    """
    if claim.number is None or not math.isfinite(fact.number):
        return False
    off = abs(claim.number - fact.number)
    slack = 1e-9 * max(abs(claim.number), abs(fact.number))
    if claim.about:
        return off <= max(ABOUT * abs(fact.number), 0.5 * claim.step if fact.number < 1 else 0.0)
    if claim.quantity not in MEASURED:
        return off <= slack
    return off <= max(0.5 * claim.step, 0.5 * fact.step) + slack
