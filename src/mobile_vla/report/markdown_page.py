"""Blocks as Markdown (CommonMark with tables); all text is escaped."""

from __future__ import annotations

import re
from urllib.parse import quote

from mobile_vla.report.page_model import (
    Block,
    Bullets,
    Cite,
    Code,
    Inline,
    Line,
    Mark,
    Paragraph,
    Section,
    Strong,
    Table,
)

# An underscore inside a word is plain text in CommonMark, so names keep theirs.
SPECIAL = re.compile(r"[\\`*<|$]|\](?=[(\[:])|(?<!\s)~|~(?!\s)|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])")
BLOCK_START = re.compile(r"^(\s*)([#+=>\[-]|\d+[.)])")
BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def section_markdown(section: Section, level: int) -> str:
    """A section and its parts, its heading at `level` (1 to 6)."""
    pieces = [f"{'#' * min(level, 6)} {escape(section.title)}"]
    pieces += [block_markdown(block) for block in section.blocks]
    pieces += [section_markdown(part, level + 1) for part in section.parts]
    return "\n\n".join(pieces)


def block_markdown(block: Block) -> str:
    """One block without a final newline."""
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Bullets):
        return "\n".join(
            f"{f'{place}.' if block.ordered else '-'} {_opening(item)}"
            for place, item in enumerate(block.items, 1)
        )
    assert isinstance(block, Paragraph)
    return _opening(block.line)


def line_markdown(line: Line) -> str:
    """Inline parts, one after the other."""
    return "".join(_inline(part) for part in line)


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\g<0>", BREAKS.sub(" ", text))


def _inline(part: Inline) -> str:
    if isinstance(part, Code):
        return code(part.text)
    if isinstance(part, Strong):
        return f"**{escape(part.text)}**" if part.text.strip() else escape(part.text)
    if isinstance(part, Cite):
        return f"[{_link_text(part.shown)}]({quote(part.file)})"
    if isinstance(part, Mark):
        return f"{part.sign} {escape(part.word)}"
    return escape(part)


def _link_text(text: str) -> str:
    return re.sub(r"(?<!\\)([\[\]])", r"\\\1", escape(text))


def code(text: str) -> str:
    """A code span with a fence longer than any run of backticks in it."""
    text = BREAKS.sub(" ", text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text or ' '}{pad}{fence}"


def _table(table: Table) -> str:
    lines = [_row(tuple((head,) for head in table.head)), "|" + " :--- |" * len(table.head)]
    lines += [_row(row) for row in table.rows]
    caption = f"*{escape(table.caption)}*"
    return f"{caption}\n\n" + "\n".join(lines)


def _row(cells: tuple[Line, ...]) -> str:
    return "| " + " | ".join(_cell(cell).strip() or " " for cell in cells) + " |"


def _cell(cell: Line) -> str:
    """Inside a table, code too must escape its pipes."""
    return "".join(
        code(part.text).replace("|", "\\|") if isinstance(part, Code) else _inline(part)
        for part in cell
    )


def _opening(line: Line) -> str:
    """A line whose text, where it begins like a heading or list, does not become one."""
    text = line_markdown(line)
    return BLOCK_START.sub(_escape_mark, text) if line and isinstance(line[0], str) else text


def _escape_mark(match: re.Match[str]) -> str:
    mark = match[2]
    return f"{match[1]}{mark[:-1]}\\{mark[-1]}"
