"""Claims of one line: `key: value`, a name with values, or one-clause sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mobile_vla.claims.clauses import clauses, filled, read_value
from mobile_vla.claims.comparisons import read_arithmetic, read_comparison
from mobile_vla.claims.keys import (
    Draft,
    Key,
    Outcome,
    is_silent,
    is_whole,
    not_read,
    outside,
    read_key,
)
from mobile_vla.claims.lexer import Item
from mobile_vla.claims.page_names import PageNames
from mobile_vla.claims.structure import Line

COLON = re.compile("[:=：]")
PROSE = 6
"""Words of a sentence that the lexicon does not know, above which it is prose."""
PRONOUNS = frozenset({"it", "its"})
NOT_ASSERTED = frozenset({"claim.denied", "claim.asked", "claim.planned", "claim.wished"})


def read_line(line: Line, names: PageNames, owner: str | None) -> Outcome:
    """What a line states, or why nothing of it was read. `owner`: the run it stands under."""
    if line.quoted or line.done is False:
        return not_read("quoted" if line.quoted else "planned", line)
    items = names.items(line)
    if len(items) > 2 and items[0].number and items[1].text in (")", "."):  # "1) left only"
        items = items[2:]
    outcomes = []
    for sentence in _sentences(line, items):
        named = {item.key("name") or "" for item in sentence if item.kind == "name"}
        heads = {names.head_of(name) for name in named}
        owner = (named.pop() if len(heads) == 1 else None) if heads else owner
        outcomes.append(_sentence(line, sentence, names, owner))
    drafts = [draft for outcome in outcomes for draft in outcome.drafts]
    return Outcome(drafts, next((outcome.why for outcome in outcomes if outcome.why), None))


def lead_name(line: Line, names: PageNames) -> str | None:
    """The run that a line introduces: "Case 1:", "**Case 1** (left)"."""
    items = names.items(line)
    if not any(item.kind == "name" for item in items):
        return None
    outer = outside(items)[0]
    named = {item.key("name") for item in outer if item.kind == "name"}
    others = [item for item in outer if item.kind not in ("name", "mark") and not is_silent(item)]
    return named.pop() if len(named) == 1 and not others else None


def comment_name(line: Line, names: PageNames) -> str | None:
    """The run that a comment in a block of settings names: "# L+R (Case A)"."""
    if not line.text.lstrip().startswith(("#", "//")):
        return None
    named = list(dict.fromkeys(
        item.key("name") or "" for item in names.items(line) if item.kind == "name"))  # fmt: skip
    named = names.joined(named)
    return named[0] if len(named) == 1 else None


def begins_with_pronoun(line: Line, names: PageNames) -> bool:
    """Whether a line goes on about the run before it: "It used no LoRA", "Mon: its loss …"."""
    words = (item for item in names.items(line) if item.kind != "symbol" and not item.key("topic"))
    first = next(words, None)
    return first is not None and first.text.lower() in PRONOUNS


def _sentences(line: Line, items: Sequence[Item]) -> Iterator[list[Item]]:
    part: list[Item] = []
    for item in items:
        stops = item.kind == "symbol" and item.text in ".!。"
        if stops and line.text[item.end : item.end + 1] in ("", " "):
            yield part
            part = []
        else:
            part.append(item)
    yield part


def _sentence(line: Line, items: list[Item], names: PageNames, owner: str | None) -> Outcome:
    unknown = [item for item in items if item.kind == "other"]
    named = {item.key("name") for item in items if item.kind == "name"}
    if len(unknown) > PROSE * (1 + len(named)) and _colon(line, items) is None:
        return not_read("unknown_words", unknown[0].text)
    if compared := read_comparison(line, items, names):
        return Outcome([compared])
    if len(named) > 1:
        return not_read("several_runs", line)
    sums = read_arithmetic(line, items, names)
    holder = named.pop() if named else owner
    outcomes = [_statement(line, part, names) for part in _settings(line, items)]
    drafts = [draft for outcome in outcomes for draft in outcome.drafts]
    why = next((outcome.why for outcome in outcomes if outcome.why), None)
    if drafts and not holder:
        return Outcome(sums, not_read("no_owner", line).why)
    if len(drafts) == 1 and line.kind != "heading":
        drafts[0].whole = _is_all(line, items, drafts[0])
    if any(outcome.why and outcome.why.code in NOT_ASSERTED for outcome in outcomes):
        sums = []
    drafts += sums
    for draft in drafts:
        draft.owner = draft.owner or holder or None
    return Outcome(drafts, why)


def _is_all(line: Line, items: list[Item], draft: Draft) -> bool:
    """Whether the value is all that follows its key."""
    colon = _colon(line, items)
    if colon is None or draft.start < items[colon].end:
        return is_whole(line, draft)
    remainder = line.text[items[colon].end : draft.start] + line.text[draft.end : items[-1].end]
    return not any(letter.isalnum() for letter in remainder)


def _settings(line: Line, items: list[Item]) -> list[list[Item]]:
    """The parts of "batch: 1, lr: 1e-4", where each has its own sign; else the text as one."""
    if not COLON.search(line.text):
        return [items]
    parts: list[list[Item]] = [[]]
    for item, depth in _with_depth(items):
        if item.kind == "symbol" and item.text in ",;·|" and depth <= 0:
            parts.append([])
        else:
            parts[-1].append(item)
    parts = [part for part in parts if part]
    return (
        parts
        if len(parts) > 1 and all(_colon(line, part) is not None for part in parts)
        else [items]
    )


def _colon(line: Line, items: Sequence[Item]) -> int | None:
    """The sign between key and value, outside brackets."""
    if not COLON.search(line.text):
        return None
    for number, (item, depth) in enumerate(_with_depth(items)):
        if number and depth <= 0 and item.kind == "symbol" and item.text in ":=：":
            return number
    return None


def _with_depth(items: Sequence[Item]) -> Iterator[tuple[Item, int]]:
    """Each item with the brackets around it."""
    depth = 0
    for item in items:
        if item.kind == "symbol":
            depth += (item.text in "([（") - (item.text in ")]）")
        yield item, depth


def _statement(line: Line, items: list[Item], names: PageNames) -> Outcome:
    colon = _colon(line, items)
    if colon is None:
        strict = _may_be_of_another(items)
        items = [item for item in items if item.kind != "name"]
        return clauses(line, items, names.lexicon, strict)
    left, right = items[:colon], items[colon + 1 :]
    outer, remarks = outside(left)
    key = read_key([item for item in outer if item.kind != "mark"], names.lexicon)
    if key is not None and all(_is_plain(remark) for remark in remarks):
        return read_value(line, right, key, names.lexicon)
    words = [item for item in outer if not is_silent(item) and item.kind not in ("name", "mark")]
    if not words and any(item.kind == "name" for item in outer):
        inner = _statement(line, right, names)
        remarked = [clauses(line, remark, names.lexicon, strict=False) for remark in remarks]
        return Outcome([*inner.drafts, *(draft for entry in remarked for draft in entry.drafts)],
                       inner.why)  # fmt: skip
    outcome = _under_a_word(line, left, right, words, names) if words else None
    return outcome or not_read("unknown_key", line.text[left[0].start : left[-1].end])


def _under_a_word(
    line: Line, left: list[Item], right: list[Item], words: list[Item], names: PageNames
) -> Outcome | None:
    """What stands under a day, a topic or a state: "Mon: done", "Last: …", "failed: …"."""
    if all(item.key("topic") or item.key("qualifier") for item in words):
        topic = Key(qualifier=next((q for item in words if (q := item.key("qualifier"))), ""))
        if _colon(line, right) is not None:
            return _statement(line, right, names)
        return filled(clauses(line, right, names.lexicon, strict=False), topic)
    if not right or any(item.key("word:state") is None for item in words):
        return None
    state = clauses(line, [item for item in left if item.kind != "name"], names.lexicon)
    cause = Draft(line, right[0].start, right[-1].end, "cause")
    failed = words[0].key("word:state") == "failed" and state.drafts
    return Outcome([*state.drafts, cause]) if failed else state


def _may_be_of_another(items: list[Item]) -> bool:
    """Whether a sentence compares, or holds a capital word that may be a model's name."""
    return any(
        (item.key("comparator") and not item.key("qualifier")) or item.key("versus")
        or (number and item.kind == "other" and item.text[:1].isupper())
        for number, item in enumerate(items)
    )  # fmt: skip


def _is_plain(remark: list[Item]) -> bool:
    """Whether a remark in a key changes nothing of it: a unit, an arrow, a quantity again."""
    return all(is_silent(item) or item.key("quantity") for item in remark)
