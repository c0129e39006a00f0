"""What a page is made of, before it is Markdown or HTML: sections, paragraphs, lists, tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file or on a command line."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Text that leads its line."""

    text: str


@dataclass(frozen=True, slots=True)
class Cite:
    """An evidence file, relative to the workspace, and the place in it."""

    file: str
    where: str = ""

    @property
    def shown(self) -> str:
        """The file's name and the place in it; the link holds the whole path."""
        name = self.file.rsplit("/", 1)[-1]
        return f"{name} {self.where}" if self.where else name


@dataclass(frozen=True, slots=True)
class Mark:
    """A state or verdict: a kind for the colour, a sign, and always the word itself."""

    kind: str
    sign: str
    word: str


Inline = str | Code | Strong | Cite | Mark
Line = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    line: Line


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of lines."""

    items: tuple[Line, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: every row as wide as the head; the first cell of a row heads it."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]


Block = Paragraph | Bullets | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the page; `anchor` is its stable name, for links and for figures."""

    title: str
    anchor: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()
