"""Text as Markdown (CommonMark with tables): what outside text needs so that it stays text."""

from __future__ import annotations

import re

from mobile_vla.messages.formats import one_line

# An underscore inside a word is plain text in CommonMark, so names keep theirs.
SPECIAL = re.compile(r"[\\`*<|$]|\](?=[(\[:])|(?<!\s)~|~(?!\s)|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])")
BLOCK_START = re.compile(r"^(\s*)([#+=>-]|\[(?=[ xX]\]\s)|\d+[.)])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line.

    >>> escape("a*b_c <i>")
    'a\\\\*b_c \\\\<i>'
    """
    return SPECIAL.sub(r"\\\g<0>", one_line(text))


def link_text(text: str) -> str:
    """Text between the brackets of a link."""
    return re.sub(r"(?<!\\)([\[\]])", r"\\\1", escape(text))


def code_span(text: str) -> str:
    """A code span with a fence longer than any run of backticks in it."""
    text = one_line(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text or ' '}{pad}{fence}"


def block_start(markdown: str) -> str:
    """A line of a page whose text, where it starts like a heading or list, does not become one."""
    return BLOCK_START.sub(lambda start: f"{start[1]}{start[2][:-1]}\\{start[2][-1]}", markdown)


def table_cell(markdown: str) -> str:
    """A cell whose code spans do not end it: their pipes are escaped too."""
    return re.sub(r"(?<!\\)\|", r"\\|", markdown)
