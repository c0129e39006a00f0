"""Which run "Case 2" is in this document: by its headings and tables, never by another's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from mobile_vla.casebook.foreign.claims import claimed_directions
from mobile_vla.documents.claims.source import Document, Piece, Section
from mobile_vla.documents.claims.words import CASE, NAME, RUN_NAME, WAY, clean, ways_of

SAID = re.compile(
    rf"{CASE.pattern}[*`]*\s*(?:is|=|:|은|는|,|\()\s*[*`(]*({NAME.pattern})", re.IGNORECASE
)
"""Such as "Case 1 is `name`"."""


Mention = tuple[int, int, str, str | None]


@dataclass(slots=True)
class Names:
    """Aliases of one document. `clashes`: an alias with a second name, and where that stands."""

    known: Collection[str]
    labels: dict[str, str]
    aliases: dict[str, str] = field(default_factory=dict)
    clashes: list[tuple[str, str, Piece]] = field(default_factory=list)
    last: tuple[str, list[Mention]] = ("", [])

    def mentions(self, text: str) -> list[Mention]:
        """Every case in a text: start, end, as written, and its training name where it is told."""
        if text != self.last[0]:
            self.last = (text, list(self._mentions(text)))
        return self.last[1]

    def _mentions(self, text: str) -> Iterator[Mention]:
        if "case" in text or "Case" in text or "케이스" in text or "CASE" in text:
            for match in CASE.finditer(text):
                alias = f"Case {int(match[1])}"
                yield match.start(), match.end(), alias, self.aliases.get(alias)
        if "_" in text or any(name in text for name in self.labels):
            yield from self._names(text)

    def _names(self, text: str) -> Iterator[Mention]:
        for label, name in self.labels.items():
            place = text.find(label)
            if place >= 0:
                yield place, place + len(label), label, name
        for match in NAME.finditer(text):
            if run := run_name(match[0], self.known):
                start = match.start() + match[0].index(run)
                yield start, start + len(run), run, run

    def of_section(self, section: Section | None) -> tuple[str, str | None] | None:
        """The one case that a heading above names."""
        while section is not None:
            found = self.mentions(section.title) if section.title else []
            if found:
                names = {name or alias for _, _, alias, name in found}
                return (found[0][2], found[0][3] or _name_in(found)) if len(names) == 1 else None
            section = section.parent
        return None


def read_names(document: Document, known: Collection[str], labels: dict[str, str]) -> Names:
    """The document's own aliases: headings first, then tables, then lines that tie the two."""
    names = Names(known, {k: v for k, v in labels.items() if not CASE.fullmatch(k)})
    for piece in document.pieces:
        if piece.kind == "heading":
            _tie(names, piece.text, piece)
    for rows in document.tables:
        head = [clean(cell.text).lower() for cell in rows[0]] if rows else []
        for row in rows[1:]:
            _tie(names, _row_text(head, row), row[0] if row else None)
    _tie_lines(document, names)
    for rows in document.tables:
        head = [clean(cell.text).lower() for cell in rows[0]] if rows else []
        for row in rows[1:]:
            _tie_by_date(names, _row_text(head, row))
    return names


def _tie_lines(document: Document, names: Names) -> None:
    for piece in document.pieces:
        if piece.kind not in ("heading", "cell"):
            _tie(names, piece.text, piece, weak=True)
            _tie_section(names, piece)


def run_name(token: str, known: Collection[str]) -> str | None:
    """A training name in a token: one that evidence knows, or one dated as the lab dates them."""
    token = token.rstrip(".-_+")
    for ending in (".json", ".yaml", ".txt", ".log"):
        token = token.removesuffix(ending)
    if token in known:
        return token
    match = RUN_NAME.fullmatch(token)
    return match[0] if match else None


def case_number(head: str, cell: str) -> str | None:
    """ "Case 3" of a cell that holds a bare number under a head that speaks of cases."""
    text = clean(cell)
    if ("case" in head or "케이스" in head or head == "#") and text.isdigit() and len(text) < 4:
        return f"Case {int(text)}"
    return None


def _row_text(head: list[str], row: list[Piece]) -> str:
    cells = []
    for place, cell in enumerate(row):
        number = case_number(head[place], cell.text) if place < len(head) else None
        cells.append(number or cell.text)
    return " | ".join(cells)


def _tie(names: Names, text: str, piece: Piece | None, *, weak: bool = False) -> None:
    if not CASE.search(text):
        return
    for match in SAID.finditer(text):
        name = run_name(match[2], names.known)
        if name:
            names.aliases.setdefault(f"Case {int(match[1])}", name)
    aliases = {f"Case {int(match[1])}" for match in CASE.finditer(text)}
    found = {name for match in NAME.finditer(text) if (name := run_name(match[0], names.known))}
    if len(aliases) != 1 or len(found) != 1:
        return
    (alias,), (name,) = aliases, found
    before = names.aliases.setdefault(alias, name)
    if before != name and piece is not None and not weak:
        names.clashes.append((alias, name, piece))


def _tie_by_date(names: Names, text: str) -> None:
    """A case that the document never names: the one run whose name bears its date and directions.

    Nothing is tied where two runs could be meant.
    """
    alias, date = CASE.search(text), re.search(r"(20\d{2})-(\d{2})-(\d{2})", text)
    if alias is None or date is None or f"Case {int(alias[1])}" in names.aliases:
        return
    ways = {way for word in re.finditer(WAY, text, re.IGNORECASE) for way in ways_of(word[0])}
    taken = set(names.aliases.values())
    dated = [name for name in names.known if "".join(date.groups()) in name and name not in taken]
    exact = [name for name in dated if ways and claimed_directions(name) == ways]
    loose = [name for name in dated if not claimed_directions(name)]
    found = exact or loose
    if len(found) == 1:
        names.aliases[f"Case {int(alias[1])}"] = found[0]


def _tie_section(names: Names, piece: Piece) -> None:
    """A line below the heading "Case 2" that names its run: `Config: …`, `실험명: …`."""
    title = piece.section.title
    if not title or not CASE.search(title) or "_" not in piece.text:
        return
    aliases = {f"Case {int(match[1])}" for match in CASE.finditer(title)}
    if len(aliases) != 1:
        return
    found = {
        name for match in NAME.finditer(piece.text) if (name := run_name(match[0], names.known))
    }
    if len(found) == 1:
        names.aliases.setdefault(aliases.pop(), found.pop())


def _name_in(found: list[tuple[int, int, str, str | None]]) -> str | None:
    return next((name for _, _, _, name in found if name), None)
