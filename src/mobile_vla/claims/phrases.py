"""Keys, values and clauses: what the items of a text say, where every one of them is understood."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from mobile_vla.claims.assertion import absence_in
from mobile_vla.claims.keys import (
    LIMITS,
    MARK_STATES,
    METRICS,
    PAIR,
    WORDED,
    Draft,
    Key,
    Outcome,
    grow_key,
    is_silent,
    read_key,
    short,
)
from mobile_vla.claims.lexicon import NUMERIC, Item, Lexicon, Quantity
from mobile_vla.claims.structure import Line
from mobile_vla.messages.reason import reason


class Reader:
    """Reads values and clauses with a lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon

    def value(self, line: Line, items: Sequence[Item], key: Key) -> Outcome:
        """The value of a key: the first of its quantities that the text is a value of."""
        if absence := absence_in(items):
            return Outcome(why=reason(f"claim.{absence}", text=short(line)))
        outer, remarks = outside(items)
        if key.split == PAIR:
            return self._pair(line, outer, key)
        why = reason("claim.no_value", text=short(line))
        for quantity in key.quantities:
            outcome = self._of_quantity(line, outer, quantity)
            if outcome.drafts:
                epoch = _epoch([item for remark in remarks for item in remark])
                drafts = [
                    replace(draft, epoch=epoch) if draft.quantity in METRICS else draft
                    for draft in outcome.drafts
                ]
                return Outcome([key.fill(draft) for draft in drafts])
            why = outcome.why or why
        return Outcome(why=why)

    def _pair(self, line: Line, items: Sequence[Item], key: Key) -> Outcome:
        """ "200 / 50" under "Train / val"."""
        numbers = [item for item in items if item.number is not None and not item.number.total]
        drafts = [self.measure(line, item, key.quantities[0]) for item in numbers]
        if len(drafts) != 2 or None in drafts:
            return Outcome(why=reason("claim.no_value", text=short(line)))
        splits = zip(drafts, ("train", "val"), strict=True)
        return Outcome([replace(draft, split=split) for draft, split in splits if draft])

    def _of_quantity(self, line: Line, items: Sequence[Item], quantity: Quantity) -> Outcome:
        if quantity.type in NUMERIC:
            return self._number(line, items, quantity)
        if quantity.type in ("path", "glob"):
            return self._path(line, items, quantity)
        if quantity.type == "date":
            return self._date(line, items, quantity)
        if quantity.type == "text":
            start, end = items[0].start if items else 0, items[-1].end if items else 0
            return Outcome([Draft(line, start, end, quantity.key)] if end > start else [])
        return self._word(line, items, quantity)

    def _number(self, line: Line, items: Sequence[Item], quantity: Quantity) -> Outcome:
        numbers = [item for item in items if item.number is not None and not item.number.date]
        epoch = _epoch(items)
        if epoch is not None:
            numbers = [item for item in numbers if item.number and item.number.base != epoch]
        if len(numbers) != 1:
            code = "claim.no_value" if not numbers else "claim.several_values"
            return Outcome(why=reason(code, text=short(line)))
        stray = [item for item in items if not self._beside_number(item, quantity)]
        if stray:
            return Outcome(why=reason("claim.unknown_words", text=stray[0].text))
        draft = self.measure(line, numbers[0], quantity)
        if draft is None:
            return Outcome(why=reason("claim.wrong_unit", text=short(line)))
        limit = next((LIMITS[item.text] for item in items if item.text in LIMITS), None)
        groups = [item.key("group") for item in items if item.key("group")]
        draft = replace(draft, comparator=limit or draft.comparator, epoch=epoch,
                        group=str(groups[0]) if len(groups) == 1 else "")  # fmt: skip
        return Outcome([draft])

    def _beside_number(self, item: Item, quantity: Quantity) -> bool:
        if item.number is not None or is_silent(item) or item.text in LIMITS:
            return True
        if item.kind == "mark" or item.key("epoch") or item.key("group") or item.key("qualifier"):
            return True
        return any(
            self.lexicon.quantities[key].key == quantity.key
            for key in (*item.keys("after"), *item.keys("quantity"))
        )

    def measure(self, line: Line, item: Item, quantity: Quantity) -> Draft | None:
        """The draft of a number; None where its unit or size is not of the quantity."""
        number = item.number
        if number is None or number.date:
            return None
        kind = quantity.type
        if kind == "rate":
            kind = "share" if number.unit in self.lexicon.units["share"] else "count"
        if number.unit in self.lexicon.units["noun"]:
            number = number._replace(unit="") if number.unit not in "x×배times" else number
        if kind == "number" and number.unit:
            kind = "length" if quantity.key == "path_length" else "none"
        measured = number.in_kind(kind, self.lexicon.units)
        if measured is None:
            return None
        value, step = measured
        unit = {"share": "share", "size": "bytes", "duration": "s", "length": "m"}.get(kind, "")
        if number.total is not None:
            if quantity.type != "rate":
                return None
            value, unit = value / number.total, "share"
        if quantity.type == "count" and not (0 <= value < math.inf and value == int(value)):
            return None
        if not quantity.low <= value <= quantity.high:
            return None
        terms = ((line, item),) if number.total is not None else ()
        start = item.start
        if number.approximate:
            while start < item.end and not (
                line.text[start].isdigit() or line.text[start] in "-−.+"
            ):
                start += 1
        return Draft(
            line, start, item.end, quantity.key, number=value, step=step, unit=unit,
            comparator="about" if number.approximate else "equal", terms=terms,
        )  # fmt: skip

    def _word(self, line: Line, items: Sequence[Item], quantity: Quantity) -> Outcome:
        kind = f"word:{quantity.words}"
        words = [item for item in items if item.kind == "phrase" and item.key(kind) is not None]
        marks = [item for item in items if item.key("mark") in ("yes", "no")]
        for item in items:
            if item not in words and not is_silent(item) and item.kind != "mark":
                if item.number is not None and quantity.key == "checkpoint":
                    continue
                return Outcome(why=reason("claim.unknown_words", text=item.text))
        keys = {item.key(kind) for item in words}
        if not words and len(marks) == 1:
            word = self._mark_word(str(marks[0].key("mark")), quantity)
            words, keys = (marks, {word}) if word else ([], set())
        if len(keys) != 1:
            if quantity.words == "regime" and keys:
                return Outcome([self._drafted(line, item, quantity) for item in words])
            code = "claim.no_value" if not keys else "claim.several_values"
            return Outcome(why=reason(code, text=short(line)))
        return Outcome([replace(self._drafted(line, words[0], quantity), word=str(keys.pop()))])

    def _drafted(self, line: Line, item: Item, quantity: Quantity) -> Draft:
        word = item.key(f"word:{quantity.words}") or ""
        return Draft(line, item.start, item.end, quantity.key, word=word)

    def _mark_word(self, mark: str, quantity: Quantity) -> str | None:
        match quantity.words:
            case "state":
                return MARK_STATES[mark]
            case "answer":
                return mark
            case "possible":
                return "comparable" if mark == "yes" else "not_comparable"
            case "lora":
                return "lora" if mark == "yes" else "no_lora"
            case "freeze":
                return "frozen" if mark == "yes" else "full"
        return None

    def _path(self, line: Line, items: Sequence[Item], quantity: Quantity) -> Outcome:
        kinds = ("glob",) if quantity.type == "glob" else ("path",)
        paths = [item for item in items if item.kind in kinds]
        stray = [item for item in items if item not in paths and not is_silent(item)
                 and item.kind != "mark" and item.key("qualifier") is None]  # fmt: skip
        if len(paths) != 1 or stray:
            return Outcome(why=reason("claim.no_value", text=short(line)))
        item = paths[0]
        return Outcome([Draft(line, item.start, item.end, quantity.key, word=item.text)])

    def _date(self, line: Line, items: Sequence[Item], quantity: Quantity) -> Outcome:
        dates = [item for item in items if item.number is not None and item.number.date]
        stray = [item for item in items if item not in dates and not is_silent(item)]
        if len(dates) != 1 or stray or dates[0].number is None:
            return Outcome(why=reason("claim.no_value", text=short(line)))
        item, date = dates[0], dates[0].number.date
        return Outcome([Draft(line, item.start, item.end, quantity.key, word=date)])

    # ---------------------------------------------------------------- clauses without a key

    def clauses(self, line: Line, items: Sequence[Item], strict: bool = True) -> Outcome:
        """What a text says that has no colon: each clause a value with its quantity.

        `strict`: every clause must be understood, else nothing is read.
        """
        if absence := absence_in(items):
            return Outcome(why=reason(f"claim.{absence}", text=short(line)))
        outcome, why = Outcome(), None
        for clause, remark in split_clauses(items):
            entry = self.clause(line, clause)
            outcome.drafts += entry.drafts
            beside = remark and outcome.drafts and all(item.number is None for item in clause)
            if entry.why is not None and not beside and not (remark and not strict):
                why = entry.why
        if why is not None and (strict or not outcome.drafts):
            return Outcome(why=why)
        return outcome

    def clause(self, line: Line, items: Sequence[Item]) -> Outcome:
        """One clause: "val loss 0.013", "250 left episodes", "failed", "left only"."""
        content = [item for item in items
                if not is_silent(item) or item.key("quantity") or item.key("split")]  # fmt: skip
        if not content or all(item.kind in ("mark", "name") for item in content):
            return Outcome()
        numbers = [item for item in content if item.number is not None]
        dates = [item for item in numbers if item.number and item.number.date]
        if dates:
            return self._dated_clause(line, content, dates)
        if numbers:
            return self._numbered_clause(line, content, numbers)
        for quantity in self.lexicon.quantities.values():
            if quantity.key in WORDED and quantity.type == "word":
                kind = f"word:{quantity.words}"
                hits = [item for item in content if item.key(kind)]
                others = [item for item in content if item not in hits]
                remainder = [item for item in others if not _beside_word(item, quantity)]
                single = len(hits) == 1 or quantity.key == "regime"
                if (
                    single
                    and not remainder
                    and (quantity.key != "direction" or _is_explicit(hits[0]))
                ):
                    return Outcome([self._drafted(line, item, quantity) for item in hits])
        return Outcome(why=reason("claim.unknown_words", text=content[0].text))

    def _dated_clause(self, line: Line, content: list[Item], dates: list[Item]) -> Outcome:
        """A date in a heading, or one beside "started"."""
        remainder = [
            item for item in content if item not in dates and item.kind not in ("name", "mark")
        ]
        started = bool(remainder) and all(item.key("quantity") == "started" for item in remainder)
        if (
            len(dates) != 1
            or (remainder and not started)
            or (not remainder and line.kind != "heading")
        ):
            return Outcome(why=reason("claim.no_quantity", text=short(line)))
        quantity = self.lexicon.quantities["started" if started else "date"]
        return self._date(line, dates, quantity)

    def _numbered_clause(self, line: Line, content: list[Item], numbers: list[Item]) -> Outcome:
        epoch = _epoch(content)
        words = [
            item for item in content
            if item.number is None and item.kind not in ("mark", "name")
            and item.key("assertion") is None and not (epoch is not None and item.key("epoch"))
        ]  # fmt: skip
        numbers = [item for item in numbers if not (item.number and item.number.base == epoch)]
        key = self._clause_key(words)
        if key is None:
            return Outcome(why=reason("claim.no_quantity", text=short(line)))
        if len(numbers) != 1:
            return Outcome(why=reason("claim.several_values", text=short(line)))
        for quantity in key.quantities:
            draft = self.measure(line, numbers[0], quantity)
            if draft is not None and quantity.type in NUMERIC:
                return Outcome([key.fill(replace(draft, epoch=epoch))])
        return Outcome(why=reason("claim.wrong_unit", text=short(line)))

    def _clause_key(self, words: list[Item]) -> Key | None:
        """The quantity beside a number: "val loss", "left episodes", a group alone ("250 left")."""
        directions = [item for item in words if item.key("word:direction")]
        if directions == words and len(words) == 1:
            return Key((self.lexicon.quantities["episodes"],), group=words[0].key("group") or "")
        words = [item for item in words if item.key("word:direction") != "both"]
        counted = [item for item in words if item.keys("after")]
        if (results := read_key(words, self.lexicon)) is not None or len(counted) != 1:
            return results
        nouns = tuple(self.lexicon.quantities[entry] for entry in counted[0].keys("after"))
        key: Key | None = Key(nouns)
        for item in words:
            if key is not None and item is not counted[0]:
                key = grow_key(key, item, self.lexicon)
        return key


def _beside_word(item: Item, quantity: Quantity) -> bool:
    """Whether an item beside a value in words adds nothing to it."""
    return item.kind in ("mark", "name") or quantity.key in item.keys("quantity")


def _is_explicit(item: Item) -> bool:
    """Whether a direction's words say how the whole data is: "left only", "left+right"."""
    return (
        item.key("word:direction") == "both"
        or len(item.text.split()) > 1
        or item.text.endswith("만")
    )


def _epoch(items: Sequence[Item]) -> int | None:
    """The epoch that a text names: "(Epoch 8)", "epoch 8에서"."""
    for first, second in pairwise(items):
        if not first.key("epoch") or second.number is None or second.number.unit:
            continue
        if second.start <= first.end + 2 and second.number.base == int(second.number.base):
            return int(second.number.base)
    return None


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


def split_clauses(items: Sequence[Item]) -> Iterator[tuple[list[Item], bool]]:
    """The clauses between commas, arrows, plus signs and brackets; whether each is in brackets."""
    outer, remarks = outside(items)
    for part in _split(outer):
        yield part, False
    for remark in remarks:
        for part in _split(remark):
            yield part, True


def _split(items: Sequence[Item]) -> Iterator[list[Item]]:
    part: list[Item] = []
    for item in items:
        if item.kind == "symbol" and item.text in (
            ",",
            ";",
            "·",
            "→",
            "+",
            "|",
            "/",
            "、",
            "—",
            "–",
        ):
            if part:
                yield part
            part = []
        else:
            part.append(item)
    if part:
        yield part
