"""A text as items: names of runs, numbers, phrases of the lexicon, paths, marks, other words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mobile_vla.claims.numbers import MONTHS, WORDS, Number, read_number

ATOM = re.compile(r"[A-Za-z]+|\d+|[가-힣]+|[^\W\d_]+|[^\s\w]\ufe0f?|_")
JOINERS = frozenset("-_+/&")
LONGEST_PATH, LONGEST_PARTICLE = 300, 6
"""Letters of a path, and of a Korean particle, above which there is none."""
PATH = re.compile(rf"[\w.~/\\*=+\[\]?-]{{1,{LONGEST_PATH}}}")
FILE = re.compile(
    r".*\.(?:ckpt|pth?|safetensors|bin|json|ya?ml|txt|log|h5|hdf5|csv|py|sh|onnx)(?![A-Za-z0-9_])"
)
PATH_SIGN = re.compile(r"[/*\\]|\w\.[a-zA-Z]")
IDENTIFIER = re.compile(r"[A-Za-z0-9]\w*_[\w-]*\w|[A-Za-z]\w*(?:-\w+){2,}")
NUMBER_SIGNS = frozenset("~≈∼약+-−–±.") | {"about", "around", "roughly", "approx", *WORDS}
Senses = Mapping[str, tuple[str, ...]]
"""Meanings of a phrase: keys by kind ("quantity", "word:state", "qualifier", …)."""


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
    """Phrases by their atoms. `longest`: atoms of the longest phrase, by its first atom.

    `reach`: the same for words as a page writes them, with particles; the lexer fills it.
    """

    def __init__(self) -> None:
        self.senses: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
        self.longest: dict[str, int] = {}
        self.reach: dict[str, int] = {}

    def add(self, text: str, kind: str, key: str) -> None:
        """Give a phrase one more meaning."""
        if atoms := atoms_of(text):
            senses = self.senses.setdefault(atoms, {})
            senses[kind] = tuple(dict.fromkeys((*senses.get(kind, ()), key)))
            self.longest[atoms[0]] = max(self.longest.get(atoms[0], 0), len(atoms))
            self.reach.clear()


class Names(Phrases):
    """Names of runs, to be looked up at any place of a text. `lexed`: items by text.

    `plain`: words with which no name and no phrase begins.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__()
        self.lexed: dict[str, list[Item]] = {}
        self.plain: set[str] = set()
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
            self.plain.clear()
        return self.senses[atoms]["name"][0] if atoms else name


class Vocabulary:
    """What the lexer knows: phrases, particles that may follow them, and units of numbers."""

    def __init__(self) -> None:
        self.phrases = Phrases()
        self.particles: set[str] = set()
        self.units: dict[str, dict[str, float]] = {}
        self.unit_pattern = re.compile("(?!)")

    def unit_at(self, text: str, place: int) -> tuple[str, int]:
        """The unit that stands at a place of a text, and where it ends."""
        match = self.unit_pattern.match(text, place)
        return (match[1], match.end()) if match else ("", place)


class Lexer:
    """One text as atoms. `words`: those without joiners, with `starts` and `ends`."""

    def __init__(self, lexicon: Vocabulary, names: Names, text: str) -> None:
        self.lexicon, self.names, self.text = lexicon, names, text
        self.atoms = [(match.start(), match.end(), match[0].lower().rstrip("\ufe0f") or " ")
                      for match in ATOM.finditer(text)]  # fmt: skip
        words = [entry for entry in self.atoms if entry[2] not in JOINERS]
        self.words = tuple(entry[2] for entry in words)
        self.starts, self.ends = [entry[0] for entry in words], [entry[1] for entry in words]
        self.paths = PATH_SIGN.search(text) is not None
        self.identifiers = "_" in text or text.count("-") > 1
        self.path_end = 0

    def items(self) -> Iterator[Item]:
        """The text as items, in one pass."""
        place, word = 0, 0
        text, plain = self.text, self.names.plain
        for start, end, atom in self.atoms:
            if start >= place:
                apart = text[end : end + 1] in " ,"
                if apart and (atom in plain or self._is_plain(atom)):
                    item = Item("other", start, end, text[start:end])
                else:
                    item = self._item(start, end, atom, word)
                place = item.end
                yield item
            word += atom not in JOINERS

    def _is_plain(self, atom: str) -> bool:
        """Whether no number, name or phrase begins with a word."""
        if not atom.isalpha() or atom in MONTHS or atom in NUMBER_SIGNS:
            return False
        if self._reach(self.names, atom) or self._reach(self.lexicon.phrases, atom):
            return False
        self.names.plain.add(atom)
        return True

    def _item(self, start: int, end: int, atom: str, word: int) -> Item:
        text = self.text
        before = text[start - 1] if start else " "
        inside = before == "_" or before.isalnum()
        joiner = atom in JOINERS
        named = not inside and not joiner and self.names.reach.get(atom, 1)
        name = self._phrase(self.names, word, "name") if named else None
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
        if (
            not letters
            or "..." in path
            or not (file or "*" in path or path.count("/") > 1 or path[0] in "/~")
        ):
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
        longest = self._reach(phrases, self.words[word])
        for count in range(min(longest, len(self.words) - word), 0, -1):
            atoms, end = self.words[word : word + count], self.ends[word + count - 1]
            senses: Senses | None = phrases.senses.get(atoms)
            for stem in self._stems(atoms[-1]) if senses is None else ():
                senses = phrases.senses.get((*atoms[:-1], stem))
                if senses is not None:
                    end -= len(atoms[-1]) - len(stem)
                    break
            if senses and not (kind == "name" and self._continues(end, atoms[-1])):
                kind = "mark" if senses.keys() == {"mark"} else kind
                start = self.starts[word]
                return Item(kind, start, end, self.text[start:end], senses)
        return None

    def _reach(self, phrases: Phrases, atom: str) -> int:
        """Words of the longest phrase that begins with a word, 0 where none does."""
        reach = phrases.reach.get(atom)
        if reach is None:
            stemmed = any((stem,) in phrases.senses for stem in self._stems(atom))
            reach = phrases.reach[atom] = phrases.longest.get(atom, int(stemmed))
        return reach

    def _stems(self, atom: str) -> Iterator[str]:
        """A Korean word without the particle that it ends with, the longest particle first."""
        if "가" <= atom[-1] <= "힣":
            for cut in range(min(len(atom) - 1, LONGEST_PARTICLE), 0, -1):
                if atom[-cut:] in self.lexicon.particles:
                    yield atom[:-cut]

    def _continues(self, end: int, last: str) -> bool:
        """Whether a name's last atom continues: "1" of "1.5", "run_3" of "run_3_b"."""
        after = self.text[end : end + 2]
        if last.isdigit() and after[:1] in {".", ",", ":"} and after[1:].isdigit():
            return True
        return after[:1] == "_" or (after[:1].isascii() and after[:1].isalnum())
