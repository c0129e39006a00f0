"""The names that a page uses for runs: labels, rows, headings, and which of them mean one run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from mobile_vla.claims.keys import Key, Outcome
from mobile_vla.claims.lexer import Item, Names, atoms_of
from mobile_vla.claims.lexicon import Lexicon
from mobile_vla.claims.model import Place
from mobile_vla.claims.structure import Line, Page, Section, Table

BLOCKED = ""
"""Owner of a section whose heading names two runs: no line of it has an owner by the heading."""
LONGEST_HEAD = 40
"""Letters before a colon above which they are no key."""


class Clue(NamedTuple):
    """What a page ties to a name beside its claims: "date", "file" or "name", and its text."""

    kind: Literal["date", "file", "name"]
    text: str


class PageNames:
    """Names of a page with their places, what each is tied to, and who owns a section."""

    def __init__(self, page: Page, lexicon: Lexicon, runs: Iterable[str]) -> None:
        self.page, self.lexicon = page, lexicon
        self.names = Names(runs)
        self.vocabulary = {atom for atoms in self.names.senses for atom in atoms if atom.isalpha()}
        self.vocabulary |= {"l", "r", "left", "right"}
        self.same: dict[str, str] = {}
        self.places: dict[str, list[Place]] = defaultdict(list)
        self.clues: dict[str, set[Clue]] = defaultdict(set)
        self.owners: dict[int, str | None] = {}
        self.lexed: dict[int, list[Item]] = {}
        self.cells: dict[tuple[str, Key], Outcome] = {}
        self._register_labels()
        for block in page.blocks:
            if isinstance(block, Line) and block.kind == "heading":
                self._register_title(block)

    def lex(self, text: str) -> list[Item]:
        """The items of a text."""
        return self.lexicon.lex(text, self.names)

    def items(self, line: Line) -> list[Item]:
        """The items of a line; names are noted with their place."""
        items = self.lexed.get(id(line))
        if items is None:
            items = self.lexed[id(line)] = self.lex(line.text)
            for item in items:
                if item.kind == "name" and (name := item.key("name")) is not None:
                    self.places[name].append(self.page.place(line, item.start, item.end))
        return items

    def register(self, name: str) -> str:
        """Let a text be a name of a run; the name as first registered."""
        return self.names.register(name)

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
        named = list(dict.fromkeys(item.key("name") or "" for item in items if item.kind == "name"))
        versus = any(item.key("versus") for item in items)
        named = named if versus else self.joined(named)
        if len(named) != 1 or versus:
            return BLOCKED if named else None
        for item in items:
            if item.number and item.number.date and item.number.date[0] != "T":
                self.clues[named[0]].add(Clue("date", item.number.date))
            elif item.kind == "identifier" and len(atoms_of(item.text)) > 2:
                self.clues[named[0]].add(Clue("name", item.text))
        return named[0]

    def joined(self, named: list[str]) -> list[str]:
        """A label beside the one name of its run ("Case 1: baseline") alone, the two joined."""
        labels = [name for name in named if self._is_label(name)]
        if len(labels) != 1 or len(named) != 2:
            return named
        self.join(*sorted(named, key=lambda name: name not in labels))
        return labels

    def _is_label(self, name: str) -> bool:
        atoms = atoms_of(name)
        return len(atoms) == 2 and atoms[0] in self.lexicon.labels

    def _register_labels(self) -> None:
        """ "Case 1", "케이스 1" and "case1" are one name."""
        words = "|".join(sorted(map(re.escape, self.lexicon.labels), key=len, reverse=True))
        pattern = re.compile(
            rf"(?<![\w-])((?i:{words}))[ #_-]{{0,2}}(\d{{1,3}}|[A-Z])(?![A-Za-z0-9_%]|[.,]\d)"
        )
        first: dict[tuple[str, str], str] = {}
        for line in self._lines():
            for match in pattern.finditer(line.text):
                key = self.lexicon.labels[match[1].lower()], match[2]
                self.names.register(match[0], first.setdefault(key, match[0]))

    def _lines(self) -> Iterator[Line]:
        for block in self.page.blocks:
            if isinstance(block, Line):
                yield block
            else:
                yield from (cell for row in block.rows for cell in row)

    def _register_title(self, title: Line) -> None:
        """A heading that is made of words of runs' names ("No Chunk", "Frozen L+R") is a name."""
        text = re.split(r"[:(（—–]", title.text.strip(), maxsplit=1)[0].strip()
        atoms = atoms_of(text)
        if len(atoms) > 1 and set(atoms) <= self.vocabulary:
            self.names.register(text)

    def tie_declared(self) -> None:
        """Take "Run: NAME", "Log: FILE" and "Checkpoint: FILE" as said of the section's run."""
        for block in self.page.blocks:
            if isinstance(block, Table):
                for row in block.rows[1:] if len(block.rows[0]) == 2 else ():
                    self._tie(block.section, row[0].text, row[1].text)
            elif block.kind != "heading" and not block.quoted:
                head, colon, remainder = block.text.partition(":")
                if colon and len(head) < LONGEST_HEAD:
                    self._tie(block.section, head, remainder)

    def _tie(self, section: Section, head: str, remainder: str) -> None:
        items = [item for item in self.lex(head) if item.kind not in ("symbol", "mark")]
        naming = bool(items) and all(item.kind == "phrase" and item.key("name") for item in items)
        pointing = any(
            item.key("pointer") or "checkpoint" in item.keys("quantity") for item in items
        )
        if not naming and not pointing:
            return
        values = self.lex(remainder)
        named = [item.key("name") or "" for item in values if item.kind == "name"] if naming else []
        text = remainder.split("(", maxsplit=1)[0].strip(" *`\"',")
        if naming and not named and len(text) > 2 and len(atoms_of(text)) <= 8:
            named = [self.names.register(text)]
        owner = self.owner(section)
        if named and owner is None:
            self.owners[id(section)] = owner = named[0]
        if not owner:
            return
        for name in named if len(set(named)) <= 2 else ():
            self.join(owner, name)
        for item in values:
            if item.kind in ("path", "identifier"):
                kind: Literal["file", "name"] = "file" if item.kind == "path" else "name"
                self.clues[owner].add(Clue(kind, item.text.rsplit("/", 1)[-1]))
