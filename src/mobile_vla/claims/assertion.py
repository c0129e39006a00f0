"""Whether a text asserts anything: one table of words in the lexicon, one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from mobile_vla.claims.lexicon import Item, Lexicon, Names
from mobile_vla.claims.structure import Line, Section

Absence = Literal[
    "denied", "asked", "conditional", "planned", "wished", "quoted", "others", "obsolete",
    "other_subject",
]  # fmt: skip
"""Why a text asserts nothing about a run: it denies, asks, sets a condition, plans, wishes, quotes,
speaks of other people's work, of something obsolete, or of a drive, a test or an attempt."""
RATES = frozenset({"success", "collisions", "instructed_side", "swap", "direction_accuracy"})
"""Quantities that are counted over drives: beside their number, "drives" is no other subject."""


def absence_in(items: Iterable[Item]) -> Absence | None:
    """Why a text of these items asserts nothing; None where it asserts something."""
    items = list(items)
    rated = any(item.key("quantity") in RATES for item in items)
    rated = rated and any(item.number is not None for item in items)
    for item in items:
        key = item.key("assertion") if item.kind == "phrase" else None
        if key is not None and not (rated and key == "other_subject"):
            return key  # type: ignore[return-value]
    return None


class AssertedSections:
    """Which sections assert nothing, by their headings ("Next steps", "Errata"), looked up once.

    The page's own title says nothing of that.
    """

    def __init__(self, lexicon: Lexicon, names: Names) -> None:
        self.lexicon, self.names = lexicon, names
        self.absences: dict[int, Absence | None] = {}

    def absence(self, section: Section) -> Absence | None:
        """Why nothing under a heading is asserted; None where it is."""
        if id(section) not in self.absences:
            above = None if section.parent is None else self.absence(section.parent)
            titled = section.title is not None and section.level > 1
            owned = self._of_title(section.title) if titled and section.title else None
            self.absences[id(section)] = above or owned
        return self.absences[id(section)]

    def _of_title(self, title: Line) -> Absence | None:
        items = self.lexicon.lex(title.text, self.names)
        if any(item.kind == "name" for item in items):
            return absence_in(items)
        for item in items:
            if (key := item.key("sections_not_asserted")) is not None:
                return key  # type: ignore[return-value]
        return absence_in(items)
