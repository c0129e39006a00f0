"""What an audit is made of: claims, verdicts, coverage."""

from __future__ import annotations

from typing import Literal

from mobile_vla.evidence.model import Evidence, Value
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason

ClaimVerdict = Literal["supported", "contradicted", "stale", "unsupported", "ambiguous"]
VERDICTS: tuple[ClaimVerdict, ...] = (
    "contradicted",
    "stale",
    "ambiguous",
    "unsupported",
    "supported",
)


class Claim(Value, frozen=True, kw_only=True):
    """One statement of a document.

    `start` and `end`: the value's bytes in the file. `line` counts from 1. `case` is the case as
    the document calls it, `name` the training name that the document gives it; None where it
    gives none. `qualifier`: "best", "final", "initial" or "epoch 9"; `split`: "train" or "val".
    `value` as written; `number` as read, in base units; `step`: the worth of its last digit;
    `about`: marked as approximate. `ways`: directions stated. `parts`: the numbers of all
    directions stated together, itself included. `pair`: the cases of a comparison. `time`: when
    the document says that it was written.
    """

    line: int
    start: int
    end: int
    quantity: str
    value: str
    text: str
    case: str | None = None
    name: str | None = None
    qualifier: str = ""
    split: str = ""
    number: float | None = None
    step: float = 0.0
    about: bool = False
    ways: tuple[str, ...] = ()
    only: bool = False
    parts: tuple[float, ...] = ()
    pair: tuple[str, ...] = ()
    time: str | None = None

    @property
    def what(self) -> str:
        """What is claimed, in words: "best val loss at epoch 8", "train episodes"."""
        name, _, epoch = self.qualifier.partition(" at ")
        quantity = "steps" if self.quantity == "any_steps" else self.quantity.replace("_", " ")
        name = "" if name == "part" else name
        split = "" if quantity.startswith(self.split) else self.split
        parts = (split, name, quantity, f"at {epoch}" if epoch else "")
        return " ".join(part for part in parts if part)


class Judged(Value, frozen=True, kw_only=True):
    """A claim with what the evidence says. `expected`: the evidence's value, None where none.

    `fixable`: the value as it should stand in the document, None where nothing can be put there.
    """

    claim: Claim
    verdict: ClaimVerdict
    reason: str
    expected: str | None = None
    fixable: str | None = None
    evidence: Evidence | None = None


def english(reason: str | Reason) -> str:
    """A reason as an English sentence."""
    return sentence(reason, "en") if isinstance(reason, Reason) else reason


def say(
    claim: Claim,
    verdict: ClaimVerdict,
    reason: str | Reason,
    expected: str | None = None,
    fixable: str | None = None,
    *,
    evidence: Evidence | None = None,
) -> Judged:
    """A claim with its verdict."""
    return Judged(
        claim=claim, verdict=verdict, reason=english(reason), expected=expected, fixable=fixable,
        evidence=evidence,
    )  # fmt: skip


class Unread(Value, frozen=True, kw_only=True):
    """A line with numbers of which none was read as a claim."""

    line: int
    text: str


class Audit(Value, frozen=True, kw_only=True):
    """All claims of one document, judged, in its order; and what was not read.

    `language`: the document's, in which people are told what was found.
    """

    document: str
    blake3: str
    claims: list[Judged]
    unread: list[Unread]
    language: Literal["en", "ko"] = "en"

    def counts(self) -> dict[str, int]:
        """Claims by verdict, every verdict named."""
        told = [judged.verdict for judged in self.claims]
        return {verdict: told.count(verdict) for verdict in VERDICTS}

    @property
    def unchecked(self) -> bool:
        """Whether it says something, and nothing of that could be held against evidence."""
        held = ("supported", "contradicted", "stale")
        said = bool(self.claims or self.unread)
        return said and not any(judged.verdict in held for judged in self.claims)
