"""The lexicon: what pages call quantities, values and units.

`lexicon.toml` holds the words. `extend` adds a study's or a user's own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from mobile_vla.claims.lexer import Item, Lexer, Names, Vocabulary
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

LONGEST = 20_000
"""Letters of a line above which it is not read."""
FIELDS = frozenset({"type", "names", "words", "min", "max", "key", "after"})
NUMERIC = frozenset(["number", "count", "share", "rate", "duration", "size"])
TYPES = NUMERIC | {"date", "word", "flag", "path", "glob", "text"}
SENSES = frozenset(["qualifier", "split", "group", "comparator", "factor", "assertion", "mark",
                    "sections_not_asserted"])  # fmt: skip
"""Sections whose name is the kind of meaning that their phrases have."""


class Quantity(NamedTuple):
    """A quantity of the lexicon. `key` is what a claim calls it, `words` the kind of its values."""

    key: str
    type: str
    words: str = ""
    low: float = float("-inf")
    high: float = float("inf")


class Lexicon(Vocabulary):
    """Phrases with their meanings, quantities with their types, and units."""

    def __init__(self) -> None:
        super().__init__()
        self.quantities: dict[str, Quantity] = {}
        self.labels: dict[str, str] = {}
        self.no_names = Names()
        self.mark_words: dict[str, list[str]] = {}

    def add(self, table: Mapping[str, Any], source: str) -> None:
        """Add the entries of a lexicon file.

        Raises: UserError for an unknown section, key, type or an entry that is no list of text.
        """
        try:
            for section, entries in table.items():
                self._add_section(section, entries)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise _bad_lexicon(source, error) from None
        units = sorted({unit for worths in self.units.values() for unit in worths}, key=len)[::-1]
        self.unit_pattern = re.compile(
            r"[ \t]?(" + "|".join(map(re.escape, units)) + r")(?![A-Za-z])"
        )

    def _add_section(self, section: str, entries: Any) -> None:
        if section == "particles":
            self.particles |= set(entries)
        elif section == "mark_words":
            self.mark_words |= entries
        elif section in SENSES:
            self._add_phrases(section, entries)
        else:
            adders = {
                "quantity": self._add_quantity, "words": self._add_words, "unit": self._add_units,
                "words_of_structure": self._add_structure, "label": self._add_labels,
            }  # fmt: skip
            for key, fields in entries.items():
                adders[section](key, fields)

    def _add_words(self, kind: str, words: Mapping[str, Any]) -> None:
        self._add_phrases(f"word:{kind}", words)

    def _add_structure(self, kind: str, names: Any) -> None:
        self._add_phrases(kind, {kind: names})

    def _add_units(self, kind: str, worths: Mapping[str, Any]) -> None:
        numbers = {unit: float(worth) for unit, worth in worths.items()}
        self.units.setdefault(kind, {}).update(numbers)

    def _add_labels(self, key: str, names: Any) -> None:
        self.labels |= dict.fromkeys(names, key)

    def _add_quantity(self, key: str, fields: Mapping[str, Any]) -> None:
        if unknown := fields.keys() - FIELDS:
            raise ValueError(f"quantity.{key}: {', '.join(sorted(unknown))}")
        if fields.get("type", "") not in TYPES and ("type" in fields or key not in self.quantities):
            raise ValueError(f"quantity.{key}: type = {fields.get('type')!r}")
        if "type" in fields:
            low, high = float(fields.get("min", "-inf")), float(fields.get("max", "inf"))
            self.quantities[key] = Quantity(
                fields.get("key", key), fields["type"], fields.get("words", ""), low, high
            )
        self._add_phrases("quantity", {key: fields.get("names", [])})
        self._add_phrases("after", {key: fields.get("after", [])})

    def _add_phrases(self, kind: str, entries: Mapping[str, Any]) -> None:
        for key, names in entries.items():
            if isinstance(names, str):
                raise TypeError(f"{kind}.{key}")
            for name in names:
                self.phrases.add(name, kind, key)

    def lex(self, text: str, names: Names) -> list[Item]:
        """The text as items, in one pass; texts that come again are read once.

        A text of more than `LONGEST` letters has none: it is no prose.
        """
        if len(text) > LONGEST:
            return []
        items = names.lexed.get(text)
        if items is None:
            items = names.lexed[text] = list(Lexer(self, names, text).items())
        return items


@cache
def standard() -> Lexicon:
    """The lexicon of the package."""
    return extend()


def extend(*paths: Path) -> Lexicon:
    """The lexicon of the package with the entries of more files.

    Raises: UserError for a file that cannot be read or is no lexicon.
    """
    lexicon = Lexicon()
    for path in (resources.files(__package__).joinpath("lexicon.toml"), *paths):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _bad_lexicon(str(path), error) from None
        lexicon.add(table, str(path))
    return lexicon


def _bad_lexicon(file: str, error: Exception) -> UserError:
    return UserError(phrase("claim.bad_lexicon", "en", file=file, why=str(error)))
