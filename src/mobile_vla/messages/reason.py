"""Reasons: why something is concluded, as a code with typed fields and never as a sentence.

`codes.toml` lists every code with the kinds of its fields. The words are in `en.toml` and
`ko.toml`; `catalogue.sentence` makes a sentence of a reason.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TypeAlias

import msgspec

Field: TypeAlias = "str | int | float | Reason | list[str | int | float | Reason | None]"

KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),  # a quotation of a file, a path, a command: shown as it stands
    "level": (str,),  # a factor's value: directions and "none" are translated
    "count": (int,),
    "number": (int, float),  # three significant digits
    "exact": (int, float, str),  # all digits that are there
    "seconds": (int, float),
    "bytes": (int,),
    "share": (int, float),  # 0 to 1, shown in per cent
    "progress": (list,),  # [steps, total or None]
    "state": (str,),
    "verdict": (str,),
    "factor": (str,),
    "metric": (str,),
    "series": (str,),
    "quantity": (str,),
    "direction": (str,),
    "split": (str,),
    "part": (str,),
    "factors": (list,),
    "texts": (list,),
    "directions": (list,),
    "counts": (list,),
    "frames": (list,),  # frame numbers from 0, shown as ranges
    "reason": (),  # a reason within a reason
    "reasons": (list,),
    "items": (list,),  # short reasons within a reason, joined by commas
}
"""Kinds of fields and what Python values each takes."""


class Reason(msgspec.Struct, frozen=True):
    """Why something is concluded: a code of `codes.toml` and its fields.

    >>> Reason("run.left_no_checkpoint").code
    'run.left_no_checkpoint'
    """

    code: str
    fields: dict[str, Field] = {}

    def __hash__(self) -> int:
        return hash((self.code, repr(self.fields)))


@cache
def codes() -> dict[str, dict[str, str]]:
    """Every code with its fields' names and kinds."""
    text = resources.files(__package__).joinpath("codes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def reason(code: str, **fields: Field) -> Reason:
    """A reason whose code and fields are checked against `codes.toml`.

    Raises: ValueError for an unknown code, a missing or unknown field, or a field of another kind.
    """
    kinds = codes().get(code)
    if kinds is None:
        raise ValueError(f"no reason has the code {code!r}: add it to codes.toml")
    if kinds.keys() != fields.keys():
        raise ValueError(f"{code} takes the fields {sorted(kinds)}, not {sorted(fields)}")
    for name, value in fields.items():
        _check(code, name, kinds[name], value)
    return Reason(code, fields)


def _check(code: str, name: str, kind: str, value: Field) -> None:
    allowed = (Reason,) if kind == "reason" else KINDS[kind]
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise ValueError(f"{code}: {name} is of kind {kind}, which {value!r} is not")
