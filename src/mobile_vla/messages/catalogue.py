"""Sentences and terms in English and Korean: `en.toml` and `ko.toml` hold every word.

A template names its fields in braces. `{n:episode/episodes}` is an English plural: it chooses by
the number and does not print it. `{name:이/가}` prints a Korean word with the particle that fits.
`{x:capital}` prints with a large first letter.
"""

from __future__ import annotations

import re
import string
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from mobile_vla.messages.formats import Language, capital, duration, listing, plain, ranges, size
from mobile_vla.messages.particles import PAIRS, with_particle
from mobile_vla.messages.reason import Field, Reason, codes

_WORD = re.compile(r"(?<![\w-])[a-z]+(?![\w-])")
"""A word of a factor's value that stands alone: not a part of `left_10`."""


def sentence(why: Reason, language: Language) -> str:
    """A reason in words, without a full stop.

    A code that this version does not know (written by a later one) is shown as it stands.
    """
    kinds = codes().get(why.code)
    if kinds is None:
        return f"{why.code} {dict(why.fields)}"
    shown = {name: _Shown(show(kinds[name], value, language), value)
             for name, value in why.fields.items() if name in kinds}  # fmt: skip
    return _FILLER.vformat(_catalogue(language)[why.code], (), shown)


def phrase(key: str, language: Language, **values: str | float) -> str:
    """A standing text of a page, a table or a command; `values` fill its braces as they are.

    Raises: KeyError for a key that the catalogue lacks.
    """
    shown = {name: _Shown(str(value), value) for name, value in values.items()}
    return _FILLER.vformat(_catalogue(language)[key], (), shown)


def term(kind: str, name: str, language: Language) -> str:
    """The word for a state, verdict, factor, metric, …; a name that has none keeps its own."""
    words = _catalogue(language)
    if (word := words.get(f"{kind}.{name}")) is not None:
        return word
    if kind == "factor" and name.startswith("recipe."):
        return f"{words['factor.recipe']} {name.removeprefix('recipe.')}"
    stem, _, dimension = name.partition("_")
    if kind == "metric" and dimension and f"metric.{stem}" in words:
        return f"{words[f'metric.{stem}']} {dimension}"
    return name.replace("_", " ") if kind in ("factor", "series", "state", "verdict") else name


def level(value: str | None, language: Language) -> str:
    """A factor's value for people: directions and "none" in the page's language."""
    if value is None:
        return term("value", "unknown", language)
    if language == "en":
        return value
    if value == "none":
        return term("value", "none", language)
    return _WORD.sub(lambda word: term("direction", word[0], language), value)


def names(kind: str) -> list[str]:
    """Every name that has a word of a kind: the states, factors, metrics, …"""
    return [key.partition(".")[2] for key in _catalogue("en") if key.startswith(f"{kind}.")]


def show(kind: str, value: Field, language: Language) -> str:
    """One field in words, by its kind."""
    if isinstance(value, Reason):
        return sentence(value, language)
    if isinstance(value, list):
        return _show_list(kind, value, language)
    if isinstance(value, int | float):
        return _show_number(kind, value, language)
    if kind == "level":
        return level(str(value), language)
    return str(value) if kind in ("text", "exact") else term(kind, str(value), language)


def _show_list(kind: str, value: list[Any], language: Language) -> str:
    if kind == "progress":
        steps, total = value
        key = "format.progress" if total else "format.steps"
        return phrase(key, language, steps=steps or 0, total=total or 0)
    if kind == "frames":
        return ", ".join(
            phrase("format.range", language, first=first, last=last) if first < last else str(first)
            for first, last in ranges(value)
        )
    if kind in ("reasons", "items"):
        return ("; " if kind == "reasons" else ", ").join(sentence(x, language) for x in value)
    singular = {"factors": "factor", "directions": "direction", "counts": "count"}.get(kind, "text")
    return listing([show(singular, item, language) for item in value], language)


def _show_number(kind: str, value: float, language: Language) -> str:
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        from decimal import Decimal

        return f"{Decimal(value):.12g}"  # a file may hold any number of digits
    if kind == "seconds":
        return duration(value, language)
    if kind == "bytes":
        return size(int(value))
    if kind == "share":
        return f"{plain(100 * value, 2)} %"
    return plain(value) if kind == "number" else f"{value:.12g}"


class _Shown:
    """A field as it is printed, with the value that plurals look at."""

    def __init__(self, text: str, value: object) -> None:
        self.text, self.value = text, value

    def __format__(self, spec: str) -> str:
        if not spec:
            return self.text
        if spec == "capital":
            return capital(self.text)
        if spec in PAIRS:
            return with_particle(self.text, spec)
        singular, _, plural = spec.partition("/")
        counted = len(self.value) if isinstance(self.value, list) else self.value
        return singular if counted == 1 else plural


class _Filler(string.Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name  # never an attribute or an index of a value


_FILLER = _Filler()


@cache
def _catalogue(language: Language) -> dict[str, str]:
    file = resources.files(__package__).joinpath(f"{language}.toml")
    words: dict[str, str] = {}
    for section, entries in tomllib.loads(file.read_text(encoding="utf-8")).items():
        words |= {f"{section}.{key}": text for key, text in entries.items()}
    return words
