"""Cells of tables: what a head, a row's own key or a caption says of them, and of which run."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from mobile_vla.old_claims.naming import Names, case_number
from mobile_vla.old_claims.source import Document, Piece, is_label
from mobile_vla.old_claims.tokens import PARTS, small
from mobile_vla.old_claims.words import (
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
    r"^(항목|지표|구분|설정|내용|수치|부분|모듈|parts?|modules?|metrics?|items?|(hyper-?)?parameters?|settings?|quantit(y|ies)"
    r"|field|what|property|key|)$"
)
"""Heads of a column that holds the keys of its rows."""
VALUES = re.compile(
    r"값|\bvalues?\b|^(설정|settings?|final|결과|수치|기록|reported|reading"
    r"|정정|수정|바른 값|corrected|correct|new|now)$"
)
REMARKS = re.compile(r"비고|메모|특이|설명|진행|note|remark|comment|detail|progress", re.IGNORECASE)
REGIME = re.compile(r"lora|frozen|full|fine-?tun|고정|동결|전체", re.IGNORECASE)
OF_REGIME = re.compile(r"^(kind|type|method|종류|유형|방식)$", re.IGNORECASE)
"""Heads that speak of the training regime only where their cells do."""
HOW_MANY = re.compile(r"에폭|에포크")
"""How many, or which: which one, where a loss stands beside it that is not said to be the best."""
EPOCH_HEAD = re.compile(rf"{HOW_MANY.pattern}|(epoch|에폭|에포크)( ?(no\.?|number|index|번호))?")
PLACE_HEAD = re.compile(r"(the )?(first|last|첫|마지막) ?(epoch|에폭|에포크)")
"""Heads that tell which value of a run stands below."""
PARAMETERS = re.compile(r"param|파라미터|매개변수|trained|학습")
"""Heads of how many parameters train, where rows are parts."""
COUNTED = re.compile(r"에피소드|episodes?\b|데이터 ?(수|양|분할|구성)|data split", re.IGNORECASE)
"""What a caption says of a table of counts."""
BARE_PLACE = re.compile(
    r"(best|lowest|final|last|end|at the end|최저|최고|최종|마지막|끝)( value| ?값)?"
)
"""Heads that say which loss without saying that it is one: what is no fraction there is none."""
SUM = re.compile(r"합계|총계|총합|전체|합|total|sum|all|in all|altogether")
"""Heads of a column that adds up those beside it."""
NAMING = re.compile(
    r"run|case|the|left|right|both|baseline|ours?|model|training|experiment|seed|old|new|nav|sim"
    r"|first|second|third|last|실험|런|케이스|기준선?|모델|학습|왼쪽|오른쪽|양쪽"
)
"""Words beside a run's name that only say which one it is."""
DITTO = re.compile(r"[\s\"'〃″↑-]*|상동|위와 같음|ditto|same", re.IGNORECASE)
EPOCH_CELL = re.compile(r"\W*(?:epoch|ep|에폭|에포크)?[\s_=]*(\d+)(?!\d)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    return clean(text).lower()


@lru_cache(maxsize=4096)
def _bars(head: str, cell: str) -> bool:
    """Whether a head says nothing of such a cell: a method that is none, a loss without a point."""
    regime = OF_REGIME.match(head) and not REGIME.search(cell)
    return bool(regime or (BARE_PLACE.fullmatch(head) and "." not in cell))


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
        self.alike: dict[tuple[object, ...], Layout] = {}
        self.intros: dict[int, Case | None] = {}
        self.rows: dict[tuple[int, int], Case | None] = {}

    def key(self, piece: Piece) -> tuple[Key | None, Case | None]:
        """What is said of a cell: by its head, by its row's key; and the run of its column."""
        layout, row = self.layout(piece.table), self._row(piece)
        key, case = layout.heads[piece.column] if piece.column < len(layout.heads) else (None, None)
        if key and _bars(self._head(piece), piece.text):
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
            named = row[layout.keys].text
            told = self._under(read_key(named), self._head(piece))
            if told is None and PARAMETERS.search(self._head(piece)):
                told = _beside(clean(named).lower(), None, "params")
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
        if table not in self.intros:
            before = self._before(self.document.tables[table][0])
            label = before is not None and is_label(before.text)
            self.intros[table] = self.names.only(before.text) if before and label else None
        return self.intros[table]

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
        """The same for tables of the same heads that name no run, under captions that say alike."""
        row, runs = self.document.tables[table][0], self._run_column(table)
        if any(self.names.mentions(cell.text) for cell in row):
            return self._read_layout(table, runs)
        caption = self._caption(row)
        heads = tuple(cell.text for cell in row)
        told = (heads, loss_of(caption), bool(COUNTED.search(caption)), runs)
        if told not in self.alike:
            self.alike[told] = self._read_layout(table, runs)
        return self.alike[told]

    def _read_layout(self, table: int, runs: int | None) -> Layout:
        rows = self.document.tables[table]
        texts = [_plain(cell.text) for cell in rows[0]]
        said = [
            n
            for n, text in enumerate(texts)
            if GENERIC.match(text) and n != runs and (text or not n)
        ]
        heads = self._heads(rows[0], texts)
        values = {n for n, text in enumerate(texts) if VALUES.search(text)}
        keys = said[0] if said else 0 if values and heads and heads[0][0] is None else None
        if said:
            values |= {n for n, text in enumerate(texts) if n not in said and _place_of(text)}
            values |= {said[0] + 1} if len(texts) == said[0] + 2 else set()
        losses = [key for key, _ in heads if key and key.quantity in LOSSES]
        plain = any(not (key.qualifier or key.also) for key in losses)
        epochs = next((n for n, text in enumerate(texts) if EPOCH_HEAD.fullmatch(text)), None)
        if epochs and not (plain if HOW_MANY.fullmatch(texts[epochs]) else losses):
            epochs = None
        return Layout(heads, keys, frozenset(values) - {keys}, epochs, runs)

    def _heads(self, row: list[Piece], texts: list[str]) -> list[tuple[Key | None, Case | None]]:
        """What each head says by itself, beside the others, and under the table's caption."""
        keys = [
            None if PLACE_HEAD.fullmatch(text) else read_key(cell.text)
            for cell, text in zip(row, texts, strict=True)
        ]
        if not any(key and key.quantity == "lora_alpha" for key in keys):
            keys = [None if text == "rank" else key for text, key in zip(texts, keys, strict=True)]
        caption = self._caption(row)
        loss = loss_of(caption)
        of_data = not loss and (
            COUNTED.search(caption) or any(key and key.quantity == "episodes" for key in keys)
        )
        if sum(map(bool, map(_part_of, texts))) > 1:
            beside = "params"
        else:
            beside = "episodes" if of_data else ""
        epochs = any(EPOCH_HEAD.fullmatch(text) for text in texts)
        cases = [self.names.only(cell.text) for cell in row]
        heads: list[tuple[Key | None, Case | None]] = []
        for text, key, case in zip(texts, keys, cases, strict=True):
            told = key
            if key is None or (beside == "params" and _part_of(text)):
                by_run = bool(case and epochs)
                told = _beside(text, key, beside) or self._placed(text, loss, by_run=by_run)
            heads.append((told, case))
        return heads

    def _placed(self, text: str, loss: str | None, *, by_run: bool) -> Key | None:
        """A head that says which loss stands below: of a run by epochs, best, final, training."""
        if not by_run and not _place_of(text):
            return None
        if loss == "val_loss" and split_of(text) == "train":
            loss = "train_loss"
        loss = loss or ("val_loss" if BARE_PLACE.fullmatch(text) else None)
        return self._under(Key(loss, "", ""), text) if loss else None

    def _run_column(self, table: int) -> int | None:
        rows = self.document.tables[table]
        for column in range(len(rows[0]) if len(rows) > 1 else 0):
            cells = [row[column].text for row in rows[1:] if column < len(row)]
            head = _plain(rows[0][column].text)
            named = sum(1 for cell in cells if self.names.mentions(cell) or case_number(head, cell))
            if 2 * named >= len(rows) - 1:
                return column
        return None

    def _caption(self, head: list[Piece]) -> str:
        """The line before a table, where it is one, and its heading: what the table is of."""
        before = self._before(head)
        return f"{before.text if before else ''}\n{head[0].section.title}" if head else ""

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
            if told and not number and self._of_more(cell.text):
                continue  # a task or an event that has to do with a run
            if told:
                found.append(told)
            if told and told[0] == told[1] and clean(cell.text) == told[1]:
                return told  # a name in full says more than a number that headings may give another
        if not found and layout.runs is not None and piece.row > 0 and layout.runs < len(row):
            above = self.document.tables[piece.table][piece.row]
            if DITTO.fullmatch(row[layout.runs].text) and above:
                return self.case(above[0])
        return found[0] if found else None

    def _of_more(self, text: str) -> bool:
        """Whether a cell that names a run says more than which one."""
        for start, end, _, _ in self.names.mentions(text):
            text = text[:start] + " " * (end - start) + text[end:]
        words = re.findall(r"[^\W\d_]{2,}", small(re.sub(r"\(.*?\)", "", text)))
        return sum(NAMING.fullmatch(word) is None for word in words) > 1

    def _row(self, piece: Piece) -> list[Piece]:
        return self.document.tables[piece.table][piece.row + 1]

    def _head(self, piece: Piece) -> str:
        return self._text(piece.table, piece.column)

    def _text(self, table: int, column: int) -> str:
        heads = self.document.tables[table][0]
        return _plain(heads[column].text) if column < len(heads) else ""


def _part_of(head: str) -> str:
    """The part of a model that a head or a row's key is."""
    return PARTS.get(head.removesuffix(" parameters").strip(), "")


def _beside(head: str, key: Key | None, quantity: str) -> Key | None:
    """A part, a split or a sum that stands beside what is counted: parameters or episodes."""
    if quantity == "params":
        known = _part_of(head) or (key is None and SUM.fullmatch(head))
        return Key("params", _part_of(head), "") if known else None
    split = re.fullmatch(r"train(ing)?|val(id(ation)?)?|학습|훈련|검증", head)
    if quantity and (split or SUM.fullmatch(head)):
        return Key("episodes", "" if split else "total", split_of(head))
    return None


def _place_of(head: str) -> str:
    """Where a head that names no quantity says which value of it: best, final, train, val."""
    return qualifier_of(head) or split_of(head) if len(head) < 24 else ""
