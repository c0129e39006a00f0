"""Tables whose columns stood one below the other stay so when a cell of them grows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wcwidth import width

BAR = re.compile(r"(?<!\\)\|")
RULE = re.compile(r"\s*:?-+:?\s*")


def is_aligned(lines: Sequence[str]) -> bool:
    """Whether the bars of all rows of a table stand at the same columns."""
    return len(lines) > 1 and len({_bars(line) for line in lines}) == 1


def aligned(lines: Sequence[str]) -> list[str]:
    """The rows of a table with cells filled up by spaces, its rule by dashes, to one width each.

    Rows of different length come back as they are: they have no columns in common.
    """
    rows = [BAR.split(line.rstrip()) for line in lines]
    if len({len(row) for row in rows}) != 1:
        return list(lines)
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    right = [cell.strip().endswith(":") and not cell.strip().startswith(":") for cell in rows[1]]
    return ["|".join(map(_filled, row, widths, right)) if row else "" for row in rows]


def _filled(cell: str, columns: int, right: bool) -> str:
    lack = " " * (columns - width(cell))
    if not lack or not cell:
        return cell
    if RULE.fullmatch(cell) and "--" in cell:
        place = cell.index("-")
        return cell[:place] + "-" * len(lack) + cell[place:]
    return lack + cell if right else cell + lack


def _bars(line: str) -> tuple[int, ...]:
    return tuple(width(line[: match.start()]) for match in BAR.finditer(line))
