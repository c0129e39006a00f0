"""Text that may be shown on a terminal."""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # operating system commands: title, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # device control strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]?|\x9b[0-?]*[ -/]*[@-~]?"  # control sequences: cursor, screen, colour
    r"|\x1b[ -/]*[0-~]?"
    # control characters, marks of direction
    r"|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def printable(text: str) -> str:
    r"""The text without escape sequences, control characters and marks that turn its direction.

    Line ends and tabs stay; a lone surrogate becomes a question mark.

    >>> printable("\x1b]0;title\x07red \x1b[31mlight\x1b[0m\r")
    'red light'
    """
    return SEQUENCE.sub("", text).encode("utf-8", "replace").decode("utf-8")
