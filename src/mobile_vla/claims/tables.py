"""Claims of tables: a run a row, a key a row, an epoch a row, comparisons, or counts and shares."""

from __future__ import annotations

from msgspec.structs import replace

from mobile_vla.claims.clauses import read_value
from mobile_vla.claims.comparisons import arithmetic, is_share, read_comparison_row
from mobile_vla.claims.keys import Draft, Key, Outcome, is_silent, is_whole, not_read
from mobile_vla.claims.lexer import Item
from mobile_vla.claims.page_names import BLOCKED, PageNames
from mobile_vla.claims.structure import Line, Table
from mobile_vla.claims.table_shapes import Shape
from mobile_vla.messages.reason import Reason, reason


def read_table(
    table: Table, shape: Shape, names: PageNames, owner: str | None
) -> tuple[list[Draft], list[tuple[Line, Reason]]]:
    """Claims of a table, and cells that were not read. `owner`: the run it stands under."""
    drafts, unread = [], []
    if shape.kind == "comparisons":
        drafts = [
            draft
            for row in table.rows[1:]
            for draft in read_comparison_row(table.rows[0], row, names)
        ]
    for row, row_key, row_owner in zip(table.rows[1:], shape.rows, shape.row_owners, strict=False):
        for cell, head, holder in zip(row, shape.columns, shape.column_owners, strict=True):
            if row_key is None or head is None:
                continue
            held = (name for name in (row_owner, holder, owner) if name is not None)
            outcome = _read_cell(cell, head.merge(row_key), next(held, None), names)
            drafts += outcome.drafts
            if outcome.why is not None and is_worth_telling(cell, names):
                unread.append((cell, outcome.why))
    drafts += _shares_of_counts(table, names)
    if shape.kind == "" and not drafts:
        cells = (cell for row in table.rows[1:] for cell in row if is_worth_telling(cell, names))
        unread = [(cell, reason("claim.table_unknown")) for cell in cells][:1]
    return drafts, unread


def _read_cell(cell: Line, key: Key, holder: str | None, names: PageNames) -> Outcome:
    items = names.items(cell)
    if all(is_silent(item) and item.kind != "mark" for item in items):
        return Outcome()
    holder = key.name or holder
    if not holder or holder == BLOCKED or cell.quoted:
        return not_read("quoted" if cell.quoted else "no_owner", cell)
    outcome = names.cells.get((cell.text, key))
    if outcome is None:
        outcome = names.cells[cell.text, key] = read_value(cell, items, key, names.lexicon)
        for draft in outcome.drafts:
            draft.whole = len(outcome.drafts) == 1 and is_whole(cell, draft)
    drafts = [
        replace(draft, line=cell, owner=draft.owner or holder,
                terms=tuple((cell, item) for _, item in draft.terms))
        for draft in outcome.drafts
    ]  # fmt: skip
    return Outcome(drafts, outcome.why)


def is_worth_telling(line: Line, names: PageNames) -> bool:
    """Whether an unread text holds a number, a mark or a state."""
    return any(
        item.number is not None or item.key("mark") in ("yes", "no") or item.key("word:state")
        for item in names.items(line)
    )


def _shares_of_counts(table: Table, names: PageNames) -> list[Draft]:
    """Percentages in a column beside one of counts: each is its count over the sum of all."""
    count, share = (_columns(table, kind, names) for kind in ("count_column", "share_column"))
    if len(count) != 1 or len(share) != 1 or count == share:
        return []
    parts: list[tuple[Line, Item]] = []
    totals: list[tuple[Line, Item]] = []
    shares: list[tuple[Line, Item, tuple[Line, Item]]] = []
    for row in table.rows[1:]:
        counts = [
            item for item in names.items(row[count[0]]) if item.number and not item.number.date
        ]
        if len(counts) != 1:
            continue
        term = row[count[0]], counts[0]
        is_total = any(item.key("total") for item in names.items(row[0]))
        (totals if is_total else parts).append(term)
        if not is_total:
            cell = row[share[0]]
            shares += [(cell, item, term) for item in names.items(cell) if is_share(item, names)]
    if len(parts) < 2:
        return []
    if totals and _amount(parts) != _amount(totals):  # a share of either may be right
        shares = [entry for entry in shares if not _is_share_of(*entry[1:], parts)]
    drafts = [arithmetic(cell, item, "share", (term, *(totals or parts)), replaceable=True)
              for cell, item, term in shares]  # fmt: skip
    return drafts + [arithmetic(cell, item, "sum", parts) for cell, item in totals]


def _is_share_of(share: Item, term: tuple[Line, Item], parts: list[tuple[Line, Item]]) -> bool:
    """Whether a percentage is a count's share of the sum of the counts, as far as written."""
    total, number = _amount(parts), share.number
    if not total or number is None:
        return False
    return abs(100 * _amount([term]) / total - number.base) <= 0.5 * number.step


def _amount(terms: list[tuple[Line, Item]]) -> float:
    return sum(item.number.base for _, item in terms if item.number)


def _columns(table: Table, kind: str, names: PageNames) -> list[int]:
    return [number for number, cell in enumerate(table.rows[0])
            if any(item.key(kind) for item in names.items(cell))]  # fmt: skip
