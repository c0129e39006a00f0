"""Date, time, scene and direction in a file name, by a pattern that a study may change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.messages.errors import UserError

LAB_PATTERN = "episode_{date}_{time}_{scene}_{direction}{scene}.h5"
_FIELDS = {
    "date": r"(\d{8}|\d{4}-\d\d-\d\d)",
    "time": r"(\d{6}|\d\d[-.]\d\d[-.]\d\d)",
    "scene": r"(.*?)",
    "any": r"(.*?)",
}
_NO_LETTER = (r"(?<![^\W\d_])", r"(?![^\W\d_])")
"""Before and behind a direction: `leftover` is not left, `7L` is."""


@dataclass(frozen=True, slots=True)
class NameParts:
    """The parts of one name; None where it lacks one. `scene` joins all parts that name it."""

    date: str | None = None
    time: str | None = None
    scene: str | None = None
    direction: Direction | None = None


@dataclass(frozen=True)
class Naming:
    """A pattern of file names: text, and the fields {date} {time} {scene} {direction} {any}.

    {scene} and {any} may occur more than once. `words` are the texts of {direction} for each
    direction. With `strict` a file whose name does not fit is a finding.

    Raises:
        UserError: an unknown field, or a direction without a word.
    """

    pattern: str = LAB_PATTERN
    words: dict[Direction, Sequence[str]] = field(
        default_factory=lambda: {"left": ["left"], "right": ["right"], "straight": ["straight"]}
    )
    strict: bool = False

    def __post_init__(self) -> None:
        self._compiled  # noqa: B018  (refuses an unusable pattern now, not at the first file)

    def parts(self, file_name: str) -> NameParts | None:
        """The parts of a name with its suffix; None where it does not fit the pattern.

        A file imported from a folder below carries that folder's name and `__` before its own.
        """
        base = file_name.rpartition("__")[2]
        match = self._compiled.fullmatch(file_name) or self._compiled.fullmatch(base)
        if match is None:
            return None
        fields: dict[str, list[str]] = {}
        for name, value in zip(self._order, match.groups(), strict=True):
            fields.setdefault(name, []).append(value.strip("_- "))
        scene = "_".join(part for part in fields.get("scene", []) if part)
        word = fields.get("direction", [""])[0]
        return NameParts(
            date=_first(fields, "date"),
            time=_first(fields, "time"),
            scene=scene or None,
            direction=self._directions.get(word.casefold()),
        )

    @cached_property
    def _directions(self) -> dict[str, Direction]:
        return {word.casefold(): side for side, words in self.words.items() for word in words}

    @cached_property
    def _order(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.pattern)

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        words = "|".join(re.escape(word) for word in self._directions)
        fields = {**_FIELDS, "direction": f"{_NO_LETTER[0]}({words}){_NO_LETTER[1]}"}
        unknown = [name for name in self._order if name not in fields]
        if unknown or not words:
            wrong = f"the field {{{unknown[0]}}}" if unknown else "no word for any direction"
            raise UserError(
                f"The pattern of file names {self.pattern!r} has {wrong}: "
                f"use {', '.join(f'{{{name}}}' for name in fields)}."
            )
        pieces = re.split(r"{(\w+)}", self.pattern)
        texts = [re.escape(p) if i % 2 == 0 else fields[p] for i, p in enumerate(pieces)]
        return re.compile("".join(texts), re.IGNORECASE)


LAB_NAMES = Naming()


def _first(fields: dict[str, list[str]], name: str) -> str | None:
    values = fields.get(name)
    return values[0] if values else None
