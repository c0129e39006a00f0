"""A run's `case.yaml`: the resolved case, written as YAML for people and read back."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.study.models import ResolvedCase
from mobile_vla.study.plain_yaml import load_plain

MOST_BYTES = 4 << 20


def write_case(path: Path, case: ResolvedCase) -> None:
    """Write the resolved case as block-style YAML."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(msgspec.to_builtins(case), text)
    write_atomic(path, text.getvalue().encode())


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
        return msgspec.convert(load_plain(data), ResolvedCase)
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
