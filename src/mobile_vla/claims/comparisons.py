"""What a page says of two runs, of their settings, and of its own numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import cast

from mobile_vla.claims.assertion import absence_in
from mobile_vla.claims.keys import Draft, is_silent
from mobile_vla.claims.lexicon import Item
from mobile_vla.claims.model import Comparator
from mobile_vla.claims.page_names import PageNames
from mobile_vla.claims.phrases import outside
from mobile_vla.claims.structure import Line

MULTIPLES = frozenset({"x", "×", "배", "times"})
DIFFERENCES = frozenset({"same", "only_differs", "same_except"})
SUPERLATIVES = frozenset({"best", "lowest", "highest"})


def read_comparison_row(head: list[Line], row: list[Line], names: PageNames) -> list[Draft]:
    """A row of a table of comparisons: two runs, and whether they may be compared."""
    if any(cell.quoted for cell in row) or absence_in(names.items(row[-1])):
        return []
    pair = _pair([item for cell in row for item in names.items(cell)])
    verdict = None
    for title, cell in zip(head[1:], row[1:], strict=True):
        if any(item.key("quantity") == "comparison" for item in names.items(title)):
            verdict = _verdict(cell, names)
    if pair is None or verdict is None:
        return []
    cell, item, word = verdict
    factors = _factors(names.items(row[0]))
    return [
        Draft(cell, item.start, item.end, "comparison", kind="comparison", comparator=word,
              word=word, owner=pair[0], other=pair[1], factors=factors)
    ]  # fmt: skip


def _verdict(cell: Line, names: PageNames) -> tuple[Line, Item, Comparator] | None:
    for item in names.items(cell):
        word = item.key("word:possible")
        if word in ("comparable", "not_comparable"):
            return cell, item, "comparable" if word == "comparable" else "not_comparable"
        if (mark := item.key("mark")) in ("yes", "no"):
            return cell, item, "comparable" if mark == "yes" else "not_comparable"
    return None


def _pair(items: list[Item]) -> tuple[str, str] | None:
    results = list(dict.fromkeys(str(item.key("name")) for item in items if item.kind == "name"))
    return (results[0], results[1]) if len(results) == 2 else None


def _factors(items: list[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item.key("factor")) for item in items if item.key("factor")))


def read_comparison(line: Line, items: list[Item], names: PageNames) -> list[Draft]:
    """A sentence, heading or item that compares: "A's val loss is 3× lower than B's", "A is best",
    "A vs B: only the data differs", "A vs B: fair comparison".
    """
    named = [str(item.key("name")) for item in items if item.kind == "name"]
    results = list({names.head_of(name): name for name in reversed(named)}.values())[::-1]
    words = [item for item in items if item.key("comparator") or item.key("word:possible")]
    words = [
        item for item in words if not (item.key("qualifier") and _quantity_follows(items, item))
    ]
    if not words or not 1 <= len(results) <= 2 or absence_in(items):
        return []
    remainder = [
        item for item in outside(items)[0]
        if item not in words and item.kind not in ("name", "mark")
        and not is_silent(item) and not item.key("versus")
    ]  # fmt: skip
    word = words[0].key("comparator") or words[0].key("word:possible")
    other = results[1] if len(results) == 2 else None
    base = Draft(line, words[0].start, words[-1].end, "comparison", owner=results[0], other=other)
    if word in DIFFERENCES:
        factors = _factors(remainder)
        if other is None or any(not item.key("factor") for item in remainder):
            return []
        comparator: Comparator = word  # type: ignore[assignment]
        return (
            [replace(base, kind="difference", comparator=comparator, factors=factors)]
            if factors or word == "same"
            else []
        )
    if word in ("comparable", "not_comparable"):
        if other is None or any(
            not item.key("factor") and not item.key("quantity") for item in remainder
        ):
            return []
        draft = replace(base, kind="comparison", comparator=cast(Comparator, word), word=word)
        return [replace(draft, factors=_factors(remainder))]
    return _of_quantity(base, remainder, str(word), names)


def _of_quantity(base: Draft, remainder: list[Item], word: str, names: PageNames) -> list[Draft]:
    quantities = [item for item in remainder if item.key("quantity")]
    times = [
        item for item in remainder if item.number is not None and item.number.unit in MULTIPLES
    ]
    if len(quantities) > 1 or len(times) > 1 or len(remainder) != len(quantities) + len(times):
        return []
    if base.other is None and word not in SUPERLATIVES and not quantities:
        return []
    key = (
        names.lexicon.quantities[str(quantities[0].key("quantity"))].key
        if quantities
        else "comparison"
    )
    draft = replace(base, kind="comparison", quantity=key, comparator=cast(Comparator, word))
    if times and times[0].number is not None:
        ratio, step = times[0].number.base, times[0].number.step
        if word in ("lower", "better") and ratio > 0:
            ratio, step = 1 / ratio, step / ratio**2
        draft = replace(draft, start=times[0].start, end=times[0].end, comparator="times",
                        number=ratio, step=step, word=word)  # fmt: skip
    return [draft]


def _quantity_follows(items: list[Item], item: Item) -> bool:
    following = [entry for entry in items if entry.start >= item.end and entry.kind != "symbol"]
    return bool(following) and following[0].key("quantity") is not None


# -------------------------------------------------------------------- arithmetic of one line


def read_arithmetic(line: Line, items: list[Item], names: PageNames) -> list[Draft]:
    """Sums and shares that a line spells out: "250 + 250 = 500", "400 (200 + 200)"."""
    numbers = [item for item in items if item.number is not None and not item.number.date]
    drafts = []
    for number, total in enumerate(numbers):
        terms = _sum_before(items, numbers, number) or _sum_in_bracket(line, items, numbers, number)
        if len(terms) > 1 and total.number is not None:
            drafts.append(Draft(
                line, total.start, total.end, "comparison", kind="arithmetic", comparator="sum",
                number=total.number.base, step=total.number.step,
                terms=tuple((line, item) for item in terms),
            ))  # fmt: skip
    return [*drafts, *_shares(line, numbers, names)]


def _sum_before(items: list[Item], numbers: list[Item], at: int) -> list[Item]:
    """The terms of "a + b" before "= total"."""
    total = numbers[at]
    place = items.index(total)
    if place == 0 or items[place - 1].text not in ("=", "→") or at < 2:
        return []
    return _joined_by_plus(items, numbers[:at])


def _sum_in_bracket(line: Line, items: list[Item], numbers: list[Item], at: int) -> list[Item]:
    """The terms of "(a left + b right)" after a total."""
    after = numbers[at + 1 :]
    if len(after) < 2:
        return []
    between = line.text[numbers[at].end : after[0].start]
    close = line.text.find(")", after[0].start)
    if between.count("(") != 1 or ")" in between or close < 0:
        return []
    inner = [item for item in after if item.end <= close]
    return _joined_by_plus(items, inner)


def _joined_by_plus(items: list[Item], numbers: list[Item]) -> list[Item]:
    """The numbers, if a plus sign and nothing but words stands between each two."""
    terms = list(numbers[-1:])
    for first, second in zip(reversed(numbers[:-1]), reversed(numbers), strict=False):
        between = [item for item in items if first.end <= item.start < second.start]
        signs = [item.text for item in between if item.kind == "symbol"]
        if signs != ["+"] and not (not signs and "+" in "".join(item.text for item in between)):
            break
        terms.insert(0, first)
    return terms if len(terms) == len(numbers) else (terms if len(terms) > 1 else [])


def _shares(line: Line, numbers: list[Item], names: PageNames) -> list[Draft]:
    """Percentages right after a fraction: "19/20 (95 %)"."""
    drafts = []
    for fraction, share in pairwise(numbers):
        if fraction.number is None or share.number is None or fraction.number.total is None:
            continue
        between = line.text[fraction.end : share.start]
        if share.number.unit in names.lexicon.units["share"] and set(between) <= set(" (=,:→"):
            drafts.append(Draft(
                line, share.start, share.end, "share", kind="arithmetic", comparator="share",
                number=share.number.base / 100, step=share.number.step / 100, unit="share",
                terms=((line, fraction),),
            ))  # fmt: skip
    return drafts
