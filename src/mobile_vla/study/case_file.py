"""A run's `case.yaml`: the resolved case, written as YAML for people and read back."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from pathlib import Path

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.study.models import Recipe, ResolvedCase
from mobile_vla.study.yaml_text import dump_yaml, load_yaml

MOST_BYTES = 4 << 20
LATER_KEYS = ("schedule", "final_rate", "ema", "patience", "probe", "lora.rslora", "lora.dora")
"""Keys of the recipe that came later, whose default is what versions before them did. At its
default one is left out, so that a study of before has the same `case.yaml`."""


def write_case(path: Path, case: ResolvedCase) -> None:
    """Write the resolved case as block-style YAML."""
    content, default = msgspec.to_builtins(case), msgspec.to_builtins(Recipe())
    for key in LATER_KEYS:
        *above, name = key.split(".")
        inner = reduce(getitem, above, content["recipe"])
        if inner[name] == reduce(getitem, above, default)[name]:
            del inner[name]
    write_atomic(path, dump_yaml(content))


def read_case(path: Path) -> ResolvedCase:
    """Read a run's `case.yaml` (some hundred microseconds).

    Raises:
        UserError: the file cannot be read or is no resolved case.
    """
    try:
        return parse_case(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is no resolved case: {reason}.") from error


def parse_case(data: bytes) -> ResolvedCase:
    """Parse a resolved case.

    Raises:
        ValueError: the bytes are no YAML or no resolved case.
    """
    try:
        return msgspec.convert(load_yaml(data), ResolvedCase)
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
