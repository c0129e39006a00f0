"""What a page says of two runs, of their settings, and of its own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from mobile_vla.claims.keys import Draft, absence_in, is_silent, outside
from mobile_vla.claims.lexer import Item
from mobile_vla.claims.model import Comparator
from mobile_vla.claims.page_names import PageNames
from mobile_vla.claims.structure import Line

DIFFERENCES = frozenset({"same", "only_differs", "same_except"})
MOST_TERMS = 40
"""Numbers of one sum."""
SUPERLATIVES = frozenset({"best", "lowest", "highest"})


def read_comparison_row(head: list[Line], row: list[Line], names: PageNames) -> list[Draft]:
    """A row of a table of comparisons: two runs, and whether they may be compared."""
    if any(cell.quoted for cell in row) or absence_in(names.items(row[-1])):
        return []
    cells = [names.items(cell) for cell in row]
    named = list(dict.fromkeys(
        item.key("name") for items in cells for item in items if item.kind == "name"))  # fmt: skip
    meanings = names.lexicon.mark_words["possible"]
    for title, cell, items in zip(head[1:], row[1:], cells[1:], strict=True):
        if any(item.key("quantity") == "comparison" for item in names.items(title)):
            for item in items:
                mark = item.key("mark")
                word = item.key("word:possible") or (
                    meanings[mark == "no"] if mark in ("yes", "no") else None
                )
                if word and len(named) == 2:
                    return [Draft(
                        cell, item.start, item.end, "comparison", "comparison", word=word,
                        comparator=cast(Comparator, word), owner=named[0], other=named[1],
                        factors=_factors(cells[0]),
                    )]  # fmt: skip
    return []


def _factors(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(factor for item in items if (factor := item.key("factor"))))


def read_comparison(line: Line, items: Sequence[Item], names: PageNames) -> Draft | None:
    """A sentence, heading or item that compares: "A's val loss is 3× lower than B's", "A is best",
    "A vs B: only the data differs", "A vs B: fair comparison".
    """
    words = [item for item in items if item.key("comparator") or item.key("word:possible")]
    words = [item for item in words if not _qualifies(items, item)]
    named = [item.key("name") or "" for item in items if item.kind == "name"] if words else []
    runs = list({names.head_of(name): name for name in reversed(named)}.values())[::-1]
    if not 1 <= len(runs) <= 2 or absence_in(items):
        return None
    remainder = [
        item for item in outside(items)[0]
        if item not in words and item.kind not in ("name", "mark")
        and not is_silent(item) and not item.key("versus")
    ]  # fmt: skip
    word = cast(Comparator, words[0].key("comparator") or words[0].key("word:possible"))
    draft = Draft(line, words[0].start, words[-1].end, "comparison", "comparison", comparator=word,
                  owner=runs[0], other=runs[1] if len(runs) == 2 else None)  # fmt: skip
    if word not in DIFFERENCES and word not in ("comparable", "not_comparable"):
        return _of_quantity(draft, remainder, names)
    covered = all(item.key("factor") or (word not in DIFFERENCES and item.key("quantity"))
                for item in remainder)  # fmt: skip
    draft.factors = _factors(remainder)
    if draft.other is None or not covered:
        return None
    if word in DIFFERENCES:
        draft.kind = "difference"
        return draft if draft.factors or word == "same" else None
    draft.word = word
    return draft


def _of_quantity(draft: Draft, remainder: list[Item], names: PageNames) -> Draft | None:
    """A comparison of a quantity, such as "3× lower"."""
    qualifiers = [item for item in remainder if item.key("qualifier")]
    remainder = [item for item in remainder if item not in qualifiers]
    quantities = [item for item in remainder if item.key("quantity")]
    multiple = names.lexicon.units["multiple"]
    times = [item for item in remainder if item.number and item.number.unit in multiple]
    if max(len(quantities), len(times)) > 1 or len(remainder) != len(quantities) + len(times):
        return None
    if draft.other is None and draft.comparator not in SUPERLATIVES and not quantities:
        return None
    if quantities:
        draft.qualifier = (qualifiers[0].key("qualifier") or "") if len(qualifiers) == 1 else ""
        draft.quantity = names.lexicon.quantities[quantities[0].key("quantity") or ""].key
    if times and times[0].number:
        ratio, step = times[0].number.base, times[0].number.step
        if draft.comparator in ("lower", "better") and ratio > 0:
            ratio, step = 1 / ratio, step / ratio**2
        draft.start, draft.end, draft.number, draft.step = *times[0][1:3], ratio, step
        draft.word, draft.comparator = draft.comparator, "times"
    return draft


def _qualifies(items: Sequence[Item], item: Item) -> bool:
    """Whether a word such as "best" stands before a quantity: "the best val loss"."""
    if item.key("qualifier") is None:
        return False
    following = (entry for entry in items if entry.start >= item.end and entry.kind != "symbol")
    first = next(following, None)
    return first is not None and first.key("quantity") is not None


# -------------------------------------------------------------------- arithmetic of one line


def read_arithmetic(line: Line, items: Sequence[Item], names: PageNames) -> list[Draft]:
    """Sums and shares of a line: "250 + 250 = 500", "400 (200 + 200)", "19/20 (95 %)"."""
    numbers = [item for item in items if item.number and not item.number.date]
    drafts = []
    for at, total in enumerate(numbers):
        terms = _sum_before(line, numbers, at) or _sum_in_bracket(line, numbers, at)
        if terms:
            drafts.append(arithmetic(line, total, "sum", [(line, term) for term in terms]))
    for fraction, share in pairwise(numbers):
        beside = set(line.text[fraction.end : share.start]) <= set(" (=,:→")
        if beside and is_share(share, names) and fraction.number and fraction.number.total:
            drafts.append(arithmetic(line, share, "share", [(line, fraction)]))
    return drafts


def is_share(item: Item, names: PageNames) -> bool:
    """Whether an item is a percentage."""
    return item.number is not None and item.number.unit in names.lexicon.units["share"]


def arithmetic(
    line: Line, item: Item, comparator: Comparator, terms: Sequence[tuple[Line, Item]],
    replaceable: bool = False,
) -> Draft:  # fmt: skip
    """The draft of a number that others of the page make."""
    share = comparator == "share"
    worth = 100 if share else 1
    base, step = (item.number.base, item.number.step) if item.number else (0.0, 0.0)
    return Draft(
        line, item.start, item.end, "share" if share else "comparison", "arithmetic",
        number=base / worth, step=step / worth, unit="share" if share else "",
        comparator=comparator, terms=tuple(terms), whole=replaceable,
    )  # fmt: skip


def _sum_before(line: Line, numbers: list[Item], at: int) -> list[Item]:
    """The terms of "a + b" before "= total"."""
    if at < 2 or line.text[numbers[at - 1].end : numbers[at].start].strip(" 개")[-1:] not in (
        "=",
        "→",
    ):
        return []
    return _joined_by_plus(line, numbers[max(at - MOST_TERMS, 0) : at])


def _sum_in_bracket(line: Line, numbers: list[Item], at: int) -> list[Item]:
    """The terms of "(a left + b right)" after a total."""
    after = numbers[at + 1 : at + 1 + MOST_TERMS]
    between = line.text[numbers[at].end : after[0].start] if after else ""
    close = line.text.find(")", after[0].start) if after else -1
    if between.count("(") != 1 or ")" in between or close < 0:
        return []
    inner = [item for item in after if item.end <= close]
    terms = _joined_by_plus(line, inner)
    return terms if len(terms) == len(inner) else []


def _joined_by_plus(line: Line, numbers: list[Item]) -> list[Item]:
    """The last numbers, as far as a plus sign and nothing but words stands between each two."""
    terms = numbers[-1:]
    for first, second in zip(numbers[-2::-1], numbers[:0:-1], strict=True):
        between = line.text[first.end : second.end].removesuffix(second.text.lstrip("+"))
        signs = [letter for letter in between if not letter.isalnum() and not letter.isspace()]
        if signs != ["+"]:
            break
        terms.insert(0, first)
    return terms if len(terms) > 1 else []
