"""Keys and drafts: what the head of a column or the text before a colon calls."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from mobile_vla.claims.lexer import Item
from mobile_vla.claims.lexicon import Lexicon, Quantity
from mobile_vla.claims.model import Comparator, Kind
from mobile_vla.claims.structure import Line
from mobile_vla.messages.reason import Reason, reason

LOSSES = frozenset({"val_loss", "train_loss", "rmse", "mae"})
METRICS = LOSSES | {"direction_accuracy", "success"}
SPLIT = (METRICS - {"val_loss", "train_loss"}) | {"episodes", "frames", "share", "steps", "date"}
"""Quantities that a split may have."""
DRIVEN = frozenset({"success", "collisions", "instructed_side", "swap", "direction_accuracy"})
"""Quantities that are counted over drives: beside their number, "drives" is no other subject."""
PAIR = "train/val"
"""Split of a column that holds both counts."""
PICTURES = frozenset({"So", "Mn", "Cf", "Sk"})
"""Unicode categories of pictures, their variants and joiners; a mark is no symbol."""
SILENT = frozenset("/&*:()[]\"'`.,|#=↓↑-–—_“”‘’!")


class Draft(msgspec.Struct, eq=False):
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
    part: str = ""

    def merge(self, other: Key) -> Key:
        """Both keys as one; what `other` says goes first."""
        if other == Key():
            return self
        return Key(
            other.quantities or self.quantities, other.qualifier or self.qualifier,
            self.epoch if other.epoch is None else other.epoch, other.split or self.split,
            other.group or self.group, other.name or self.name, other.part or self.part,
        )  # fmt: skip

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


class Outcome(NamedTuple):
    """Drafts read from a text, or why nothing was read."""

    drafts: Sequence[Draft] = ()
    why: Reason | None = None


def not_read(code: str, text: Line | str) -> Outcome:
    """No drafts, and why: `code` of the section "claim"."""
    text = text if isinstance(text, str) else text.text.strip()[:120]
    return Outcome((), reason(f"claim.{code}", text=text))


def absence_in(items: Iterable[Item]) -> str | None:
    """Why a text asserts nothing about a run; None where it asserts something.

    One of "denied", "asked", "conditional", "planned", "wished", "quoted", "others" (other
    people's work), "obsolete", "other_subject" (a drive, a test, an attempt).
    """
    reasons = [key for item in items if (key := item.key("assertion")) and item.kind == "phrase"]
    if "other_subject" in reasons:
        items = list(items)
        driven = any(item.key("quantity") in DRIVEN for item in items)
        if driven and any(item.number for item in items):
            reasons = [key for key in reasons if key != "other_subject"]
    return reasons[0] if reasons else None


def is_silent(item: Item) -> bool:
    """Whether an item adds nothing: punctuation, an ornament, a word such as "is"."""
    if item.kind == "symbol":
        text = item.text.rstrip("\ufe0f")
        return text in SILENT or all(unicodedata.category(sign) in PICTURES for sign in text)
    return item.key("mark") == "ornament" or "filler" in item.senses


def read_key(items: Sequence[Item], lexicon: Lexicon) -> Key | None:
    """The quantity that a key calls; None where a word of it is unknown or it calls none or two."""
    key, before = Key(), None
    for item in _spelt(items, lexicon):
        epoch = whole_number(item) if before is not None and before.key("epoch") else None
        grown = grow_key(key, item, lexicon) if epoch is None else key._replace(epoch=epoch)
        if grown is None:
            return None
        key, before = grown, item
    if not key.quantities and key.split == PAIR:
        return key._replace(quantities=(lexicon.quantities["episodes"],))
    if not key.quantities and key.part:
        return key._replace(quantities=(lexicon.quantities["part_trains"],), group=key.part)
    return key if key.quantities else None


def _spelt(items: Sequence[Item], lexicon: Lexicon) -> Iterator[Item]:
    """The items of a key without marks, the words of an identifier ("max_epochs") one by one."""
    for item in items:
        if item.kind == "identifier":
            yield from lexicon.lex(item.text.replace("_", " "), lexicon.no_names)
        elif item.kind != "mark" or len(items) == 1:
            yield item


def grow_key(key: Key, item: Item, lexicon: Lexicon) -> Key | None:
    """The key with what an item adds; None where it does not belong in a key."""
    if item.kind == "name":
        return key._replace(name=item.key("name")) if key.name is None else None
    if quantities := item.keys("quantity"):
        called = tuple(lexicon.quantities[entry] for entry in quantities)
        return None if key.quantities else key._replace(quantities=called)
    if item.key("split") == "val" and key.split == "train" and not key.quantities:
        return key._replace(split=PAIR)
    for kind in ("qualifier", "split", "group"):
        if (value := item.key(kind)) is not None and not getattr(key, kind):
            return key._replace(**{kind: value})  # type: ignore[arg-type]
    if (part := item.key("word:part")) is not None and not key.part and not key.quantities:
        return key._replace(part=part)
    return key if _adds_nothing(item) else None


def _adds_nothing(item: Item) -> bool:
    silent = is_silent(item) and "assertion" not in item.senses
    return silent or item.text == "%" or "epoch" in item.senses


def whole_number(item: Item) -> int | None:
    """The value of a whole number without a unit, None for any other item."""
    number = item.number
    if number is None or number.unit or number.date or not number.base.is_integer():
        return None
    return int(number.base)


def epoch_in(items: Sequence[Item]) -> int | None:
    """The epoch that a text names: "(Epoch 8)", "epoch 8에서"."""
    epochs = (whole_number(second) for first, second in pairwise(items)
              if "epoch" in first.senses and second.start <= first.end + 2)  # fmt: skip
    return next((epoch for epoch in epochs if epoch is not None), None)


def outside(items: Sequence[Item]) -> tuple[list[Item], list[list[Item]]]:
    """The items outside brackets, and those in each bracket."""
    outer: list[Item] = []
    remarks: list[list[Item]] = []
    depth = 0
    for item in items:
        if item.kind == "symbol" and item.text in "([（":
            depth += 1
            remarks.append([])
        elif item.kind == "symbol" and item.text in ")]）":
            depth = max(depth - 1, 0)
        elif depth:
            remarks[-1].append(item)
        else:
            outer.append(item)
    return outer, remarks


def is_whole(line: Line, draft: Draft) -> bool:
    """Whether the value is all of its cell, so that it can be replaced."""
    remainder = line.text[: draft.start] + line.text[draft.end :]
    return not any(letter.isalnum() for letter in remainder)
