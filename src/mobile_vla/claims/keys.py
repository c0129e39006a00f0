"""Keys and drafts: what the head of a column or the text before a colon calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mobile_vla.claims.lexicon import Item, Lexicon, Quantity
from mobile_vla.claims.model import Comparator, Kind
from mobile_vla.claims.structure import Line
from mobile_vla.messages.reason import Reason
from mobile_vla.runs.metrics_csv import as_count

LIMITS: dict[str, Comparator] = {"<": "at_most", "≤": "at_most", ">": "at_least", "≥": "at_least"}
METRICS = frozenset({"val_loss", "train_loss", "rmse", "mae", "direction_accuracy", "success"})
WORDED = frozenset({"regime", "overfitting", "direction", "state"})
"""Quantities whose value in words tells what it is of: "failed", "no overfitting", "left only"."""
SPLIT = (METRICS - {"val_loss", "train_loss"}) | {"episodes", "frames", "share", "steps", "date"}
"""Quantities that a split may have."""
PAIR = "train/val"
"""Split of a column that holds both counts."""
MARK_STATES = {"yes": "finished", "no": "failed"}


@dataclass(slots=True, eq=False)
class Draft:
    """A claim before its owner is bound. `start` and `end`: letters of the value in the line."""

    line: Line
    start: int
    end: int
    quantity: str
    kind: Kind = "value"
    number: float | None = None
    step: float = 0.0
    unit: str = ""
    word: str = ""
    comparator: Comparator = "equal"
    qualifier: str = ""
    epoch: int | None = None
    split: str = ""
    group: str = ""
    owner: str | None = None
    other: str | None = None
    factors: tuple[str, ...] = ()
    terms: tuple[tuple[Line, Item], ...] = ()
    whole: bool = False

    @property
    def value(self) -> str:
        """The value as written."""
        return self.line.text[self.start : self.end]


class Key(NamedTuple):
    """What a column's head, a row's head or the text before a colon calls."""

    quantities: tuple[Quantity, ...] = ()
    qualifier: str = ""
    epoch: int | None = None
    split: str = ""
    group: str = ""
    name: str | None = None

    def with_part(self, kind: str, value: str) -> Key:
        """The key with a qualifier, a split or a group."""
        match kind:
            case "qualifier":
                return self._replace(qualifier=value)
            case "split":
                return self._replace(split=value)
        return self._replace(group=value)

    def fill(self, draft: Draft) -> Draft:
        """The draft with what the key says and the value does not."""
        draft.qualifier = draft.qualifier or self.qualifier
        draft.split = draft.split or self.split
        draft.group = draft.group or self.group
        draft.owner = draft.owner or self.name
        draft.epoch = self.epoch if draft.epoch is None else draft.epoch
        if draft.quantity == "val_loss" and draft.split == "train":
            draft.quantity = "train_loss"
        if draft.quantity not in SPLIT:
            draft.split = ""
        return draft


@dataclass(slots=True)
class Outcome:
    """Drafts read from a text, or why nothing was read."""

    drafts: list[Draft] = field(default_factory=list)
    why: Reason | None = None


def short(line: Line) -> str:
    """The line as a reason quotes it."""
    return line.text.strip()[:120]


SILENT = frozenset("/&*:()[]\"'`.,|#=↓↑-–—_“”‘’!")


def is_silent(item: Item) -> bool:
    """Whether an item adds nothing: punctuation, an ornament, a word such as "is"."""
    if item.kind == "symbol":
        return item.text.rstrip("\ufe0f") in SILENT
    return item.key("mark") == "ornament" or item.key("filler") is not None


def read_key(items: Sequence[Item], lexicon: Lexicon) -> Key | None:
    """The quantity that a key calls; None where a word of it is unknown or it calls none or two."""
    key, steps = Key(), list(items)
    while steps:
        item = steps.pop(0)
        if item.key("epoch") and steps and steps[0].number is not None and not steps[0].number.unit:
            number = steps.pop(0).number
            key = key._replace(epoch=as_count(number.base) if number else None)
        elif item.kind == "name":
            if key.name is not None:
                return None
            key = key._replace(name=item.key("name"))
        elif item.kind == "phrase":
            grown = grow_key(key, item, lexicon)
            if grown is None:
                return None
            key = grown
        elif not is_silent(item) and not (item.kind == "symbol" and item.text == "%"):
            return None
    if not key.quantities and key.split == PAIR:
        return key._replace(quantities=(lexicon.quantities["episodes"],))
    return key if key.quantities else None


def grow_key(key: Key, item: Item, lexicon: Lexicon) -> Key | None:
    """The key with what an item adds; None where it does not belong in a key."""
    if quantities := item.keys("quantity"):
        if key.quantities:
            return None
        return key._replace(quantities=tuple(lexicon.quantities[entry] for entry in quantities))
    if item.key("split") == "val" and key.split == "train" and not key.quantities:
        return key._replace(split=PAIR)
    for kind in ("qualifier", "split", "group"):
        if (value := item.key(kind)) is not None and not getattr(key, kind):
            return key.with_part(kind, value)
    last_epoch = item.key("epoch") and key.qualifier
    silent = is_silent(item) and not item.key("assertion")
    return key if last_epoch or silent else None
