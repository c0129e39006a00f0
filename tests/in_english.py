"""Reasons as the English sentences that a person reads, and sentences as reasons."""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason, reason


def en(why: Reason) -> str:
    return sentence(why, "en")


def all_en(reasons: Sequence[Reason]) -> list[str]:
    return [sentence(why, "en") for why in reasons]


def note(text: str) -> Reason:
    """A reason of material that a test makes up."""
    return reason("run.foreign_note", text=text)
