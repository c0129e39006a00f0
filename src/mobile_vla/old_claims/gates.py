"""Patterns that are tried only where one of their first words stands.

A sentence is asked dozens of things, and most of them it does not speak of. The first words of all
such patterns are looked for together, once a text (Aho and Corasick, 1975).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

SPECIAL = frozenset(".^$*+?{}[]()|\\")
_words: dict[str, int] = {}
_gates: list[Gate] = []


class Gate:
    """A pattern with the words of which one must stand in a text for it to be found there."""

    def __init__(self, pattern: str) -> None:
        self.regex = re.compile(pattern)
        words = {word for branch in branches(pattern) for word in first_words(branch)}
        self.bit = 1 << len(_gates)
        _gates.append(self)
        for word in words:
            _words[word] = _words.get(word, 0) | self.bit
        _matcher.cache_clear()
        _signs.cache_clear()

    @property
    def pattern(self) -> str:
        """As it was written."""
        return self.regex.pattern

    def may(self, text: str) -> bool:
        """Whether one of its words stands in a text."""
        return bool(_signs(text) & self.bit)

    def search(self, text: str) -> re.Match[str] | None:
        """As `re.Pattern.search`."""
        return self.regex.search(text) if _signs(text) & self.bit else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """As `re.Pattern.finditer`."""
        return self.regex.finditer(text) if self.may(text) else iter(())


@lru_cache(maxsize=64)
def _signs(text: str) -> int:
    """The gates that a text may pass, a bit each; the same text is asked of many, one by one."""
    matcher, gates = _matcher()
    found = 0
    for word, _, _ in matcher.find_matches_as_indexes(text, overlapping=True):
        found |= gates[word]
    return found


@lru_cache(maxsize=1)
def _matcher():  # type: ignore[no-untyped-def]
    from ahocorasick_rs import AhoCorasick

    return AhoCorasick(list(_words)), list(_words.values())


def branches(pattern: str) -> Iterator[str]:
    """The alternatives of a pattern, those in parentheses left together."""
    depth, start, listed, escaped = 0, 0, False, False
    for place, letter in enumerate(pattern):
        if escaped or letter == "\\":
            escaped = not escaped
            continue
        listed = letter == "[" or (listed and letter != "]")
        depth += 0 if listed else (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0 and not listed:
            yield pattern[start:place]
            start = place + 1
    yield pattern[start:]


def first_words(branch: str) -> Iterator[str]:
    """The letters of which some stand wherever an alternative does. Errors: `ValueError`: none."""
    branch = branch.removeprefix(r"\b")
    if branch.startswith("("):
        end = _closing(branch)
        inside, rest = branch[1:end], branch[end + 1 :]
        if inside.startswith(("?=", "?!", "?<=", "?<!")):
            yield from first_words(rest)
        elif inside.startswith("?:") and rest[:1] not in tuple("?*{"):
            for inner in branches(inside[2:]):
                yield from first_words(inner)
        else:
            raise ValueError(f"{branch} may begin with anything")
        return
    if branch.startswith("["):
        inside, _, rest = branch[1:].partition("]")
        if not inside or set(inside) & set("^-\\") or rest[:1] in ("?", "*", "{"):
            raise ValueError(f"{branch} may begin with anything")
        yield from inside
        return
    word, place = "", 0
    while place < len(branch):
        letter = branch[place]
        escaped = letter == "\\" and not branch[place + 1 : place + 2].isalnum()
        if letter in SPECIAL and not escaped:
            break
        place += escaped
        word += branch[place]
        place += 1
    word = word[:-1] if branch[place : place + 1] in ("?", "*", "{") else word
    if not word:
        raise ValueError(f"{branch} may begin with anything")
    yield word


def _closing(text: str) -> int:
    """Where the group that a text begins with ends."""
    depth, listed, escaped = 0, False, False
    for place, letter in enumerate(text):
        if escaped or letter == "\\":
            escaped = not escaped
            continue
        listed = letter == "[" or (listed and letter != "]")
        depth += 0 if listed else (letter == "(") - (letter == ")")
        if depth == 0:
            return place
    return len(text)
