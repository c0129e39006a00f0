"""A Markdown document as pieces of text, each with its place in the bytes and its surroundings."""

from __future__ import annotations

import gc
import re
import stat
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from mobile_vla.messages.errors import UserError

BOM = b"\xef\xbb\xbf"
LIMIT = 16 * 1024 * 1024
"""Bytes of a document above which it is refused: the densest so large takes most of a minute."""
LONGEST = 1_000_000
"""Bytes of a line above which a document is refused."""
LINE_LIMIT = 20_000
"""Characters of one line that are read; a longer one is no prose."""

LETTER = re.compile(
    r"[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[^\u0300-\u036f][\u0300-\u036f]*|.", re.DOTALL
)
"""What is composed together: the parts of a Hangul syllable, a letter with its marks."""
FRONT = re.compile(rb"\A---[ \t]*\r?\n.*?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


@dataclass(slots=True)
class Section:
    """A heading with what stands under it; the document itself is the one of level 0."""

    title: str
    level: int
    parent: Section | None
    pieces: list[Piece] = field(default_factory=list)


@dataclass(slots=True)
class Piece:
    """A stretch of text: a heading, a table's cell, a line of a paragraph, list, code block or of
    front matter.

    `start`: its byte in the file. `table`, `row`, `column`: of a cell; row -1 is the head.
    `block`: the paragraph or list item that it is a line of, -1 where it is of none.
    `text` is composed (NFC); `places`: where that changed it, each letter's offset in the file
    from `start`, and the text's end. `cut`: there is more of it, which is not read.
    """

    kind: str
    start: int
    text: str
    section: Section
    table: int = -1
    row: int = -1
    column: int = -1
    block: int = -1
    places: list[int] | None = None
    cut: bool = False

    def part(self, start: int, text: str) -> Piece:
        """A stretch of the text as a piece of its own."""
        places = self.places and self.places[start : start + len(text) + 1]
        places = [place - places[0] for place in places] if places else None
        return replace(self, start=self.span(start, start)[0], text=text, places=places)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where letters of the text stand in the file: first byte, byte after the last."""
        if self.places is not None:
            return self.start + self.places[start], self.start + self.places[end]
        first = self.start + len(self.text[:start].encode())
        return first, first + len(self.text[start:end].encode())


@dataclass(slots=True)
class Document:
    """A parsed document. `tables`: cells by row, the head first.

    `above`: for each block the list item that holds it, or the line that introduces it, -1 where
    none does.
    """

    path: Path
    data: bytes
    pieces: list[Piece]
    tables: list[list[list[Piece]]]
    lines: list[int]
    above: list[int]

    def line_of(self, start: int) -> int:
        """The line, from 1, of a byte."""
        return bisect_right(self.lines, start)


def read_document(path: Path) -> Document:
    """Read and parse a Markdown file.

    Errors: `UserError` where it is no file, cannot be read, is no UTF-8 text, or is over 16 MB.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path} is no file: name a Markdown file.")
        if path.stat().st_size > LIMIT:
            raise UserError(f"{path} is larger than 16 MB: it is no page to audit; name a part.")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    return parse_document(path, data)


BELOW = re.compile(r"아래|다음과 같|following|Following|below\b|Below\b|as follows|이하")
"""What says that the line is about what stands below it."""


def is_label(text: str) -> bool:
    """Whether a line introduces what stands below it: it ends in a colon, or is no sentence."""
    end = text.rstrip(" *_`")
    return (
        bool(BELOW.search(text))
        or end.endswith((":", "："))
        or (len(end) <= 60 and not end.endswith((*".!?。", "다", "요", "음", "함")))
    )


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the garbage collector: a large page is many values that live, and no cycles that die.

    Looking through them again and again took a third of an audit's time.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def body_of(data: bytes) -> tuple[int, str]:
    """Where the Markdown of a file begins, behind byte order mark and front matter; its text."""
    skip = len(BOM) if data.startswith(BOM) else 0
    front = FRONT.match(data[skip:])
    skip += front.end() if front else 0
    return skip, data[skip:].decode()


@no_collection()
def parse_document(path: Path, data: bytes) -> Document:
    """Parse bytes as Markdown. Errors: `UserError` where they are no UTF-8 text."""
    import pyromark

    try:
        skip, text = body_of(data)
    except UnicodeDecodeError as error:
        at = len(data) - len(error.object) + error.start
        raise UserError(f"{path} is no UTF-8 text (byte {at}): save it as UTF-8.") from error
    starts = [0] + [match.end() for match in re.finditer(rb"\n|\r(?!\n)", data)]
    _refuse_long_line(path, [*starts, len(data)])
    reader = _Reader(data, skip, composed=unicodedata.is_normalized("NFC", text))
    reader.front(len(BOM) if data.startswith(BOM) else 0, skip)
    for event, place in pyromark.events_with_range(text, options=pyromark.Options.ENABLE_TABLES):
        reader.take(event, place["start"] + skip, place["end"] + skip)
    reader.flush()
    return Document(path, data, reader.pieces, reader.tables, starts, reader.above)


def _refuse_long_line(path: Path, ends: list[int]) -> None:
    """No page that people read has such lines, and a parser may take minutes over one."""
    for number, (start, end) in enumerate(pairwise(ends), 1):
        if end - start > LONGEST:
            raise UserError(
                f"{path} line {number} is {end - start:,} bytes long, over {LONGEST:,}: it is no "
                "page to audit; break the line, or name a part."
            )


def _compose(text: str) -> tuple[str, list[int]]:
    """A text in composed form, and each of its letters' byte offset in the text as it was."""
    letters, places, place = "", [], 0
    for match in LETTER.finditer(text):
        composed = unicodedata.normalize("NFC", match[0])
        letters += composed
        places += [place] * len(composed)
        place += len(match[0].encode())
    return letters, [*places, place]


class _Reader:
    """Collects pieces from the parser's events."""

    def __init__(self, data: bytes, skip: int, *, composed: bool) -> None:
        self.data, self.composed = data, composed
        self.section = Section("", 0, None)
        self.pieces: list[Piece] = []
        self.tables: list[list[list[Piece]]] = []
        self.heading: int | None = None
        self.cell = False
        self.open: list[int] | None = None
        self.code = False
        self.above: list[int] = []
        self.items: list[int] = []
        self.block = self.lead = -1

    def take(self, event: Any, start: int, end: int) -> None:
        """One event and its bytes."""
        if isinstance(event, str):
            self._mark(event, start)
            return
        ((kind, what),) = event.items()
        if kind == "Start":
            self._start(what, start, end)
        elif kind == "End":
            self._end(what)
        elif kind in ("Text", "Code", "InlineHtml", "Html") and self.heading is None:
            self._text(start, end)

    def front(self, start: int, end: int) -> None:
        """The lines of front matter, which is no Markdown."""
        for line in self.data[start:end].splitlines(keepends=True):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self._add(Piece("front", start, text, self.section))
            start += len(line)

    def _mark(self, event: str, start: int) -> None:
        if event in ("SoftBreak", "HardBreak"):
            self.flush()

    def _start(self, what: Any, start: int, end: int) -> None:
        name = what if isinstance(what, str) else next(iter(what))
        if name == "Heading":
            self.flush()
            self._head(what, start, end)
        elif name == "Table":
            self.flush()
            self.tables.append([])
        elif name in ("TableHead", "TableRow"):
            self.tables[-1].append([])
        elif name == "TableCell":
            self._cell(start, end)
        elif name == "CodeBlock":
            self.flush()
            self.code, self.lead = True, self._lead()
            self.block = self._new()
        elif name in ("Paragraph", "Item", "List", "BlockQuote", "HtmlBlock"):
            self.flush()
            self._begin(name)

    def _begin(self, name: str) -> None:
        """A new list item or paragraph; the paragraphs of one item are one block."""
        if name == "Item":
            self.items.append(self._new())
        elif name == "List" and not self.items:
            self.lead = self._lead()
        elif name in ("Paragraph", "HtmlBlock") and not self.items:
            self.lead = -1
            self.block = self._new()

    def _new(self) -> int:
        self.above.append(self.items[-1] if self.items else self.lead)
        return len(self.above) - 1

    def _lead(self) -> int:
        """The block of the line that introduces a list or code just begun, -1 where none does."""
        last = self.pieces[-1] if self.pieces else None
        if last is None or (last.kind, last.block) != ("line", self.block):
            return -1
        return last.block if last.section is self.section and is_label(last.text) else -1

    def _end(self, what: Any) -> None:
        name = what if isinstance(what, str) else next(iter(what))
        if name == "Heading":
            self.heading = None
        elif name == "TableCell":
            self.cell = False
        elif name == "CodeBlock":
            self.code = False
        elif name in ("Paragraph", "Item", "List", "BlockQuote", "HtmlBlock"):
            self.flush()
            if name == "Item":
                self.items.pop()

    def _head(self, what: Any, start: int, end: int) -> None:
        level = int(what["Heading"]["level"][1:])
        above: Section | None = self.section
        while above is not None and above.level >= level:
            above = above.parent
        text = self._slice(start, end).rstrip("\r\n")
        self.section = Section(text, level, above)
        self._add(Piece("heading", start, text, self.section))
        self.section.title = self.pieces[-1].text
        self.heading = start

    def _cell(self, start: int, end: int) -> None:
        table, rows = len(self.tables) - 1, self.tables[-1]
        text = self._slice(start, end)
        lead = len(text) - len(text.lstrip("| \t"))
        inner = text[lead:].rstrip("| \t\r\n")
        row, column = len(rows) - 2, len(rows[-1])
        piece = Piece("cell", start + lead, inner, self.section, table, row, column)
        rows[-1].append(piece)
        self._add(piece)
        self.cell = True

    def _text(self, start: int, end: int) -> None:
        if self.cell:
            return
        if self.code:
            self._lines(start, end)
        elif self.open is None:
            self.open = [start, end]
        else:
            self.open[1] = max(end, self.open[1])

    def _lines(self, start: int, end: int) -> None:
        for line in self.data[start:end].splitlines(keepends=True):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text.strip():
                kind, block = ("code", self.block) if self.code else ("line", self._here())
                self._add(Piece(kind, start, text, self.section, block=block))
            start += len(line)

    def flush(self) -> None:
        """End the line that is open, as it stands in the file, emphasis and links included."""
        if self.open is None:
            return
        start, end = self.open
        self.open = None
        while start > 0 and self.data[start - 1 : start] in (b"*", b"`", b"_", b"["):
            start -= 1
        text = self._slice(start, end)
        first = text.split("\n", 1)[0]
        self._add(Piece("line", start, first, self.section, block=self._here()))
        if len(first) < len(text):
            self._lines(start + len(first.encode()) + 1, end)

    def _here(self) -> int:
        return self.items[-1] if self.items else self.block

    def _slice(self, start: int, end: int) -> str:
        return self.data[start:end].decode("utf-8", "replace")

    def _add(self, piece: Piece) -> None:
        if len(piece.text) > LINE_LIMIT:
            piece.text, piece.cut = piece.text[:LINE_LIMIT], True
        if not self.composed and not unicodedata.is_normalized("NFC", piece.text):
            piece.text, piece.places = _compose(piece.text)
        self.pieces.append(piece)
        self.section.pieces.append(piece)
