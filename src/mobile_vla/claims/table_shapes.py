"""How a table is to be read: which keys and which runs its rows and columns stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from mobile_vla.claims.keys import Key, is_silent, read_key, whole_number
from mobile_vla.claims.lexer import Item, atoms_of
from mobile_vla.claims.page_names import BLOCKED, PageNames
from mobile_vla.claims.structure import Line, Table

BESIDE_VALUES = ("value_column", "qualifier", "change_column", "key_column", "split")
"""Heads of columns that name no run."""


class Shape(NamedTuple):
    """Keys and owners of a table. A cell has the key of its column with that of its row.

    `kind`: "runs" (a run a row), "settings" (a key a row), "epochs", "comparisons", "" for none.
    A column or row whose key is None holds no values. Rows are without the head.
    """

    kind: Literal["runs", "settings", "epochs", "comparisons", ""]
    columns: Sequence[Key | None] = ()
    rows: Sequence[Key | None] = ()
    column_owners: Sequence[str | None] = ()
    row_owners: Sequence[str | None] = ()


def shape_of(table: Table, names: PageNames) -> Shape:
    """The shape of a table; names in its first column or its head are registered."""
    head = [names.lex(cell.text) for cell in table.rows[0]]
    first = [names.lex(row[0].text) for row in table.rows[1:]]
    columns = [read_key(items, names.lexicon) for items in head]
    ends = [cell.text.strip(" *`").rpartition(" ")[2] for cell in table.rows[0]]
    if "L" in ends:  # an R beside an L is the right side, not the rank of LoRA
        columns = [None if end == "R" else key for end, key in zip(ends, columns, strict=True)]
    if any(item.key("compare_column") for item in head[0]):
        return Shape("comparisons")
    if head[0] and all(item.key("epoch") or item.kind == "symbol" for item in head[0]):
        return _by_epoch(table, head, first, columns, names)
    rows = [read_key(items, names.lexicon) for items in first]
    naming = [column for column, items in enumerate(head) if _names_runs(items)]
    keyed = sum(key is not None for key in rows)
    if not naming and keyed * 2 >= len(rows) and not (columns[0] and any(columns[1:])):
        heads = [None, *(_head_key(items) for items in head[1:])]
        return Shape(
            "settings", heads, rows, _column_owners(table, head, names), [None] * len(rows)
        )
    if not naming and columns[0] is None and _are_names(head[0], first):
        naming = [0]
    columns = [key or _remarks(items) for key, items in zip(columns, head, strict=True)]
    keys = [None if number in naming else key for number, key in enumerate(columns)]
    if not naming or not any(keys):
        return Shape("")
    owners = [_row_owner(row, naming, head, names) for row in table.rows[1:]]
    return Shape("runs", keys, [Key()] * len(rows), [None] * len(keys), owners)


def _by_epoch(
    table: Table, head: list[list[Item]], first: list[list[Item]], columns: list[Key | None],
    names: PageNames,
) -> Shape:  # fmt: skip
    """An epoch a row; a column of a run has the one quantity of the caption."""
    captions = [line for line in (table.introduced_by, table.section.title) if line is not None]
    items = [item for line in captions for item in names.lex(line.text)]
    quantities = {names.lexicon.quantities[key] for item in items for key in item.keys("quantity")}
    caption = Key(tuple(quantities)) if len(quantities) == 1 else None
    named = [{item.key("name") for item in items if item.kind == "name"} for items in head]
    owners = [next(iter(entry)) if len(entry) == 1 else None for entry in named]
    keys = [key or (caption if owner else None) for key, owner in zip(columns, owners, strict=True)]
    rows = [_epoch_key(items) for items in first]
    return Shape("epochs", [None, *keys[1:]], rows, owners, [None] * len(rows))


def _epoch_key(items: list[Item]) -> Key | None:
    epochs = [epoch for item in items if (epoch := whole_number(item)) is not None]
    initial = any(item.key("qualifier") == "initial" for item in items)
    return (
        Key(epoch=epochs[0], qualifier="initial" if initial else "") if len(epochs) == 1 else None
    )


def _head_key(items: list[Item]) -> Key | None:
    """What the head of a column adds to the key of a row; None for a column of changes."""
    if any(item.key("change_column") for item in items):
        return None
    items = [item for item in items if not item.key("value_column")]
    parts = {
        kind: value
        for kind in ("qualifier", "split")
        for item in items
        if (value := item.key(kind))
    }
    return Key(**parts)  # type: ignore[arg-type]


def _remarks(items: list[Item]) -> Key | None:
    """The empty key of a column of remarks, whose cells name their quantities themselves."""
    words = [item for item in items if not is_silent(item) and item.kind != "mark"]
    return Key() if words and all(item.key("topic") for item in words) else None


def _names_runs(items: list[Item]) -> bool:
    words = [item for item in items if item.kind != "symbol" and not item.key("rank")]
    return bool(words) and all(item.key("name") and item.kind == "phrase" for item in words)


def _are_names(head: list[Item], first: list[list[Item]]) -> bool:
    """Whether a first column without a name in its head holds names of runs."""
    if any(item.key("rank") or item.key("key_column") or item.number for item in head):
        return False
    return sum(any(item.kind == "name" for item in items) for items in first) * 2 > len(first)


def _row_owner(row: list[Line], naming: list[int], head: list[list[Item]], names: PageNames) -> str:
    named = [name for column in naming if (name := _cell_name(row[column], head[column], names))]
    for name in named[1:]:
        names.join(named[0], name)
    return named[0] if named else BLOCKED


def _column_owners(table: Table, head: list[list[Item]], names: PageNames) -> list[str | None]:
    """Owners by column of a table with a key a row; None: the section's."""
    owners: list[str | None] = [None]
    for cell, items in zip(table.rows[0][1:], head[1:], strict=True):
        if not items or any(item.key(kind) for item in items for kind in BESIDE_VALUES):
            owners.append(None)
            continue
        several = len(head) > 2 and set(atoms_of(cell.text)) & names.vocabulary
        named = several or any(item.kind == "name" for item in items)
        owners.append(_cell_name(cell, head[0], names) if named else BLOCKED)
        owners[-1] = owners[-1] or BLOCKED
    return owners


def _cell_name(cell: Line, head: list[Item], names: PageNames) -> str | None:
    """The name in a cell under a head: one that the page uses elsewhere, or the cell's text."""
    items = names.lex(cell.text)
    named = list(dict.fromkeys(item.key("name") or "" for item in items if item.kind == "name"))
    if re.match(r"[^:(（]+[:(（]", cell.text) and not any(item.key("versus") for item in items):
        named = names.joined(named)
        names.items(cell)
    text = re.sub(r"^\W+|[^\w)]+$", "", re.split(r"[(（]", cell.text)[0])
    name: str | None = None
    if re.fullmatch(r"\d{1,3}|[A-Z]", text):
        label = next(
            (item.text for item in head if item.text.lower() in names.lexicon.labels), None
        )
        name = names.register(f"{label} {text}") if label and len(named) < 2 else None
    elif len(named) == 1:
        name = named[0]
    elif not named and 0 < len(text) <= 80 and any(letter.isalpha() for letter in text):
        name = None if any(item.key("total") for item in items) else names.register(text)
    if name is not None:
        start = max(cell.text.find(text), 0)
        names.places[name].append(names.page.place(cell, start, start + len(text)))
    return name
