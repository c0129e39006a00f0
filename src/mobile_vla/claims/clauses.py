"""Values with remarks, and clauses without a key, where every item is understood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mobile_vla.claims.keys import (
    METRICS,
    SPLIT,
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
from mobile_vla.claims.lexicon import NUMERIC, Lexicon
from mobile_vla.claims.structure import Line
from mobile_vla.claims.values import measure, parts_of, read_date, value_of

BREAKS = frozenset(",;·→+|/、—–")
CONJUNCTIONS = frozenset({"and", "but", "then", "while", "그리고"})
ENDINGS = frozenset({"이며", "이고", "이지만"})
"""Korean endings that close a clause after a name or a number."""
SPOKEN = ("regime", "overfitting", "direction", "state")
"""Quantities whose value in words tells what it is of: "failed", "no overfitting", "left only"."""
TELLING = ("quantity", "split", "qualifier")
"""Senses for which a word counts that is silent otherwise."""
WORDED = frozenset({"direction", "regime", "vlm", "checkpoint", "checkpoint_file"})
"""Quantities whose key may stand before clauses: "VLM: frozen, no LoRA"."""


def read_value(line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon) -> Outcome:
    """The value of a key, with remarks in brackets; for "Data" or "LoRA" clauses as well."""
    if not key.quantities:
        return clauses(line, items, lexicon, strict=False)
    outcome = value_of(line, items, key, lexicon)
    if not outcome.drafts:
        worded = {quantity.key for quantity in key.quantities} & WORDED
        if worded:
            return filled(clauses(line, items, lexicon, strict=False), key)
        return _first_of_several(line, items, key, lexicon) or outcome
    drafts = list(outcome.drafts)
    taken = {draft.quantity for draft in drafts}
    for remark in outside(items)[1]:
        counted = parts_of(line, remark, key, lexicon)
        remarked = (counted or clauses(line, remark, lexicon, strict=False)).drafts
        if counted is not None:
            taken -= {draft.quantity for draft in remarked}
        drafts += [draft for draft in remarked if draft.quantity not in taken]
    return Outcome(drafts)


def _first_of_several(
    line: Line, items: Sequence[Item], key: Key, lexicon: Lexicon
) -> Outcome | None:
    """The value of a key before a comma, and clauses after it: "200, validation 40"."""
    cut = next((at for at, item in enumerate(items) if item.text in (",", ";")), None)
    first = value_of(line, items[:cut], key, lexicon) if cut else Outcome()
    if not first.drafts:
        return None
    drafts = list(first.drafts)
    for part, _ in _clauses(items[cut:]):
        drafts += (
            _continued(line, part, drafts[-1], lexicon) or _clause(line, part, lexicon)
        ).drafts
    return Outcome(drafts)


def clauses(line: Line, items: Sequence[Item], lexicon: Lexicon, strict: bool = True) -> Outcome:
    """What a text says that has no colon: each clause a value with its quantity.

    `strict`: every clause must be understood, else nothing is read.
    """
    if absence := absence_in(items):
        return not_read(absence, line)
    drafts: list[Draft] = []
    why = None
    epochs = []
    for part, remark in _clauses(items):
        if (epoch := _epoch_alone(part)) is not None:
            epochs.append(epoch)
            continue
        outcome = _clause(line, part, lexicon)
        if not outcome.drafts and drafts and not any(item.text == "+" for item in items):
            outcome = _continued(line, part, drafts[-1], lexicon) or outcome
        drafts += outcome.drafts
        aside = remark and (not strict or (drafts and not any(item.number for item in part)))
        why = why if aside else outcome.why or why
    if why is not None and (strict or not drafts):
        return Outcome((), why)
    losses = [draft for draft in drafts if draft.quantity in METRICS]
    if len(epochs) == len(losses) == 1 and losses[0].epoch is None:
        losses[0].epoch = epochs[0]
    return Outcome(drafts, why)


def _continued(line: Line, items: Sequence[Item], last: Draft, lexicon: Lexicon) -> Outcome | None:
    """A number with a split alone, of the quantity before it: "train loss 0.02, val 0.03"."""
    content = [item for item in items if not is_silent(item) or item.key("split")]
    numbers = [item for item in content if item.number]
    splits = [split for item in content if (split := item.key("split"))]
    if len(numbers) != 1 or len(splits) != 1 or len(content) != 2:
        return None
    name = {"train_loss": "val_loss"}.get(last.quantity, last.quantity)
    if name not in SPLIT | {"val_loss"}:
        return None
    draft = measure(line, numbers[0], lexicon.quantities[name], lexicon)
    key = Key(qualifier=last.qualifier, split=splits[0])
    return Outcome([key.fill(draft)]) if draft is not None else None


def filled(outcome: Outcome, key: Key) -> Outcome:
    """The drafts of clauses with what a key says of them: "Best checkpoint: val loss 0.02"."""
    for draft in outcome.drafts:
        if draft.quantity in METRICS and draft.epoch is None:
            draft.qualifier = draft.qualifier or key.qualifier
    return outcome


def _epoch_alone(items: Sequence[Item]) -> int | None:
    """The epoch of a clause that says nothing else: "epoch 8"."""
    content = [item for item in items if not is_silent(item)]
    return epoch_in(content) if len(content) == 2 else None


def _clauses(items: Sequence[Item]) -> Iterator[tuple[list[Item], bool]]:
    """The clauses between commas, arrows, plus signs and brackets; whether each is in brackets."""
    outer, remarks = outside(items)
    for remark, entry in [(False, outer), *((True, entry) for entry in remarks)]:
        part: list[Item] = []
        for item in entry:
            joins = (item.text.lower() in CONJUNCTIONS or item.text.endswith("지만")) and any(
                entry.number or entry.key("word:state") for entry in part
            )
            if joins or item.text in ENDINGS or (item.kind == "symbol" and item.text in BREAKS):
                yield part, remark
                part = []
            else:
                part.append(item)
        yield part, remark


def _clause(line: Line, items: Sequence[Item], lexicon: Lexicon) -> Outcome:
    """One clause: "val loss 0.013", "250 left episodes", "failed", "left only", "started 05-03"."""
    content = [item for item in items if not is_silent(item) or any(map(item.key, TELLING))]
    if all(item.kind in ("mark", "name") for item in content):
        return Outcome()
    if any(item.number for item in content):
        return _numbered(line, content, lexicon)
    for name in SPOKEN:
        kind = f"word:{lexicon.quantities[name].words}"
        hits = [item for item in content if item.key(kind)]
        others = [
            item
            for item in content
            if item not in hits and item.kind not in ("mark", "name") and not is_silent(item)
        ]
        answers = name == "overfitting" and any(item.key("word:answer") for item in hits)
        clear = hits and not answers and (name != "direction" or _is_explicit(hits[0]))
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
    key = _clause_key(words, lexicon) or _loss_of_split(words, numbers, lexicon)
    if key is None:
        return not_read("no_quantity", line)
    if len(numbers) != 1:
        return not_read("several_values", line)
    for quantity in key.quantities:
        if quantity.type == "date" and numbers[0].number and numbers[0].number.date:
            return read_date(line, numbers, quantity, lexicon)
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


def _loss_of_split(words: list[Item], numbers: list[Item], lexicon: Lexicon) -> Key | None:
    """The loss of a decimal number beside "val" or "train" alone: "best val 0.031"."""
    splits = [split for item in words if (split := item.key("split"))]
    others = [item for item in words if not item.key("split") and not item.key("qualifier")]
    number = numbers[0].number if len(numbers) == 1 else None
    if len(splits) != 1 or others or number is None or number.unit or number.total is not None:
        return None
    if number.date or number.base.is_integer():
        return None
    names = [name for item in words if (name := item.key("qualifier"))]
    loss = (lexicon.quantities["val_loss"],)
    return Key(loss, qualifier=names[0] if len(names) == 1 else "", split=splits[0])


def _is_explicit(item: Item) -> bool:
    """Whether a direction's words say how all of the data is: "left only", "left+right"."""
    both = item.key("word:direction") == "both"
    return both or len(item.text.split()) > 1 or item.text.endswith("만")
