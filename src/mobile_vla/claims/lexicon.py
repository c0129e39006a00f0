"""The lexicon: what pages call quantities, values and units, and a lexer that knows it.

`lexicon.toml` holds the words. `extend` adds a study's or a user's own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from mobile_vla.claims.numbers import MONTHS, Number, read_number
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

ATOM = re.compile(r"[A-Za-z]+|\d+|[가-힣]+|[^\W\d_]+|[^\s\w]\ufe0f?|_")
JOINERS = frozenset("-_+/&")
LONGEST, LONGEST_PATH, LONGEST_PARTICLE = 20_000, 300, 6
"""Letters of a line above which it is not read, of a path, and of a Korean particle."""
PATH = re.compile(rf"[\w.~/\\*=+\[\]?-]{{1,{LONGEST_PATH}}}")
FILE = re.compile(
    r".*\.(?:ckpt|pth?|safetensors|bin|json|ya?ml|txt|log|h5|hdf5|csv|py|sh|onnx)(?![A-Za-z0-9_])"
)
PATH_SIGN = re.compile(r"[/*\\]|\w\.[a-zA-Z]")
IDENTIFIER = re.compile(r"[A-Za-z0-9]\w*_[\w-]*\w|[A-Za-z]\w*(?:-\w+){2,}")
NUMBER_SIGNS = frozenset("~≈∼약+-−–±.") | {"about", "around", "roughly", "approx"}
FIELDS = frozenset({"type", "names", "words", "min", "max", "key", "after"})
NUMERIC = frozenset(["number", "count", "share", "rate", "duration", "size"])
TYPES = NUMERIC | {"date", "word", "flag", "path", "glob", "text"}
SENSES = {"marks": "mark"} | {kind: kind for kind in (
    "qualifier", "split", "group", "comparator", "factor", "assertion", "sections_not_asserted")}  # fmt: skip
Senses = Mapping[str, tuple[str, ...]]
"""Meanings of a phrase: keys by kind ("quantity", "word:state", "qualifier", …)."""


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
    senses: Senses = {}
    number: Number | None = None

    def key(self, kind: str) -> str | None:
        """The first key of a kind, None where the item has none."""
        keys = self.senses.get(kind)
        return keys[0] if keys else None

    def keys(self, kind: str) -> tuple[str, ...]:
        """Every key of a kind."""
        return self.senses.get(kind, ())


def atoms_of(text: str) -> tuple[str, ...]:
    """Letters, digits and signs of a text in lower case, joiners left out."""
    atoms = (atom for atom in ATOM.findall(text) if atom not in JOINERS)
    return tuple(atom.lower().rstrip("\ufe0f") for atom in atoms)


class Phrases:
    """Phrases by their atoms. `longest`: atoms of the longest phrase, by its first atom."""

    def __init__(self) -> None:
        self.senses: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
        self.longest: dict[str, int] = {}

    def add(self, text: str, kind: str, key: str) -> None:
        """Give a phrase one more meaning."""
        if atoms := atoms_of(text):
            senses = self.senses.setdefault(atoms, {})
            senses[kind] = tuple(dict.fromkeys((*senses.get(kind, ()), key)))
            self.longest[atoms[0]] = max(self.longest.get(atoms[0], 0), len(atoms))


class Names(Phrases):
    """Names of runs, to be looked up at any place of a text. `lexed`: items by text."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__()
        self.lexed: dict[str, list[Item]] = {}
        for name in names:
            self.register(name)

    def register(self, name: str, meaning: str | None = None) -> str:
        """Let a name be recognised, and what it is called: `meaning`, or the name as first added.

        Names that differ in case or joiners alone are one.
        """
        atoms = atoms_of(name)
        if atoms and atoms not in self.senses:
            self.add(name, "name", meaning or name)
            self.lexed.clear()
        return self.senses[atoms]["name"][0] if atoms else name


class Lexicon:
    """Phrases with their meanings, quantities with their types, and units."""

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}
        self.units: dict[str, dict[str, float]] = {}
        self.phrases = Phrases()
        self.labels: dict[str, str] = {}
        self.particles: set[str] = set()
        self.mark_words: dict[str, list[str]] = {}
        self._units = re.compile("(?!)")

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
        self._units = re.compile(r"[ \t]?(" + "|".join(map(re.escape, units)) + r")(?![A-Za-z])")

    def _add_section(self, section: str, entries: Any) -> None:
        match section:
            case "quantity":
                for key, fields in entries.items():
                    self._add_quantity(key, fields)
            case "words":
                for kind, words in entries.items():
                    self._add_phrases(f"word:{kind}", words)
            case "words_of_structure":
                for kind, names in entries.items():
                    self._add_phrases(kind, {kind: names})
            case "unit":
                for kind, worths in entries.items():
                    numbers = {unit: float(worth) for unit, worth in worths.items()}
                    self.units.setdefault(kind, {}).update(numbers)
            case "particles":
                self.particles |= set(entries)
            case "label":
                self.labels |= {name: key for key, names in entries.items() for name in names}
            case "mark_words":
                self.mark_words |= entries
            case _ if section in SENSES:
                self._add_phrases(SENSES[section], entries)
            case _:
                raise ValueError(f"[{section}]")

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

    def unit_at(self, text: str, place: int) -> tuple[str, int]:
        """The unit that stands at a place of a text, and where it ends."""
        match = self._units.match(text, place)
        return (match[1], match.end()) if match else ("", place)

    def lex(self, text: str, names: Names) -> list[Item]:
        """The text as items, in one pass; texts that come again are read once.

        A text of more than `LONGEST` letters has none: it is no prose.
        """
        if len(text) > LONGEST:
            return []
        items = names.lexed.get(text)
        if items is None:
            items = names.lexed[text] = list(_Lexer(self, names, text).items())
        return items


class _Lexer:
    """One text. `words`: its atoms without joiners; `word_of`: the word at or after each atom."""

    def __init__(self, lexicon: Lexicon, names: Names, text: str) -> None:
        self.lexicon, self.names, self.text = lexicon, names, text
        self.atoms = [(match.start(), match.end(), match[0].lower().rstrip("\ufe0f") or " ")
                      for match in ATOM.finditer(text)]  # fmt: skip
        words = [entry for entry in self.atoms if entry[2] not in JOINERS]
        self.words = tuple(entry[2] for entry in words)
        self.ends = [entry[1] for entry in words]
        self.paths = PATH_SIGN.search(text) is not None
        self.identifiers = "_" in text or text.count("-") > 1
        self.path_end = 0

    def items(self) -> Iterator[Item]:
        place, word = 0, 0
        known = (self.lexicon.phrases.longest, self.names.longest, MONTHS, NUMBER_SIGNS)
        for start, end, atom in self.atoms:
            if start >= place:
                apart = self.text[end : end + 1] in " ,"
                if apart and atom.isascii() and atom.isalpha() and not any(atom in words for words in known):
                    item = Item("other", start, end, self.text[start:end])
                else:
                    item = self._item(start, end, atom, word)
                place = item.end
                yield item
            word += atom not in JOINERS

    def _item(self, start: int, end: int, atom: str, word: int) -> Item:
        text = self.text
        before = text[start - 1] if start else " "
        inside = before == "_" or before.isalnum()
        joiner = atom in JOINERS
        name = None if inside or joiner else self._phrase(self.names, word, "name")
        number = None
        if atom[0].isdigit() or atom in NUMBER_SIGNS or atom in MONTHS:
            number = None if inside and not "가" <= before <= "힣" else self._number(start)
        if number is not None and number.number and number.number.date and name is None:
            return number
        path = self._path(start) if self.paths else None
        if path is not None and (name is None or path.end > name.end + 1):
            return path
        if item := name or number:
            return item
        identifier = IDENTIFIER.match(text, start) if self.identifiers else None
        item = None if joiner else self._phrase(self.lexicon.phrases, word, "phrase")
        if item is not None and (identifier is None or identifier.end() <= item.end):
            return item
        if identifier is not None:
            return Item("identifier", start, identifier.end(), identifier[0])
        return Item("other" if atom[0].isalnum() else "symbol", start, end, text[start:end])

    def _path(self, start: int) -> Item | None:
        """A file, a glob or a path; each stretch of letters that paths are of is looked at once."""
        match = PATH.match(self.text, start) if start >= self.path_end else None
        if match is None:
            return None
        self.path_end = match.end()
        file = FILE.match(match[0])
        path = file[0] if file else match[0].rstrip(".?")
        letters = any(letter.isalpha() for letter in path)
        if not letters or not (file or "*" in path or path.count("/") > 1 or path[0] in "/~"):
            return None
        kind = "glob" if "*" in path else "path"
        return Item(kind, start, start + len(path), path)

    def _number(self, start: int) -> Item | None:
        text, lexicon = self.text, self.lexicon
        number = read_number(text, start, lexicon.unit_at, lexicon.units.get("duration", {}))
        if number is None:
            return None
        after = text[number.end : number.end + 1]
        if after.isascii() and (after.isalpha() or after == "_") and not number.unit + number.date:
            return None
        return Item("number", start, number.end, text[start : number.end], {}, number)

    def _phrase(self, phrases: Phrases, word: int, kind: str) -> Item | None:
        """The longest phrase that begins at a word; its last word may have a particle."""
        first = self.words[word]
        longest = phrases.longest.get(first, 1 if "가" <= first[-1] <= "힣" else 0)
        for count in range(min(longest, len(self.words) - word), 0, -1):
            atoms, end = self.words[word : word + count], self.ends[word + count - 1]
            senses = phrases.senses.get(atoms)
            if senses is None and "가" <= atoms[-1][-1] <= "힣":
                senses, end = self._without_particle(phrases, atoms, end)
            if senses and not (kind == "name" and self._continues(end, atoms[-1])):
                start = self.ends[word] - len(first)
                kind = "mark" if senses.keys() == {"mark"} else kind
                return Item(kind, start, end, self.text[start:end], senses)
        return None

    def _without_particle(
        self, phrases: Phrases, atoms: tuple[str, ...], end: int
    ) -> tuple[Senses | None, int]:
        last = atoms[-1]
        for cut in range(min(len(last) - 1, LONGEST_PARTICLE), 0, -1):
            if last[-cut:] in self.lexicon.particles:
                if senses := phrases.senses.get((*atoms[:-1], last[:-cut])):
                    return senses, end - cut
        return None, end

    def _continues(self, end: int, last: str) -> bool:
        """Whether a name's last atom continues: "1" of "1.5", "run_3" of "run_3_b"."""
        after = self.text[end : end + 2]
        if last.isdigit() and after[:1] in {".", ",", ":"} and after[1:].isdigit():
            return True
        return after[:1] == "_" or (after[:1].isascii() and after[:1].isalnum())


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
