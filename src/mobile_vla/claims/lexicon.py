"""The lexicon: what pages call quantities, values and units, and a lexer that knows it.

`lexicon.toml` holds the words. `extend` adds a study's or a user's own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from mobile_vla.claims.numbers import APPROXIMATE_WORDS, MONTHS, Number, named_date, read_number
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

ATOM = re.compile(r"[A-Za-z]+|\d+|[가-힣]+|[^\W\d_]+|[^\s\w]\ufe0f?|_")
JOINERS = frozenset("-_+/&")
FILE = re.compile(
    r"[\w.~/\\*=+-]*\.(?:ckpt|pth?|safetensors|bin|json|ya?ml|txt|log|h5|hdf5|csv|py|sh|onnx)(?![\w])"
)
GLOB = re.compile(r"[\w./\[\]?-]*\*[\w./*\[\]?-]*")
PATH = re.compile(r"[.~]?/?[\w.~-]+(?:/[\w.~-]+){2,}/?|[.~]?/[\w.~-]+(?:/[\w.~-]+)*/?")
PATH_SIGN = re.compile(r"[/*\\]|\w\.[a-zA-Z]")
IDENTIFIER = re.compile(r"[A-Za-z0-9]\w*_[\w-]*\w|[A-Za-z]\w*(?:-\w+){2,}")
FIELDS = frozenset({"type", "names", "words", "min", "max", "key", "after"})
TYPES = frozenset(
    [
        "number",
        "count",
        "share",
        "rate",
        "duration",
        "date",
        "size",
        "word",
        "flag",
        "path",
        "glob",
        "text",
    ]
)
NUMERIC = frozenset(["number", "count", "share", "rate", "duration", "size"])


class Sense(NamedTuple):
    """One meaning of a phrase: a kind ("quantity", "word:state", "qualifier", …) and a key."""

    kind: str
    key: str


class Quantity(NamedTuple):
    """A quantity of the lexicon. `key` is what a claim calls it, `words` the kind of its values."""

    key: str
    type: str
    words: str = ""
    low: float = float("-inf")
    high: float = float("inf")


class Item(NamedTuple):
    """A piece of a text. `kind`: name, number, phrase, path, glob, identifier, mark, symbol, other.

    `start` and `end` are characters of the text.
    """

    kind: str
    start: int
    end: int
    text: str
    senses: tuple[Sense, ...] = ()
    number: Number | None = None

    def key(self, kind: str) -> str | None:
        """The key of the item's meaning of a kind, None where it has none."""
        for sense in self.senses:
            if sense[0] == kind:
                return sense[1]
        return None

    def keys(self, kind: str) -> list[str]:
        """Every key of a kind."""
        return [sense.key for sense in self.senses if sense.kind == kind]


Trie = dict[Any, Any]


def atoms_of(text: str) -> tuple[str, ...]:
    """Letters, digits and signs of a text in lower case, joiners left out."""
    return tuple(
        atom.lower().rstrip("\ufe0f") for atom in ATOM.findall(text) if atom not in JOINERS
    )


class Names:
    """Names of runs, to be looked up at any place of a text."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.trie: Trie = {}
        self.names: dict[tuple[str, ...], str] = {}
        self.lexed: dict[str, list[Item]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str, meaning: str | None = None) -> str:
        """Let a name be recognised, and what it is called: `meaning`, or the name as first added.

        Names that differ in case or joiners alone are one.
        """
        atoms = atoms_of(name)
        if atoms and atoms not in self.names:
            self.names[atoms] = meaning or name
            _insert(self.trie, atoms, Sense("name", meaning or name))
            self.lexed.clear()
        return self.names.get(atoms, name)


class Lexicon:
    """Phrases with their meanings, quantities with their types, and units."""

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}
        self.units: dict[str, dict[str, float]] = {}
        self.trie: Trie = {}
        self.marks: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.particles: tuple[str, ...] = ()
        self._units = re.compile("(?!)")

    def add(self, table: Mapping[str, Any], source: str) -> None:
        """Add the entries of a lexicon file.

        Raises: UserError for an unknown section, key, type or an entry that is no list of text.
        """
        try:
            self._add(table)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise UserError(
                phrase("claim.bad_lexicon", "en", file=source, why=str(error))
            ) from None

    def _add(self, table: Mapping[str, Any]) -> None:  # noqa: PLR0912 - one case a section
        for section, entries in table.items():
            match section:
                case "quantity":
                    for key, fields in entries.items():
                        self._add_quantity(key, fields)
                case "words":
                    for kind, words in entries.items():
                        self._add_phrases(f"word:{kind}", words)
                case "marks":
                    self.marks |= {mark: kind for kind, marks in entries.items() for mark in marks}
                case "unit":
                    for kind, worths in entries.items():
                        numbers = {unit: float(worth) for unit, worth in worths.items()}
                        self.units.setdefault(kind, {}).update(numbers)
                case "words_of_structure":
                    self.particles += tuple(entries.get("particle", ()))
                    words = {key: value for key, value in entries.items() if key != "particle"}
                    for key, names in words.items():
                        self._add_phrases(key, {key: names})
                case "label":
                    self.labels |= {name: key for key, names in entries.items() for name in names}
                case (
                    "qualifier"
                    | "split"
                    | "group"
                    | "comparator"
                    | "factor"
                    | "assertion"
                    | ("sections_not_asserted")
                ):
                    self._add_phrases(section, entries)
                case _:
                    raise ValueError(f"[{section}]")
        units = sorted({unit for worths in self.units.values() for unit in worths}, key=len)[::-1]
        self._units = re.compile(r"[ \t]?(" + "|".join(map(re.escape, units)) + r")(?![A-Za-z])")
        self.particles = tuple(sorted(self.particles, key=len, reverse=True))

    def _add_quantity(self, key: str, fields: Mapping[str, Any]) -> None:
        if unknown := fields.keys() - FIELDS:
            raise ValueError(f"quantity.{key}: {', '.join(sorted(unknown))}")
        if fields.get("type", "") not in TYPES and key not in self.quantities:
            raise ValueError(f"quantity.{key}: type = {fields.get('type')!r}")
        if "type" in fields:
            low, high = fields.get("min", float("-inf")), fields.get("max", float("inf"))
            self.quantities[key] = Quantity(
                fields.get("key", key), fields["type"], fields.get("words", ""),
                float(low), float(high),
            )  # fmt: skip
        self._add_phrases("quantity", {key: fields.get("names", [])})
        self._add_phrases("after", {key: fields.get("after", [])})

    def _add_phrases(self, kind: str, entries: Mapping[str, Any]) -> None:
        for key, names in entries.items():
            if isinstance(names, str):
                raise TypeError(f"{kind}.{key}")
            for name in names:
                _insert(self.trie, atoms_of(name), Sense(kind, key))

    def unit_at(self, text: str, place: int) -> tuple[str, int]:
        """The unit that stands at a place of a text, and where it ends."""
        match = self._units.match(text, place)
        return (match[1], match.end()) if match else ("", place)

    def lex(self, text: str, names: Names) -> list[Item]:
        """The text as items, in one pass; texts that come again are read once."""
        items = names.lexed.get(text)
        if items is None:
            items = names.lexed[text] = list(_Lexer(self, names, text).items())
        return items


class _Lexer:
    def __init__(self, lexicon: Lexicon, names: Names, text: str) -> None:
        self.lexicon, self.names, self.text = lexicon, names, text
        self.atoms = [(match.start(), match[0].lower()) for match in ATOM.finditer(text)]
        self.paths = PATH_SIGN.search(text) is not None
        self.plain = not self.paths and "_" not in text and text.count("-") < 2
        self.identifiers = "_" in text or text.count("-") > 1

    def items(self) -> Iterable[Item]:
        number = 0
        while number < len(self.atoms):
            item = self._item(number)
            yield item
            number += 1
            while number < len(self.atoms) and self.atoms[number][0] < item.end:
                number += 1

    def _item(self, number: int) -> Item:  # noqa: PLR0911 - one exit a kind of item
        start, atom = self.atoms[number]
        if self.plain and atom.isalpha() and atom.isascii() and not self._begins(atom):
            return Item("other", start, start + len(atom), self.text[start : start + len(atom)])
        first = atom[0]
        inside = start > 0 and (self.text[start - 1] == "_" or self.text[start - 1].isalnum())
        name = None if inside else self._longest(self.names.trie, number, name=True)
        if first.isdigit() and not inside:
            dated = read_number(self.text, start, self.lexicon.unit_at) if self.paths else None
            if dated is not None and dated.date and name is None:
                return Item("number", start, dated.end, self.text[start : dated.end], (), dated)
        if self.paths and (first.isalnum() or first in "./~*"):
            file = self._file(start)
            if file is not None and (name is None or file.end > name.end + 1):
                return file
        if name is not None:
            return name
        if (item := self._number(start, atom, inside)) is not None:
            return item
        if (item := self._longest(self.lexicon.trie, number)) is not None:
            identifier = IDENTIFIER.match(self.text, start) if self.identifiers else None
            if identifier is None or identifier.end() <= item.end:
                return item
        identifier = IDENTIFIER.match(self.text, start) if self.identifiers else None
        if identifier is not None:
            return Item("identifier", start, identifier.end(), identifier[0])
        mark = self.lexicon.marks.get(atom.rstrip("\ufe0f"))
        if mark is not None:
            return Item("mark", start, start + len(atom), atom, (Sense("mark", mark),))
        kind = "other" if first.isalnum() else "symbol"
        return Item(kind, start, start + len(atom), self.text[start : start + len(atom)])

    def _begins(self, atom: str) -> bool:
        """Whether a phrase, a name or a number may begin with a word."""
        return (
            atom in self.lexicon.trie or atom in self.names.trie
            or atom in MONTHS or atom in APPROXIMATE_WORDS
        )  # fmt: skip

    def _file(self, start: int) -> Item | None:
        for kind, pattern in (("path", FILE), ("glob", GLOB), ("path", PATH)):
            match = pattern.match(self.text, start)
            if match is None or not any(letter.isalnum() for letter in match[0]):
                continue
            is_glob = kind == "glob" or "*" in match[0]
            if not is_glob or any(letter.isalpha() for letter in match[0]):
                return Item("glob" if is_glob else "path", start, match.end(), match[0])
        return None

    def _number(self, start: int, atom: str, inside: bool) -> Item | None:
        text, number = self.text, None
        if inside and not (start and "가" <= text[start - 1] <= "힣"):
            return None
        if atom[0].isdigit() or atom in "~≈∼약+-−–±." or atom in APPROXIMATE_WORDS:
            number = read_number(text, start, self.lexicon.unit_at)
        elif atom.isascii() and atom.isalpha() and text[start].isupper():
            number = named_date(text, start)
        if number is None or (
            number.end < len(text) and number.unit == "" and _letter(text, number)
        ):
            return None
        return Item("number", start, number.end, text[start : number.end], (), number)

    def _longest(self, trie: Trie, number: int, name: bool = False) -> Item | None:
        """The longest phrase of a trie that begins at an atom."""
        start, best, steps = self.atoms[number][0], None, number
        node = trie
        while steps < len(self.atoms):
            place, atom = self.atoms[steps]
            text = atom.rstrip("\ufe0f")
            after = node.get(text)
            end = place + len(atom)
            if after is None and "가" <= atom[-1] <= "힣":
                after, end = self._without_particle(node, place, text)
                if after is not None:
                    best = (end, after[""]) if "" in after else best
                break
            if after is None:
                break
            if "" in after and not (name and self._goes_on(end, text)):
                best = (end, after[""])
            node = after
            steps += 1
            while steps < len(self.atoms) and self.atoms[steps][1] in JOINERS:
                steps += 1
        if best is None:
            return None
        end, senses = best
        return Item("name" if name else "phrase", start, end, self.text[start:end], tuple(senses))

    def _goes_on(self, end: int, last: str) -> bool:
        """Whether a name's last atom continues: "1" of "1.5", "run_3" of "run_3_b"."""
        remainder = self.text[end : end + 2]
        if not remainder:
            return False
        if last.isdigit() and remainder[0] in ".,:" and remainder[1:].isdigit():
            return True
        return remainder[0] == "_" or (remainder[0].isascii() and remainder[0].isalnum())

    def _without_particle(self, node: Trie, place: int, atom: str) -> tuple[Trie | None, int]:
        if not atom.endswith(self.lexicon.particles):
            return None, place
        for particle in self.lexicon.particles:
            if atom.endswith(particle) and len(particle) < len(atom):
                after = node.get(atom[: -len(particle)])
                if after is not None:
                    return after, place + len(atom) - len(particle)
        return None, place


def _letter(text: str, number: Number) -> bool:
    letter = text[number.end]
    return letter.isascii() and (letter.isalpha() or letter == "_") and not number.date


def _insert(trie: Trie, atoms: tuple[str, ...], sense: Sense) -> None:
    for atom in atoms:
        trie = trie.setdefault(atom, {})
    senses = trie.setdefault("", [])
    if atoms and sense not in senses:
        senses.append(sense)


@cache
def standard() -> Lexicon:
    """The lexicon of the package."""
    lexicon = Lexicon()
    text = resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8")
    lexicon.add(tomllib.loads(text), "lexicon.toml")
    return lexicon


def extend(*paths: Path) -> Lexicon:
    """The lexicon of the package with the entries of more files.

    Raises: UserError for a file that cannot be read or is no lexicon.
    """
    lexicon = Lexicon()
    text = resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8")
    lexicon.add(tomllib.loads(text), "lexicon.toml")
    for path in paths:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                phrase("claim.bad_lexicon", "en", file=str(path), why=str(error))
            ) from None
        lexicon.add(table, str(path))
    return lexicon
