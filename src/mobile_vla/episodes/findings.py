"""What can be wrong with an episode or a data set: a check's name and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason

Check = Literal[
    "unreadable",
    "truncated",
    "not_an_episode",
    "outside",
    "shape_or_type",
    "inconsistent",
    "not_a_number",
    "too_long",
    "changed",
    "dark_frames",
    "frozen_frames",
    "no_instruction",
    "direction",
    "duplicate",
    "near_duplicate",
    "same_actions",
    "balance",
    "range",
    "one_sided_split",
    "step",
    "name",
    "manifest",
]
CHECKS: tuple[Check, ...] = get_args(Check)
"""In the order in which summaries list them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `episode` is a file's name, or "" for the whole set; `frames` count from 0.

    `spoils`: training on it would teach or measure something false.
    """

    episode: str
    reason: Reason
    check: Check = "unreadable"
    spoils: bool = True
    frames: tuple[int, ...] = ()

    @property
    def what(self) -> str:
        """The English predicate, whose subject is the episode."""
        return sentence(self.reason, "en")


class FindingRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding in a JSON answer: the sentence, and beside it the reason's code and fields."""

    episode: str
    what: str
    check: Check
    spoils: bool
    frames: tuple[int, ...]
    code: str
    fields: dict[str, Any]


def finding_row(finding: Finding) -> FindingRow:
    """A finding as JSON answers hold it."""
    return FindingRow(
        episode=finding.episode,
        what=finding.what,
        check=finding.check,
        spoils=finding.spoils,
        frames=finding.frames,
        code=finding.reason.code,
        fields=dict(finding.reason.fields),
    )
