"""Cells of tables: what a head, a row's own key or a caption says of them, and of which run."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

import msgspec

from mobile_vla.documents.claims.naming import Names, case_number
from mobile_vla.documents.claims.source import Document, Piece, is_label
from mobile_vla.documents.claims.tokens import PARTS
from mobile_vla.documents.claims.words import (
    LOSSES,
    Key,
    clean,
    loss_of,
    qualifier_of,
    read_key,
    split_of,
)

Case = tuple[str, str | None]
GENERIC = re.compile(
    r"^(항목|지표|구분|설정|내용|수치|metrics?|items?|(hyper-?)?parameters?|settings?|quantit(y|ies)"
    r"|field|what|property|key|)$"
)
"""Heads of a column that holds the keys of its rows."""
VALUES = re.compile(r"값|\bvalues?\b|^(설정|settings?|final|결과|수치|기록|reported|reading)$")
REMARKS = re.compile(r"비고|메모|특이|설명|진행|note|remark|comment|detail|progress", re.IGNORECASE)
REGIME = re.compile(r"lora|frozen|full|fine-?tun|고정|동결|전체", re.IGNORECASE)
OF_REGIME = re.compile(r"^(kind|type|method|종류|유형|방식)$", re.IGNORECASE)
"""Heads that speak of the training regime only where their cells do."""
EPOCH_HEAD = re.compile(r"에폭|에포크")
"""How many, or which: which one, where a loss stands beside it that is not said to be the best."""
BARE_PLACE = re.compile(
    r"(best|lowest|final|last|end|at the end|최저|최고|최종|마지막|끝)( value| ?값)?"
)
"""Heads that say which loss without saying that it is one: what is no fraction there is none."""
SUM = re.compile(r"합계|총계|총합|전체|합|total|sum|all|in all|altogether")
"""Heads of a column that adds up those beside it."""
DITTO = re.compile(r"[\s\"'〃″↑-]*|상동|위와 같음|ditto|same", re.IGNORECASE)
EPOCH_CELL = re.compile(r"\W*(?:epoch|ep|에폭|에포크)?[\s_=]*(\d+)(?!\d)", re.IGNORECASE)


@dataclass(slots=True)
class Layout:
    """How a table is to be read, by its columns.

    `keys`: the one that says what `values` hold; `epochs`: the one that names the epoch of a
    row; `runs`: the one in which most rows name their run.
    """

    heads: list[tuple[Key | None, Case | None]]
    keys: int | None
    values: frozenset[int]
    epochs: int | None
    runs: int | None


class Tables:
    """The tables of one document. Layouts and the runs of rows are found when first asked for."""

    def __init__(self, document: Document, names: Names) -> None:
        self.document, self.names = document, names
        self.layouts: dict[int, Layout] = {}
        self.rows: dict[tuple[int, int], Case | None] = {}

    def key(self, piece: Piece) -> tuple[Key | None, Case | None]:
        """What is said of a cell: by its head, by its row's key; and the run of its column."""
        layout, row = self.layout(piece.table), self._row(piece)
        key, case = layout.heads[piece.column] if piece.column < len(layout.heads) else (None, None)
        if key and OF_REGIME.match(self._head(piece)) and not REGIME.search(piece.text):
            key = None
        if key and BARE_PLACE.fullmatch(self._head(piece)) and "." not in piece.text:
            key = None
        if layout.epochs is not None:
            return self._of_epoch(piece, layout, key), case
        if case is not None:
            return read_key(row[layout.keys or 0].text), case
        if layout.keys is None:
            return key, None
        generic = GENERIC.match(self._text(piece.table, layout.keys))
        told = None
        if piece.column in layout.values and layout.keys < len(row):
            told = self._under(read_key(row[layout.keys].text), self._head(piece))
        return told or (None if generic else key), None

    def case(self, piece: Piece) -> Case | None:
        """The run that a cell's row names, or the row above where it says the same as that."""
        place = (piece.table, piece.row)
        if place not in self.rows:
            self.rows[place] = self._find_case(piece)
        return self.rows[place]

    def by_run(self, table: int) -> bool:
        """Whether the rows of a table are runs, so that one without a name is of none known."""
        return self.layout(table).runs is not None

    def introduced(self, table: int) -> Case | None:
        """The run that the line before a table names, where it introduces it."""
        before = self._before(self.document.tables[table][0])
        return self.names.only(before.text) if before and is_label(before.text) else None

    def remark(self, piece: Piece) -> bool:
        """Whether a cell stands under remarks."""
        return bool(REMARKS.search(self._head(piece)))

    def state(self, piece: Piece) -> str | None:
        """What a cell's row says under its head of states; None where no column has that head."""
        heads, row = self.layout(piece.table).heads, self._row(piece)
        for (key, _), cell in zip(heads, row, strict=False):
            if key is not None and key.quantity == "status":
                return cell.text
        return None

    def layout(self, table: int) -> Layout:
        """How to read a table."""
        if table not in self.layouts:
            self.layouts[table] = self._layout(table)
        return self.layouts[table]

    def _layout(self, table: int) -> Layout:
        rows = self.document.tables[table]
        heads = [(read_key(cell.text), self.names.only(cell.text)) for cell in rows[0]]
        texts = [clean(cell.text).lower() for cell in rows[0]]
        said = [n for n, text in enumerate(texts) if GENERIC.match(text) and (text or n == 0)]
        values = {n for n, text in enumerate(texts) if VALUES.search(text)}
        keys = said[0] if said else 0 if values and heads and heads[0][0] is None else None
        if said:
            values |= {n for n, text in enumerate(texts) if n not in said and _place_of(text)}
            values |= {said[0] + 1} if len(texts) == said[0] + 2 else set()
        heads = self._parts(heads, texts)
        epochs = next((n for n, (key, _) in enumerate(heads) if key and key.quantity == "epoch"),
                      None)  # fmt: skip
        loss = None if all(key for key, _ in heads) else self._caption(rows[0])
        for n, ((key, case), text) in enumerate(zip(heads, texts, strict=True)):
            placed = epochs is not None if case else bool(_place_of(text))
            if key is None and placed and (loss or BARE_PLACE.fullmatch(text)):
                heads[n] = (self._under(Key(loss or "val_loss", "", ""), text), case)
        index = next((n for n, text in enumerate(texts) if EPOCH_HEAD.fullmatch(text)), None)
        plain = any(
            key and key.quantity in LOSSES and not (key.qualifier or key.also) for key, _ in heads
        )
        epochs = index if epochs is None and plain else epochs
        if epochs and not any(key and key.quantity in LOSSES for key, _ in heads):
            epochs = None
        return Layout(heads, keys, frozenset(values) - {keys}, epochs, self._run_column(table))

    def _parts(
        self, heads: list[tuple[Key | None, Case | None]], texts: list[str]
    ) -> list[tuple[Key | None, Case | None]]:
        """Heads that are parts of a model, or a total beside others: parameters, or episodes."""
        parts = [PARTS.get(text.removesuffix(" parameters").strip(), "") for text in texts]
        told = {key.quantity for key, _ in heads if key}
        quantity = (
            "params" if sum(map(bool, parts)) > 1 else "episodes" if "episodes" in told else ""
        )
        return [
            (Key("params", part, ""), case) if part and quantity == "params"
            else (Key(quantity, "" if quantity == "params" else "total", ""), case)
            if quantity and key is None and SUM.fullmatch(text) else (key, case)
            for (key, case), text, part in zip(heads, texts, parts, strict=True)
        ]  # fmt: skip

    def _run_column(self, table: int) -> int | None:
        rows = self.document.tables[table]
        for column in range(len(rows[0]) if len(rows) > 1 else 0):
            cells = [row[column].text for row in rows[1:] if column < len(row)]
            head = clean(rows[0][column].text).lower()
            named = sum(1 for cell in cells if self.names.mentions(cell) or case_number(head, cell))
            if 2 * named >= len(rows) - 1:
                return column
        return None

    def _caption(self, head: list[Piece]) -> str | None:
        """The loss that the line before a table, or else its heading, says it is of."""
        before = self._before(head)
        return (loss_of(before.text) if before else None) or loss_of(head[0].section.title)

    def _before(self, head: list[Piece]) -> Piece | None:
        """The line before a table, None where its heading is nearer."""
        pieces = self.document.pieces
        place = bisect_left(pieces, head[0].start, key=lambda piece: piece.start) if head else 0
        before = pieces[place - 1] if place else None
        if before is None or before.kind != "line" or before.section is not head[0].section:
            return None
        return before

    def _under(self, key: Key | None, head: str) -> Key | None:
        """A key with what a head adds to it: best or final, training or validation."""
        if key is None:
            return None
        place = qualifier_of(head) if key.quantity in LOSSES else ""
        return msgspec.structs.replace(
            key, qualifier=key.qualifier or place, split=key.split or split_of(head)
        )

    def _of_epoch(self, piece: Piece, layout: Layout, key: Key | None) -> Key | None:
        """In a table by epochs: a loss is that of its row's epoch."""
        row, column = self._row(piece), layout.epochs or 0
        if piece.column == column or column >= len(row):
            return None
        told = row[column].text.replace("*", "").strip()
        number = EPOCH_CELL.match(told)
        if key is None or (column and key.quantity not in LOSSES):
            return key if column else None
        if number is None or "초기" in told or "init" in told:
            return None
        return msgspec.structs.replace(key, qualifier=key.qualifier or f"epoch {int(number[1])}")

    def _find_case(self, piece: Piece) -> Case | None:
        layout, row = self.layout(piece.table), self._row(piece)
        found: list[Case] = []
        for n, cell in enumerate(row):
            number = case_number(self._text(piece.table, n), cell.text)
            told = (
                (number, self.names.aliases.get(number)) if number else self.names.only(cell.text)
            )
            if told:
                found.append(told)
            if told and told[0] == told[1] and clean(cell.text) == told[1]:
                return told  # a name in full says more than a number that headings may give another
        if not found and layout.runs is not None and piece.row > 0 and layout.runs < len(row):
            above = self.document.tables[piece.table][piece.row]
            if DITTO.fullmatch(row[layout.runs].text) and above:
                return self.case(above[0])
        return found[0] if found else None

    def _row(self, piece: Piece) -> list[Piece]:
        return self.document.tables[piece.table][piece.row + 1]

    def _head(self, piece: Piece) -> str:
        return self._text(piece.table, piece.column)

    def _text(self, table: int, column: int) -> str:
        heads = self.document.tables[table][0]
        return clean(heads[column].text).lower() if column < len(heads) else ""


def _place_of(head: str) -> str:
    """Where a head that names no quantity says which value of it: best, final, train, val."""
    return qualifier_of(head) or split_of(head) if len(head) < 24 else ""
