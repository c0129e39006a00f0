"""Claims of tables: a run a row, a key a row, an epoch a row, or comparisons."""

from __future__ import annotations

from dataclasses import replace

from mobile_vla.claims.comparisons import read_comparison_row
from mobile_vla.claims.keys import Draft, Key, Outcome, is_silent, short
from mobile_vla.claims.lexicon import Item
from mobile_vla.claims.page_names import BLOCKED, PageNames, Shape
from mobile_vla.claims.phrases import Reader, outside
from mobile_vla.claims.structure import Line, Table
from mobile_vla.messages.reason import Reason, reason

Unread = tuple[Line, Reason]


def read_table(
    table: Table, names: PageNames, reader: Reader, owner: str | None
) -> tuple[list[Draft], list[Unread]]:
    """Claims of a table, and cells that were not read. `owner`: the run it stands under."""
    shape = names.shapes[id(table)]
    drafts: list[Draft] = []
    unread: list[Unread] = []
    shares = [*shares_of_counts(table, names), *_same_rest(table, shape, names)]
    if shape.kind == "":
        noted = [cell for row in table.rows[1:] for cell in row if is_worth_telling(cell, names)]
        return shares, [(cell, reason("claim.table_unknown")) for cell in noted[:1] if not shares]
    for number, row in enumerate(table.rows[1:], 1):
        if shape.kind == "comparisons":
            drafts += read_comparison_row(table.rows[0], row, names)
            continue
        for column, cell in enumerate(row):
            outcome = _read_cell(shape, number, column, row, names, reader, owner)
            drafts += outcome.drafts
            if outcome.why is not None and is_worth_telling(cell, names):
                unread.append((cell, outcome.why))
    return [*drafts, *shares], unread


def _read_cell(  # noqa: PLR0911, PLR0917 - one exit for each reason to read nothing
    shape: Shape, number: int, column: int, row: list[Line], names: PageNames, reader: Reader,
    owner: str | None,
) -> Outcome:  # fmt: skip
    cell = row[column]
    if shape.kind == "runs":
        key, holder = shape.keys[column], shape.owners[number]
    elif shape.kind == "settings":
        if column == 0:
            return Outcome()
        key = shape.keys[number]
        holder = shape.owners[column] if shape.owners[column] is not None else owner
        head = names.lexicon.lex(shape.heads[column], names.names)
        key = _with_qualifier(key, head) if key else None
    else:
        key, holder = _epoch_key(shape.keys[column], row[0], names), shape.owners[column] or owner
        if column == 0:
            return Outcome()
    if key is None:
        return Outcome()
    items = names.items(cell)
    if not [item for item in items if not is_silent(item) or item.kind == "mark"]:
        return Outcome()
    holder = key.name or holder
    if not holder or holder == BLOCKED:
        return Outcome(why=reason("claim.no_owner", text=short(cell)))
    if cell.quoted:
        return Outcome(why=reason("claim.quoted", text=short(cell)))
    outcome = read_value(cell, items, key, reader)
    whole = len(outcome.drafts) == 1
    outcome.drafts = [
        replace(draft, owner=draft.owner or holder, whole=whole and is_whole(cell, draft))
        for draft in outcome.drafts
    ]
    return outcome


def read_value(line: Line, items: list[Item], key: Key, reader: Reader) -> Outcome:
    """A value of a key; for a key such as "Data" or "LoRA" also clauses and remarks."""
    outcome = reader.value(line, items, key)
    topics = {"direction", "regime"}
    if not outcome.drafts and topics & {quantity.key for quantity in key.quantities}:
        outcome = reader.clauses(line, items, strict=False)
    elif outcome.drafts and outside(items)[1]:
        for remark in outside(items)[1]:
            extra = reader.clauses(line, remark, strict=False)
            taken = {draft.quantity for draft in outcome.drafts}
            outcome.drafts += [entry for entry in extra.drafts if entry.quantity not in taken]
    return outcome


def _same_rest(table: Table, shape: Shape, names: PageNames) -> list[Draft]:
    """ "The rest | same | same" in a table of two runs: they differ in its other rows alone."""
    owners = [owner for owner in shape.owners[1:] if owner]
    if shape.kind != "settings" or len(owners) != 2:
        return []
    rows = [(names.items(row[0]), row) for row in table.rows[1:]]
    remainder = [row for first, row in rows if any(item.key("rest") for item in first)]
    others = [item for first, _ in rows for item in first]
    factors = tuple(dict.fromkeys(str(item.key("factor")) for item in others if item.key("factor")))
    if len(remainder) != 1 or not factors:
        return []
    same = [
        (cell, item) for cell in remainder[0][1:] for item in names.items(cell)
        if item.key("comparator") == "same"
    ]  # fmt: skip
    if len(same) != 2:
        return []
    cell, item = same[0]
    return [
        Draft(cell, item.start, item.end, "comparison", kind="difference", owner=owners[0],
              comparator="same_except", other=owners[1], factors=factors)
    ]  # fmt: skip


def is_whole(line: Line, draft: Draft) -> bool:
    """Whether the value is all of its cell, so that it can be replaced."""
    remainder = line.text[: draft.start] + line.text[draft.end :]
    return not any(letter.isalnum() for letter in remainder)


def is_worth_telling(line: Line, names: PageNames) -> bool:
    """Whether an unread text holds a number, a mark or a state."""
    return any(
        item.number is not None or item.key("mark") in ("yes", "no") or item.key("word:state")
        for item in names.items(line)
    )


def _with_qualifier(key: Key, head: list[Item]) -> Key | None:
    if any(item.key("change_column") for item in head):
        return None
    for kind in ("qualifier", "split"):
        values = [
            item.key(kind) for item in head if item.key(kind) and not item.key("value_column")
        ]
        if values and not getattr(key, kind):
            key = key.with_part(kind, str(values[0]))
    return key


def _epoch_key(key: Key | None, first: Line, names: PageNames) -> Key | None:
    items = [
        item for item in names.items(first) if item.number is not None and not item.number.unit
    ]
    if key is None or len(items) != 1 or items[0].number is None or items[0].number.date:
        return None
    initial = any(item.key("qualifier") == "initial" for item in names.items(first))
    qualifier = "initial" if initial else key.qualifier
    return key._replace(epoch=int(items[0].number.base), qualifier=qualifier)


def shares_of_counts(table: Table, names: PageNames) -> list[Draft]:
    """Percentages in a column beside one of counts: each is its count over the sum of all."""
    heads = [names.items(cell) for cell in table.rows[0]]
    counted = [
        number
        for number, items in enumerate(heads)
        if any(item.key("count_column") for item in items)
    ]
    shared = [
        number
        for number, items in enumerate(heads)
        if any(item.key("share_column") for item in items)
    ]
    if len(counted) != 1 or len(shared) != 1 or counted == shared:
        return []
    parts: list[tuple[Line, Item]] = []
    whole: list[tuple[Line, Item]] = []
    for row in table.rows[1:]:
        cell = row[counted[0]]
        numbers = [
            item for item in names.items(cell) if item.number is not None and not item.number.date
        ]
        if len(numbers) == 1:
            total = any(item.key("total") for item in names.items(row[0]))
            (whole if total else parts).append((cell, numbers[0]))
    if len(parts) < 2:
        return []
    drafts = []
    for row in table.rows[1:]:
        cell = row[shared[0]]
        owned = next((part for part in parts if part[0] is row[counted[0]]), None)
        for item in names.items(cell):
            if (
                owned
                and item.number is not None
                and item.number.unit in names.lexicon.units["share"]
            ):
                drafts.append(Draft(
                    cell, item.start, item.end, "share", kind="arithmetic", comparator="share",
                    number=item.number.base / 100, step=item.number.step / 100, unit="share",
                    terms=(owned, *(whole or parts)), whole=True,
                ))  # fmt: skip
    for cell, item in whole:
        if item.number is not None:
            drafts.append(Draft(
                cell, item.start, item.end, "comparison", kind="arithmetic", comparator="sum",
                number=item.number.base, step=item.number.step, terms=tuple(parts),
            ))  # fmt: skip
    return drafts
