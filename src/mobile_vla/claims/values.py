"""Values of keys: what the items of a text say, where all of them are understood."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mobile_vla.claims.keys import (
    METRICS,
    PAIR,
    Draft,
    Key,
    Outcome,
    absence_in,
    epoch_in,
    is_silent,
    not_read,
    outside,
)
from mobile_vla.claims.lexer import Item
from mobile_vla.claims.lexicon import NUMERIC, Lexicon, Quantity
from mobile_vla.claims.model import Comparator
from mobile_vla.claims.numbers import APPROXIMATE
from mobile_vla.claims.structure import Line

LIMITS: dict[str, Comparator] = {"<": "at_most", "≤": "at_most", ">": "at_least", "≥": "at_least"}
PROGRESS = re.compile(r"\d{1,4}\s?/\s?\d{1,4}")
UNITS = {"share": "share", "size": "bytes", "duration": "s", "length": "m"}
"""Base unit of a kind of numbers."""


def value_of(line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon) -> Outcome:
    """The value of a key: the first of its quantities that the text is a value of."""
    if absence := absence_in(items):
        return not_read(absence, line)
    outer, remarks = outside(items)
    if key.split == PAIR:
        return _pair(line, outer, key, lexicon)
    outcome = Outcome()
    for quantity in key.quantities:
        outcome = READERS[quantity.type](line, outer, quantity, lexicon)
        for draft in outcome.drafts:
            if draft.quantity in METRICS and remarks and draft.epoch is None:
                draft.epoch = epoch_in([item for remark in remarks for item in remark])
            key.fill(draft)
        if outcome.drafts:
            break
    return outcome if outcome.drafts else parts_of(line, outer, key, lexicon) or outcome


def parts_of(line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon) -> Outcome | None:
    """ "384 train / 96 val": counts of the key, each with its split or direction beside it."""
    counted = next((q for q in key.quantities if q.key in ("episodes", "frames")), None)
    numbers = [item for item in items if item.number]
    beside = [item for item in items if item.key("split") or item.key("group")]
    if counted is None or not numbers or len(numbers) != len(beside):
        return None
    drafts = []
    for item, part in zip(numbers, beside, strict=True):
        draft = measure(line, item, counted, lexicon)
        if draft is None:
            return None
        draft.split, draft.group = part.key("split") or "", part.key("group") or ""
        drafts.append(key.fill(draft))
    taken = {item.start for item in (*numbers, *beside)}
    others = [item for item in items if item.start not in taken and not is_silent(item)]
    return None if any(not _beside_number(item, counted, lexicon) and item.text != "+"
                       for item in others) else Outcome(drafts)  # fmt: skip


def _pair(line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon) -> Outcome:
    """ "200 / 50" under "Train / val"."""
    numbers = [item for item in items if item.number and item.number.total is None]
    drafts = [
        draft for item in numbers if (draft := measure(line, item, key.quantities[0], lexicon))
    ]
    if len(drafts) != 2 or len(numbers) != 2:
        return not_read("no_value", line)
    drafts[0].split, drafts[1].split = "train", "val"
    return Outcome(drafts)


def _only(
    line: Line, items: Sequence[Item], values: list[Item], beside: Callable[[Item], object]
) -> Item | Outcome:
    """The one value of a text in which every other item adds nothing."""
    if len(values) != 1:
        return not_read("several_values" if values else "no_value", line)
    for item in items:
        if item is not values[0] and not is_silent(item) and not beside(item):
            return not_read("unknown_words", item.text)
    return values[0]


def _number(line: Line, items: Sequence[Item], quantity: Quantity, lexicon: Lexicon) -> Outcome:
    epoch = epoch_in(items)
    progress = quantity.key == "epochs"  # "10/10" is no date here
    values = [
        item for item in items
        if item.number and item.number.base != epoch
        and (not item.number.date or (progress and PROGRESS.fullmatch(item.text)))
    ]  # fmt: skip
    item = _only(line, items, values, lambda item: _beside_number(item, quantity, lexicon))
    if isinstance(item, Outcome):
        return item
    draft = measure(line, item, quantity, lexicon)
    if draft is None:
        return not_read("wrong_unit", line)
    limit = next((LIMITS[item.text] for item in items if item.text in LIMITS), None)
    groups = [group for item in items if (group := item.key("group"))]
    draft.comparator, draft.epoch = limit or draft.comparator, epoch
    qualifiers = [name for item in items if (name := item.key("qualifier"))]
    draft.qualifier = draft.qualifier or (qualifiers[0] if len(qualifiers) == 1 else "")
    draft.group = groups[0] if len(groups) == 1 else ""
    return Outcome([draft])


def _beside_number(item: Item, quantity: Quantity, lexicon: Lexicon) -> bool:
    if item.number or item.text in LIMITS or item.kind == "mark":
        return True
    if not item.senses.keys().isdisjoint(("epoch", "group", "qualifier")):
        return True
    nouns = (*item.keys("after"), *item.keys("quantity"))
    return any(lexicon.quantities[key].key == quantity.key for key in nouns)


def measure(line: Line, item: Item, quantity: Quantity, lexicon: Lexicon) -> Draft | None:
    """The draft of a number; None where its unit or size is not of the quantity."""
    number, kind = item.number, quantity.type
    if number is not None and quantity.key == "epochs" and PROGRESS.fullmatch(item.text):
        return _progress(line, item)
    if number is None or number.date:
        return None
    if number.total is not None and kind != "rate":
        return None
    if kind == "rate":
        kind = "share" if number.unit in lexicon.units["share"] else "count"
    if number.unit in lexicon.units["noun"]:
        number = number._replace(unit="")
    elif kind == "number" and number.unit:
        kind = "length" if quantity.key == "path_length" else "none"
    value, step = number.in_kind(kind, lexicon.units) or (float("nan"), 0.0)
    if number.total is not None:
        value, kind = value / number.total, "share"
    fits = quantity.low <= value <= quantity.high
    if not fits or (quantity.type == "count" and (not value.is_integer() or value < 0)):
        return None
    text = APPROXIMATE.sub("", item.text, count=1) if number.approximate else item.text
    return Draft(
        line, item.end - len(text), item.end, quantity.key, number=value, step=step,
        unit=UNITS.get(kind, ""), comparator="about" if number.approximate else "equal",
        terms=((line, item),) if number.total is not None else (),
    )  # fmt: skip


def _progress(line: Line, item: Item) -> Draft:
    """Epochs done of those planned: "7/10"; the value is the first of the two."""
    written = item.text.partition("/")[0].strip()
    return Draft(line, item.start, item.start + len(written), "epochs", number=float(written),
                 step=1.0, qualifier="done")  # fmt: skip


def _word(line: Line, items: Sequence[Item], quantity: Quantity, lexicon: Lexicon) -> Outcome:
    kind = f"word:{quantity.words}"
    words = [item for item in items if item.kind == "phrase" and item.key(kind)]
    keys = [item.key(kind) or "" for item in words]
    meanings = lexicon.mark_words.get(quantity.words)
    if not words and meanings:
        words = [item for item in items if item.key("mark") in ("yes", "no")]
        keys = [meanings[item.key("mark") == "no"] for item in words]
    if len(set(keys)) == 1:
        words, keys = words[:1], keys[:1]
    outcome = _only(line, items, words[:1] if quantity.words == "regime" else words,
                    lambda item: item.kind == "mark" or item.key(kind))  # fmt: skip
    if isinstance(outcome, Outcome):
        return outcome
    return Outcome([Draft(line, item.start, item.end, quantity.key, word=word)
                    for item, word in zip(words, keys, strict=True)])  # fmt: skip


def _path(line: Line, items: Sequence[Item], quantity: Quantity, _: Lexicon) -> Outcome:
    values = [item for item in items if item.kind == quantity.type]
    item = _only(line, items, values, lambda item: item.kind == "mark" or item.key("qualifier"))
    if isinstance(item, Outcome):
        return item
    return Outcome([Draft(line, item.start, item.end, quantity.key, word=item.text)])


def read_date(line: Line, items: Sequence[Item], quantity: Quantity, _: Lexicon) -> Outcome:
    """A date that stands alone."""
    dates = [item for item in items if item.number and item.number.date]
    item = _only(line, items, dates, lambda _: False)
    if isinstance(item, Outcome) or item.number is None:
        return item if isinstance(item, Outcome) else Outcome()
    return Outcome([Draft(line, item.start, item.end, quantity.key, word=item.number.date)])


def _text(line: Line, items: Sequence[Item], quantity: Quantity, _: Lexicon) -> Outcome:
    return Outcome([Draft(line, items[0].start, items[-1].end, quantity.key)] if items else ())


READERS: dict[str, Callable[[Line, Sequence[Item], Quantity, Lexicon], Outcome]] = {
    **dict.fromkeys(NUMERIC, _number), "word": _word, "flag": _word, "path": _path, "glob": _path,
    "date": read_date, "text": _text,
}  # fmt: skip
