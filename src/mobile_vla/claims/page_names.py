"""The names that a page uses for runs: labels, rows, headings, and which of them mean one run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from mobile_vla.claims.keys import Key, read_key
from mobile_vla.claims.lexicon import Item, Lexicon, Names, atoms_of
from mobile_vla.claims.model import Place
from mobile_vla.claims.structure import Line, Page, Section, Table

BLOCKED = ""
"""Owner of a section whose heading names two runs: no line of it has an owner by the heading."""


class Clue(NamedTuple):
    """What a page ties to a name beside its claims: "date", "file" or "name", and its text."""

    kind: Literal["date", "file", "name"]
    text: str


class Shape(NamedTuple):
    """How a table is to be read. `keys` and `owners`: by column and row, turned for "settings".

    `kind`: "runs" (a run a row), "settings" (a key a row), "epochs" or "comparisons".
    `heads`: texts of the head.
    """

    kind: Literal["runs", "settings", "epochs", "comparisons", ""]
    keys: Sequence[Key | None] = ()
    owners: Sequence[str | None] = ()
    heads: Sequence[str] = ()


class PageNames:
    """Names of a page with their places, what each is tied to, and who owns a section."""

    def __init__(self, page: Page, lexicon: Lexicon, runs: Iterable[str]) -> None:
        self.page, self.lexicon = page, lexicon
        self.names = Names(runs)
        self.vocabulary = {atom for atoms in self.names.names for atom in atoms if atom.isalpha()}
        self.vocabulary |= {"l", "r", "left", "right"}
        self.same: dict[str, str] = {}
        self.places: dict[str, list[Place]] = defaultdict(list)
        self.clues: dict[str, set[Clue]] = defaultdict(set)
        self.owners: dict[int, str | None] = {}
        self.shapes: dict[int, Shape] = {}
        self.lexed: dict[int, list[Item]] = {}
        self._find_labels()
        for block in page.blocks:
            if isinstance(block, Table):
                self.shapes[id(block)] = self._shape(block)
        for block in page.blocks:
            if isinstance(block, Line) and block.kind == "heading":
                self._name_from_title(block)
        self._tie_declared()

    def items(self, line: Line) -> list[Item]:
        """The items of a line; names are noted with their place."""
        if id(line) not in self.lexed:
            self.lexed[id(line)] = self.lexicon.lex(line.text, self.names)
            for item in self.lexed[id(line)]:
                if (name := item.key("name")) is not None and item.kind == "name":
                    self.places[name].append(self.page.place(line, item.start, item.end))
        return self.lexed[id(line)]

    def head_of(self, name: str) -> str:
        """The first of the names that mean the same run on this page."""
        while name in self.same:
            name = self.same[name]
        return name

    def join(self, first: str, second: str) -> None:
        """Two names mean one run."""
        first, second = self.head_of(first), self.head_of(second)
        if first != second:
            self.same[second] = first

    def members(self) -> dict[str, list[str]]:
        """The names of each run, under the first of them."""
        groups: dict[str, list[str]] = defaultdict(list)
        for name in self.places:
            groups[self.head_of(name)].append(name)
        return groups

    def owner(self, section: Section) -> str | None:
        """The run that a section is about, by its heading or the nearest above that names one."""
        if id(section) not in self.owners:
            above = None if section.parent is None else self.owner(section.parent)
            owned = None if section.title is None else self._of_title(section.title)
            self.owners[id(section)] = above if owned is None else owned
        return self.owners[id(section)]

    def _of_title(self, title: Line) -> str | None:
        items = self.items(title)
        names = list(dict.fromkeys(str(item.key("name")) for item in items if item.kind == "name"))
        versus = any(item.key("versus") for item in items)
        unknown = [
            item
            for item in items
            if item.kind == "identifier" and atoms_of(item.text)[-1:] != ("",)
        ]
        names = names if versus else self._joined(names)
        if len(names) == 1 and not versus:
            for item in items:
                if item.number is not None and item.number.date and "T" not in item.number.date[:1]:
                    self.clues[names[0]].add(Clue("date", item.number.date))
            for item in unknown:
                if len(atoms_of(item.text)) > 2:
                    self.clues[names[0]].add(Clue("name", item.text))
            return names[0]
        return BLOCKED if names else None

    def _joined(self, names: list[str]) -> list[str]:
        """A label beside the one name of its run ("Case 1: left_10"), joined to it."""
        labels = [name for name in names if self._is_label(name)]
        if len(labels) == 1 and len(names) == 2:
            self.join(*sorted(names, key=lambda name: name not in labels))
            return labels
        return names

    def _is_label(self, name: str) -> bool:
        atoms = atoms_of(name)
        return len(atoms) == 2 and atoms[0] in self.lexicon.labels

    def _find_labels(self) -> None:
        """ "Case 1", "케이스 1" and "case1" are one name."""
        words = "|".join(sorted(map(re.escape, self.lexicon.labels), key=len, reverse=True))
        pattern = re.compile(
            rf"(?<![\w-])({words})[ #_-]{{0,2}}(\d{{1,3}}|[A-Z])(?![\w%]|[.,]\d)", re.IGNORECASE
        )
        first: dict[tuple[str, str], str] = {}
        for line in self._lines():
            if line.text[:1]:
                for match in pattern.finditer(line.text):
                    if match[2].isalpha() and not match[2].isupper():
                        continue
                    key = self.lexicon.labels[match[1].lower()], match[2]
                    name = first.setdefault(key, match[0])
                    self.names.add(match[0], name)

    def _lines(self) -> Iterable[Line]:
        for block in self.page.blocks:
            if isinstance(block, Line):
                yield block
            else:
                yield from (cell for row in block.rows for cell in row)

    def _name_from_title(self, title: Line) -> None:
        """A heading that is made of words of runs' names ("No Chunk", "Frozen L+R") is a name."""
        text = re.split(r"[:(（—–]", title.text.strip(), maxsplit=1)[0].strip()
        atoms = atoms_of(text)
        if len(atoms) > 1 and set(atoms) <= self.vocabulary:
            self.names.add(text)

    def _tie_declared(self) -> None:
        """Take "Run: NAME", "Log: FILE" and "Checkpoint: FILE" as said of the section's run."""
        for block in self.page.blocks:
            if isinstance(block, Line) and block.kind != "heading" and not block.quoted:
                head, colon, remainder = block.text.partition(":")
                if colon and len(head) < 40:
                    self._tie(block.section, head, remainder)
            elif isinstance(block, Table) and self.shapes[id(block)].kind == "settings":
                for row in block.rows[1:]:
                    self._tie(block.section, row[0].text, " ".join(cell.text for cell in row[1:2]))

    def _tie(self, section: Section, head: str, remainder: str) -> None:
        items = self.lexicon.lex(head, self.names)
        named = bool(items) and all(
            item.key("name") or item.kind in ("symbol", "mark") for item in items
        )
        named = named and not any(item.kind == "name" for item in items)
        pointing = any(
            item.key("pointer") or item.key("quantity") in ("checkpoint", "checkpoint_file")
            for item in items
        )
        if not named and not pointing:
            return
        values = self.lexicon.lex(remainder, self.names)
        names = [str(item.key("name")) for item in values if item.kind == "name"]
        if (
            named
            and not names
            and len(plain := remainder.split("(", maxsplit=1)[0].strip(" *`\"',")) > 2
        ):
            names = [self.names.add(plain)] if len(atoms_of(plain)) <= 8 else []
        owner = self.owner(section)
        if named and names and owner is None:
            self.owners[id(section)] = owner = names[0]
        if owner in (None, BLOCKED):
            return
        if named and len(set(names)) <= 2:
            for name in names:
                self.join(str(owner), name)
        kinds = {"path": "file", "identifier": "name"}
        for item in values:
            if item.kind in kinds:
                kind: Literal["file", "name"] = "file" if item.kind == "path" else "name"
                self.clues[str(owner)].add(Clue(kind, item.text.rsplit("/", 1)[-1]))

    # ---------------------------------------------------------------- tables

    def _shape(self, table: Table) -> Shape:
        head = [self.lexicon.lex(cell.text, self.names) for cell in table.rows[0]]
        first = [self.lexicon.lex(row[0].text, self.names) for row in table.rows[1:]]
        columns = [read_key(items, self.lexicon) for items in head]
        if any(item.key("compare_column") for item in head[0]):
            return Shape("comparisons", columns)
        if head[0] and all(item.key("epoch") or item.kind == "symbol" for item in head[0]):
            return Shape("epochs", *self._by_epoch(table, head, columns))
        rows = [read_key(items, self.lexicon) for items in first]
        naming = [column for column, items in enumerate(head) if self._names_runs(items)]
        keyed = sum(key is not None for key in rows)
        if not naming and keyed * 2 >= len(rows) and not (columns[0] and any(columns[1:])):
            heads = [cell.text for cell in table.rows[0]]
            return Shape("settings", [None, *rows], self._column_owners(table, head), heads)
        if (
            not naming
            and columns[0] is None
            and any(columns[1:])
            and self._are_names(head[0], first)
        ):
            naming = [0]
        if not naming or not any(key for number, key in enumerate(columns) if number not in naming):
            return Shape("")
        columns = [None if number in naming else key for number, key in enumerate(columns)]
        owners = [self._row_owner(row, naming, head) for row in table.rows[1:]]
        return Shape("runs", columns, [None, *owners])

    def _by_epoch(
        self, table: Table, head: list[list[Item]], columns: list[Key | None]
    ) -> tuple[list[Key | None], list[str | None]]:
        """Keys and owners by column; a column of a run has the one quantity of the caption."""
        captions = [line for line in (table.introduced_by, table.section.title) if line is not None]
        quantities: list[str] = []
        for line in captions:
            items = self.lexicon.lex(line.text, self.names)
            quantities = quantities or [key for item in items for key in item.keys("quantity")]
        caption = None
        if len(quantities) == 1:
            caption = Key((self.lexicon.quantities[quantities[0]],))
        owners: list[str | None] = []
        for column, items in enumerate(head):
            names = {str(item.key("name")) for item in items if item.kind == "name"}
            owners.append(names.pop() if len(names) == 1 else None)
            if owners[-1] and columns[column] is None:
                columns[column] = caption
        return columns, owners

    def _names_runs(self, items: list[Item]) -> bool:
        words = [item for item in items if item.kind != "symbol" and not item.key("rank")]
        return bool(words) and all(item.key("name") and item.kind == "phrase" for item in words)

    def _are_names(self, head: list[Item], first: list[list[Item]]) -> bool:
        """Whether a first column without a name in its head holds names of runs."""
        if any(item.key("rank") or item.key("key_column") or item.number for item in head):
            return False
        return sum(any(item.kind == "name" for item in items) for items in first) * 2 > len(first)

    def _row_owner(self, row: list[Line], naming: list[int], head: list[list[Item]]) -> str | None:
        names = [name for column in naming if (name := self._cell_name(row[column], head[column]))]
        for name in names[1:]:
            self.join(names[0], name)
        return names[0] if names else None

    def _cell_name(self, cell: Line, head: list[Item]) -> str | None:
        items = self.lexicon.lex(cell.text, self.names)
        named = list(dict.fromkeys(str(item.key("name")) for item in items if item.kind == "name"))
        if re.match(r"[^:(（]+[:(（]", cell.text) and not any(item.key("versus") for item in items):
            named = self._joined(named)
        if len(named) > 1:
            return None
        text = re.split(r"[(（]", cell.text)[0].strip(" *`\"'\t")
        text = re.sub(r"^[^\w]+|[^\w)]+$", "", text)
        if re.fullmatch(r"\d{1,3}|[A-Z]", text):
            label = next((item for item in head if item.text.lower() in self.lexicon.labels), None)
            if label is None:
                return None
            name = self.names.add(f"{label.text} {text}")
        elif len(named) == 1:
            name = named[0]
        elif (
            not text
            or len(text) > 80
            or not any(letter.isalpha() for letter in text)
            or any(item.key("total") for item in items)
        ):
            return None
        else:
            name = self.names.add(text)
        start = max(cell.text.find(text), 0)
        self.places[name].append(self.page.place(cell, start, start + len(text)))
        return name

    def _column_owners(self, table: Table, head: list[list[Item]]) -> list[str | None]:
        """Owners by column of a table with a key a row; None: the section's."""
        owners: list[str | None] = [None]
        plain = ("value_column", "qualifier", "change_column", "key_column", "split")
        for cell, items in zip(table.rows[0][1:], head[1:], strict=True):
            remark = not items or any(item.key(kind) for item in items for kind in plain)
            many = len(head) > 2 and set(atoms_of(cell.text)) & self.vocabulary
            named = any(item.kind == "name" for item in items)
            owners.append(
                self._cell_name(cell, head[0]) if not remark and (named or many) else None
            )
            if not remark and owners[-1] is None:
                owners[-1] = BLOCKED
        return owners
