"""A Markdown page as sections, tables and lines, each letter with its place in the bytes."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Literal

from mobile_vla.claims.model import Place
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

LIMIT = 16 * 1024 * 1024
"""Bytes of a page above which it is refused."""
BOM = b"\xef\xbb\xbf"
CLUSTER = re.compile(
    r"[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[^\u0300-\u036f][\u0300-\u036f]*|.", re.DOTALL
)
"""Letters that compose to one: the parts of a Hangul syllable, a letter with its marks."""
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
BLOCKS = frozenset({"Heading", "Item", "Table", "CodeBlock", "MetadataBlock", "BlockQuote",
                    "Paragraph", "HtmlBlock", "List"})  # fmt: skip
"""Parts of a page that begin and end a line."""
Kind = Literal["heading", "cell", "item", "text", "code", "front"]


@dataclass(slots=True, eq=False)
class Section:
    """A heading with what stands under it; the page is the section of level 0."""

    title: Line | None
    level: int
    parent: Section | None


@dataclass(slots=True, eq=False)
class Line:
    """A line of a page without its markup. `text` is composed (NFC), struck-through text left out.

    `segments`: for each stretch of text its first letter, its first byte and its last byte.
    `parent`: the list item that holds this one, or the line that introduces a code block.
    """

    kind: Kind
    section: Section
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    text: str = ""
    parent: Line | None = None
    quoted: bool = False
    done: bool | None = None

    def add(self, text: str, start: int, end: int) -> None:
        """Append a stretch of the page's text that stands in bytes `start` to `end`."""
        if unicodedata.is_normalized("NFC", text):
            self.segments.append((len(self.text), start, end))
            self.text += text
            return
        for match in CLUSTER.finditer(text):
            stop = start + len(match[0].encode())
            self.segments.append((len(self.text), start, stop))
            self.text += unicodedata.normalize("NFC", match[0])
            start = stop

    def byte_span(self, start: int, end: int) -> tuple[int, int]:
        """First byte and byte after the last of letters `start` to `end`."""
        if len(self.segments) == 1 and self.text.isascii():
            _, first, last = self.segments[0]
            return first + start, min(first + end, last)
        first, last = self._byte(start), self._byte(end - 1, after=True)
        return first, max(first, last)

    def _byte(self, letter: int, after: bool = False) -> int:
        number = max(bisect_right(self.segments, (letter, 1 << 62, 0)) - 1, 0)
        begin, start, end = self.segments[number]
        last = number + 1 == len(self.segments)
        following = len(self.text) if last else self.segments[number + 1][0]
        if after and letter + 1 >= following:
            return end
        place = start + len(self.text[begin : letter + after].encode())
        return min(place, end)


@dataclass(slots=True, eq=False)
class Table:
    """A table: its head and its rows, all of one length; missing cells are empty lines."""

    section: Section
    rows: list[list[Line]]
    introduced_by: Line | None = None


@dataclass(slots=True, eq=False)
class Page:
    """A parsed page. `blocks`: lines and tables in the order of the page."""

    data: bytes
    blocks: list[Line | Table]
    comments: list[tuple[int, str]]
    line_starts: list[int]

    def place(self, line: Line, start: int, end: int) -> Place:
        """Where letters of a line stand in the file."""
        first, last = line.byte_span(start, end)
        return Place(line=self.line_at(first), start=first, end=last)

    def line_at(self, byte: int) -> int:
        """The line, from 1, of a byte."""
        return bisect_right(self.line_starts, byte)


def parse_page(data: bytes, name: str) -> Page:
    """Parse a page.

    Raises: UserError for a page that is no UTF-8 text, holds NUL bytes or is above 16 MB.
    """
    import pyromark

    if len(data) > LIMIT:
        raise UserError(phrase("claim.page_too_large", "en", file=name))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(phrase("claim.page_not_text", "en", file=name))
    bom = len(BOM) if data.startswith(BOM) else 0
    builder = _Builder(data)
    options = pyromark.Options
    flags = (options.ENABLE_TABLES | options.ENABLE_STRIKETHROUGH | options.ENABLE_TASKLISTS
             | options.ENABLE_YAML_STYLE_METADATA_BLOCKS)  # fmt: skip
    for event, place in pyromark.events_with_range(text.removeprefix("\ufeff"), options=flags):
        builder.take(event, place["start"] + bom, place["end"] + bom)
    builder.close_line()
    starts = [0, *(match.end() for match in re.finditer(rb"\n", data))]
    return Page(data, builder.blocks, builder.comments, starts)


class _Builder:
    """Turns the events of the Markdown parser into sections, tables and lines."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.blocks: list[Line | Table] = []
        self.comments: list[tuple[int, str]] = []
        self.section = Section(None, 0, None)
        self.line: Line | None = None
        self.last: Line | None = None
        self.items: list[Line | None] = []
        self.table: Table | None = None
        self.quotes = self.struck = 0
        self.block: Kind | None = None
        self.introduced: Line | None = None

    def take(self, event: Any, start: int, end: int) -> None:
        """Take one event of bytes `start` to `end`."""
        if isinstance(event, str):
            if event in ("SoftBreak", "HardBreak"):
                self.close_line()
            return
        ((name, value),) = event.items()
        match name:
            case "Text" | "Code":
                self._text(value, start, end, code=name == "Code")
            case "Start" | "End":
                tag = value if isinstance(value, str) else next(iter(value))
                if tag in BLOCKS:
                    if name == "End" and tag == "Heading":
                        self.section.title = self.line
                    self.close_line()
                (self._start if name == "Start" else self._end)(tag, value)
            case "TaskListMarker":
                self._current().done = bool(value)
            case "Html" | "InlineHtml":
                if value.lstrip().startswith("<!--"):
                    self.comments.append((start, value))
                elif BREAK.match(value) and self.line is not None:
                    self.line.text += " "

    def _start(self, tag: str, value: Any) -> None:
        match tag:
            case "TableCell":
                self.line = Line("cell", self.section, quoted=self.quotes > 0)
            case "TableHead" | "TableRow":
                if self.table is not None:
                    self.table.rows.append([])
            case "Heading":
                self._open_section(int(value[tag]["level"][1]))
            case "Item":
                self.items.append(None)
            case "Table":
                self.table = Table(self.section, [], self.last)
            case "CodeBlock" | "MetadataBlock":
                self.block = "code" if tag == "CodeBlock" else "front"
                self.introduced = self.last
            case "BlockQuote":
                self.quotes += 1
            case "Strikethrough":
                self.struck += 1

    def _end(self, tag: str, _: Any) -> None:
        match tag:
            case "TableCell":
                if self.table is not None and self.line is not None:
                    self.table.rows[-1].append(self.line)
                self.line = None
            case "Item":
                self.items.pop()
            case "Table":
                self._close_table()
            case "CodeBlock" | "MetadataBlock":
                self.block = None
            case "BlockQuote":
                self.quotes -= 1
            case "Strikethrough":
                self.struck -= 1

    def _text(self, value: str, start: int, end: int, code: bool = False) -> None:
        if self.struck:
            value = " "
        if code:
            inner = self.data[start:end].replace(b"\n", b" ").find(value.encode())
            start += max(inner, 0)
            end = min(start + len(value.encode()), end)
        if self.block is None:
            self._current().add(value, start, end)
            return
        for line in value.splitlines(keepends=True):
            if body := line.rstrip("\r\n"):
                self._current().add(body, start, start + len(body.encode()))
            self.close_line()
            start += len(line.encode())

    def _current(self) -> Line:
        if self.line is None:
            kind: Kind = self.block or ("item" if self.items else "text")
            holders = [item for item in self.items if item is not None]
            parent = self.introduced if kind == "code" else (holders[-1] if holders else None)
            self.line = Line(kind, self.section, parent=parent, quoted=self.quotes > 0)
        return self.line

    def close_line(self) -> None:
        """End the line at hand, if there is one with text."""
        line, self.line = self.line, None
        if line is None or not line.text.strip() or not line.segments:
            return
        self.blocks.append(line)
        if line.kind != "code":
            self.last = line
        if line.kind == "item" and self.items and self.items[-1] is None:
            self.items[-1] = line

    def _open_section(self, level: int) -> None:
        parent = self.section
        while parent.level >= level and parent.parent is not None:
            parent = parent.parent
        self.section = Section(None, level, parent)
        self.line = Line("heading", self.section)
        self.last = None

    def _close_table(self) -> None:
        table, self.table = self.table, None
        if table is None or len(table.rows) < 2:
            return
        width = len(table.rows[0])
        for row in table.rows:
            row += [Line("cell", self.section) for _ in range(width - len(row))]
            del row[width:]
        self.blocks.append(table)
        self.last = None
