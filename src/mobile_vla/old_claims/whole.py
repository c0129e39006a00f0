"""Values that are all of a cell, or of what stands after a key: directions, when a run began."""

from __future__ import annotations

import re

import msgspec

from mobile_vla.old_claims.times import CLOCK, since_midnight
from mobile_vla.old_claims.tokens import Found, small
from mobile_vla.old_claims.words import Key

WAYS = {
    "left": ("left",), "l": ("left",), "왼쪽": ("left",), "좌측": ("left",), "좌": ("left",),
    "right": ("right",), "r": ("right",), "오른쪽": ("right",), "우측": ("right",),
    "우": ("right",), "straight": ("straight",), "직진": ("straight",),
    "both": ("left", "right"), "좌우": ("left", "right"), "양쪽": ("left", "right"),
    "양방향": ("left", "right"), "왼오": ("left", "right"),
}  # fmt: skip
WAY = rf"(?:{'|'.join(sorted(WAYS, key=len, reverse=True))})(?![a-z])"
ALL_WAYS = re.compile(
    rf"(?P<ways>{WAY}(?:[\s,+/&·|-]*(?:and\b|과|와|및)?\s*{WAY})*)"
    r"(?P<only>\s*[-(]?\s*(?:only|alone|만|전용|뿐))?"
    r"(?:[\s-]*(?:turns?|sides?|directions?|episodes?|eps?|demos?|data|방향|에피소드|데이터|모두"
    r"|둘 다|전부|only|만|입니다|이다|임|mixed|혼합|\)))*"
)
"""In small letters: a text that tells directions, and nothing else."""


def whole_values(text: str, key: Key) -> list[Found]:
    """What a text says as a whole beside its key; nothing where it is to be read word by word."""
    if key.quantity in ("ways", "episodes"):
        last = text.rfind(",") + 1
        return ways_alone(text) or [
            msgspec.structs.replace(found, start=found.start + last, end=found.end + last)
            for found in (ways_alone(text[last:]) if last else [])
        ]
    clock = CLOCK.search(text) if key.quantity in ("date", "started") else None
    if clock is None:
        return []
    minutes = since_midnight(small(text), clock)
    return [Found(clock.start(), clock.end(), "started", minutes, 1.0)]


def ways_alone(text: str, *, only: bool = True) -> list[Found]:
    """The directions that are all of a text. `only`: it tells all that there are."""
    lead = len(text) - len(text.lstrip(" *`_"))
    plain = small(text[lead:].rstrip(" *`_.")) if len(text) < 60 else ""
    match = ALL_WAYS.fullmatch(plain)
    if match is None:
        return []
    told = [way for word in re.findall(WAY, match["ways"]) for way in WAYS[word]]
    ways = tuple(way for way in ("left", "right", "straight") if way in told)
    end = lead + match.end("ways")
    return [Found(lead, end, "ways", ways=ways, only=only or bool(match["only"]))]
