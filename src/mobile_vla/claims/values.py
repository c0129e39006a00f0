"""Values and clauses: what the items of a text say, where all of them are understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mobile_vla.claims.keys import (
    METRICS,
    PAIR,
    Draft,
    Key,
    Outcome,
    absence_in,
    epoch_in,
    grow_key,
    is_silent,
    not_read,
    outside,
    read_key,
)
from mobile_vla.claims.lexer import Item
from mobile_vla.claims.lexicon import NUMERIC, Lexicon, Quantity
from mobile_vla.claims.model import Comparator
from mobile_vla.claims.numbers import APPROXIMATE
from mobile_vla.claims.structure import Line

LIMITS: dict[str, Comparator] = {"<": "at_most", "≤": "at_most", ">": "at_least", "≥": "at_least"}
UNITS = {"share": "share", "size": "bytes", "duration": "s", "length": "m"}
"""Base unit of a kind of numbers."""
BREAKS = frozenset(",;·→+|/、—–")
SPOKEN = ("regime", "overfitting", "direction", "state")
"""Quantities whose value in words tells what it is of: "failed", "no overfitting", "left only"."""


def read_value(line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon) -> Outcome:
    """The value of a key, with remarks in brackets; for "Data" or "LoRA" clauses as well."""
    outcome = value_of(line, items, key, lexicon)
    if not outcome.drafts:
        worded = {quantity.key for quantity in key.quantities} & {"direction", "regime"}
        return clauses(line, items, lexicon, strict=False) if worded else outcome
    drafts = list(outcome.drafts)
    taken = {draft.quantity for draft in drafts}
    for remark in outside(items)[1]:
        remarked = clauses(line, remark, lexicon, strict=False).drafts
        drafts += [draft for draft in remarked if draft.quantity not in taken]
    return Outcome(drafts)


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
    return outcome


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
    values = [item for item in items
              if item.number and not item.number.date and item.number.base != epoch]  # fmt: skip
    item = _only(line, items, values, lambda item: _beside_number(item, quantity, lexicon))
    if isinstance(item, Outcome):
        return item
    draft = measure(line, item, quantity, lexicon)
    if draft is None:
        return not_read("wrong_unit", line)
    limit = next((LIMITS[item.text] for item in items if item.text in LIMITS), None)
    groups = [group for item in items if (group := item.key("group"))]
    draft.comparator, draft.epoch = limit or draft.comparator, epoch
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
    if number is None or number.date or (number.total is not None and kind != "rate"):
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


def _date(line: Line, items: Sequence[Item], quantity: Quantity, _: Lexicon) -> Outcome:
    dates = [item for item in items if item.number and item.number.date]
    item = _only(line, items, dates, lambda _: False)
    if isinstance(item, Outcome) or item.number is None:
        return item if isinstance(item, Outcome) else Outcome()
    return Outcome([Draft(line, item.start, item.end, quantity.key, word=item.number.date)])


def _text(line: Line, items: Sequence[Item], quantity: Quantity, _: Lexicon) -> Outcome:
    return Outcome([Draft(line, items[0].start, items[-1].end, quantity.key)] if items else ())


READERS: dict[str, Callable[[Line, Sequence[Item], Quantity, Lexicon], Outcome]] = {
    **dict.fromkeys(NUMERIC, _number), "word": _word, "flag": _word, "path": _path, "glob": _path,
    "date": _date, "text": _text,
}  # fmt: skip


# -------------------------------------------------------------------- clauses without a key


def clauses(line: Line, items: Sequence[Item], lexicon: Lexicon, strict: bool = True) -> Outcome:
    """What a text says that has no colon: each clause a value with its quantity.

    `strict`: every clause must be understood, else nothing is read.
    """
    if absence := absence_in(items):
        return not_read(absence, line)
    drafts: list[Draft] = []
    why = None
    for part, remark in _clauses(items):
        outcome = _clause(line, part, lexicon)
        drafts += outcome.drafts
        aside = remark and (not strict or (drafts and not any(item.number for item in part)))
        why = why if aside else outcome.why or why
    if why is not None and (strict or not drafts):
        return Outcome((), why)
    return Outcome(drafts)


def _clauses(items: Sequence[Item]) -> Iterator[tuple[list[Item], bool]]:
    """The clauses between commas, arrows, plus signs and brackets; whether each is in brackets."""
    outer, remarks = outside(items)
    for remark, entry in [(False, outer), *((True, entry) for entry in remarks)]:
        part: list[Item] = []
        for item in entry:
            if item.kind == "symbol" and item.text in BREAKS:
                yield part, remark
                part = []
            else:
                part.append(item)
        yield part, remark


def _clause(line: Line, items: Sequence[Item], lexicon: Lexicon) -> Outcome:
    """One clause: "val loss 0.013", "250 left episodes", "failed", "left only", "started 05-03"."""
    content = [item for item in items
               if not is_silent(item) or item.key("quantity") or item.key("split")]  # fmt: skip
    if all(item.kind in ("mark", "name") for item in content):
        return Outcome()
    if any(item.number for item in content):
        return _numbered(line, content, lexicon)
    for name in SPOKEN:
        kind = f"word:{lexicon.quantities[name].words}"
        hits = [item for item in content if item.key(kind)]
        others = [
            item for item in content if item not in hits and item.kind not in ("mark", "name")
        ]
        clear = hits and (name != "direction" or _is_explicit(hits[0]))
        several = len(hits) > 1 and name != "regime"
        if clear and not several and all(name in item.keys("quantity") for item in others):
            return Outcome([Draft(line, item.start, item.end, name, word=item.key(kind) or "")
                            for item in hits])  # fmt: skip
    return not_read("unknown_words", content[0].text)


def _numbered(line: Line, content: list[Item], lexicon: Lexicon) -> Outcome:
    epoch = epoch_in(content)
    numbers = [item for item in content if item.number and item.number.base != epoch]
    words = [
        item for item in content
        if item.number is None and item.kind not in ("mark", "name")
        and item.key("assertion") is None and not (epoch is not None and item.key("epoch"))
    ]  # fmt: skip
    key = _clause_key(words, lexicon)
    if key is None:
        return not_read("no_quantity", line)
    if len(numbers) != 1:
        return not_read("several_values", line)
    for quantity in key.quantities:
        if quantity.type == "date" and numbers[0].number and numbers[0].number.date:
            return _date(line, numbers, quantity, lexicon)
        draft = measure(line, numbers[0], quantity, lexicon) if quantity.type in NUMERIC else None
        if draft is not None:
            draft.epoch = epoch
            return Outcome([key.fill(draft)])
    return not_read("wrong_unit", line)


def _clause_key(words: list[Item], lexicon: Lexicon) -> Key | None:
    """The quantity beside a number: "val loss", "left episodes", a group alone ("250 left")."""
    if len(words) == 1 and words[0].key("word:direction"):
        return Key((lexicon.quantities["episodes"],), group=words[0].key("group") or "")
    words = [item for item in words if item.key("word:direction") != "both"]
    counted = [item for item in words if item.keys("after")]
    if (key := read_key(words, lexicon)) is not None or len(counted) != 1:
        return key
    key = Key(tuple(lexicon.quantities[entry] for entry in counted[0].keys("after")))
    for item in words:
        if key is not None and item is not counted[0]:
            key = grow_key(key, item, lexicon)
    return key


def _is_explicit(item: Item) -> bool:
    """Whether a direction's words say how all of the data is: "left only", "left+right"."""
    both = item.key("word:direction") == "both"
    return both or len(item.text.split()) > 1 or item.text.endswith("만")
