"""Claims of one line: `key: value`, a name with values, or one-clause sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mobile_vla.claims.comparisons import read_arithmetic, read_comparison
from mobile_vla.claims.keys import Draft, Outcome, is_silent, read_key, short
from mobile_vla.claims.lexicon import Item
from mobile_vla.claims.page_names import BLOCKED, PageNames
from mobile_vla.claims.phrases import Reader, outside
from mobile_vla.claims.read_tables import is_whole, read_value
from mobile_vla.claims.structure import Line
from mobile_vla.messages.reason import reason

PROSE = 3
"""Words of a sentence that the lexicon does not know, above which it is prose."""


def read_line(line: Line, names: PageNames, reader: Reader, owner: str | None) -> Outcome:
    """What a line states, or why nothing of it was read. `owner`: the run it stands under."""
    items = names.items(line)
    if line.quoted:
        return Outcome(why=reason("claim.quoted", text=short(line)))
    if line.done is False:
        return Outcome(why=reason("claim.planned", text=short(line)))
    result = Outcome()
    for sentence in _sentences(line, _without_ordinal(items)):
        entry = _sentence(line, sentence, names, reader, owner)
        result.drafts += entry.drafts
        result.why = result.why or entry.why
    return result


def lead_name(line: Line, names: PageNames) -> str | None:
    """The run that a line introduces: "Case 1:", "**Case 1** (left)"."""
    outer, _ = outside(names.items(line))
    results = {str(item.key("name")) for item in outer if item.kind == "name"}
    remainder = [
        item for item in outer if item.kind not in ("name", "mark") and not is_silent(item)
    ]
    return results.pop() if len(results) == 1 and not remainder else None


def _without_ordinal(items: list[Item]) -> list[Item]:
    """The items without the "1)" or "2." that they begin with."""
    ordinal = len(items) > 2 and items[0].number is not None and items[1].text in (")", ".")
    return items[2:] if ordinal else items


def _sentences(line: Line, items: list[Item]) -> Iterator[list[Item]]:
    part: list[Item] = []
    for item in items:
        ends = item.kind == "symbol" and item.text in (".", "!", "。")
        if ends and line.text[item.end : item.end + 1] in ("", " "):
            if part:
                yield part
            part = []
        else:
            part.append(item)
    if part:
        yield part


def _sentence(
    line: Line, items: list[Item], names: PageNames, reader: Reader, owner: str | None
) -> Outcome:
    unknown = [item for item in items if item.kind == "other"]
    if len(unknown) > PROSE and _colon(items) is None:
        return Outcome(why=reason("claim.unknown_words", text=unknown[0].text))
    compared = read_comparison(line, items, names)
    if compared:
        return Outcome(compared)
    sums = read_arithmetic(line, items, names)
    results = {str(item.key("name")) for item in items if item.kind == "name"}
    if len(results) > 1:
        return Outcome(why=reason("claim.several_runs", text=short(line)))
    parts = _settings(items)
    outcomes = [_statement(line, part, names, reader) for part in parts]
    holder = results.pop() if results else owner
    drafts = [draft for outcome in outcomes for draft in outcome.drafts]
    why = next((outcome.why for outcome in outcomes if outcome.why), None)
    if drafts and not holder:
        why = reason("claim.no_owner", text=short(line))
        return Outcome(sums, why)
    whole = len(drafts) == 1 and line.kind != "heading"
    drafts = [
        replace(draft, owner=draft.owner or holder, whole=whole and _is_all(line, items, draft))
        for draft in drafts
    ]
    if sums and absent(outcomes):
        sums = []
    return Outcome([*drafts, *[replace(draft, owner=holder or None) for draft in sums]], why)


def absent(outcomes: list[Outcome]) -> bool:
    """Whether a text was not read because it asserts nothing."""
    codes = {outcome.why.code for outcome in outcomes if outcome.why}
    return bool(codes & {"claim.denied", "claim.asked", "claim.planned", "claim.wished"})


def _is_all(line: Line, items: list[Item], draft: Draft) -> bool:
    """Whether the value is all that follows its key."""
    colon = _colon(items)
    begin = items[colon].end if colon is not None else None
    if begin is None or draft.start < begin:
        return is_whole(line, draft)
    remainder = line.text[begin : draft.start] + line.text[draft.end : items[-1].end]
    return not any(letter.isalnum() for letter in remainder)


def _settings(items: list[Item]) -> list[list[Item]]:
    """The parts of "batch: 1, lr: 1e-4", where each has its own sign; else the text as one."""
    parts: list[list[Item]] = [[]]
    depth = 0
    for item in items:
        if item.kind == "symbol":
            depth += (item.text in "([") - (item.text in ")]")
        if item.kind == "symbol" and item.text in (",", ";", "·", "|") and depth <= 0:
            parts.append([])
        else:
            parts[-1].append(item)
    parts = [part for part in parts if part]
    return parts if len(parts) > 1 and all(_colon(part) is not None for part in parts) else [items]


def _colon(items: list[Item]) -> int | None:
    """The sign between key and value, outside brackets."""
    depth = 0
    for number, item in enumerate(items):
        if item.kind == "symbol":
            depth += (item.text in "([（") - (item.text in ")]）")
            if item.text in (":", "=", "：") and depth <= 0 and number > 0:
                return number
    return None


def _statement(line: Line, items: list[Item], names: PageNames, reader: Reader) -> Outcome:
    colon = _colon(items)
    if colon is None:
        return reader.clauses(line, [item for item in items if item.kind != "name"])
    left, right = items[:colon], items[colon + 1 :]
    outer, remarks = outside(left)
    words = [item for item in outer if not is_silent(item) and item.kind not in ("name", "mark")]
    topical = [item for item in words if not item.key("topic")]
    key = read_key(outer, reader.lexicon)
    if key is not None and all(_is_plain(remark) for remark in remarks):
        return read_value(line, right, key, reader)
    if not words and any(item.kind == "name" for item in outer):
        inner = _statement(line, right, names, reader)
        remarked = [reader.clauses(line, remark, strict=False) for remark in remarks]
        inner.drafts += [draft for outcome in remarked for draft in outcome.drafts]
        return inner
    if (words and not topical) or (
        not words and not topical and any(item.key("topic") for item in outer)
    ):
        return reader.clauses(line, right, strict=False)
    return Outcome(why=reason("claim.unknown_key", text=line.text[left[0].start : left[-1].end]))


def _is_plain(remark: list[Item]) -> bool:
    """Whether a remark in a key changes nothing of it: a unit, an arrow, a quantity again."""
    return all(is_silent(item) or item.key("quantity") or item.key("filler") for item in remark)


__all__ = ["BLOCKED", "lead_name", "read_line"]
