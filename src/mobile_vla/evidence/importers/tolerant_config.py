"""Configurations of other programs: JSON, also malformed, and dumps in logs as Python prints them.

What can be read of a broken one is used with a warning that says where it breaks.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

LIMIT = 4 * 1024 * 1024
NESTING = 200
KEY = re.compile(r"""(["'])([^"'\n]{1,200})\1\s*:\s*""")
Settings = dict[str, Any]


def read_json(path: Path) -> tuple[Settings, str | None]:
    """A JSON file's keys, and what is wrong with it, None where nothing is.

    Errors: `OSError`; `ValueError` where it is too large or no key can be read.
    """
    if path.stat().st_size > LIMIT:
        raise ValueError("it is too large for a configuration")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _readable_part(text, f"not valid JSON ({_where(error)})")
    if not isinstance(value, dict):
        raise ValueError("it holds no keys")
    return value, None


def read_dump(text: str) -> tuple[Settings, str | None]:
    """A dictionary as Python prints it, and what is wrong with it. Nothing is evaluated."""
    try:
        if len(text) > LIMIT or text.count("{") + text.count("[") > NESTING:
            raise ValueError("too long or too deep")
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        return _readable_part(text[:LIMIT], f"cut or broken ({_where(error)})")
    return (value, None) if isinstance(value, dict) else ({}, "no dictionary")


def _readable_part(text: str, problem: str) -> tuple[Settings, str]:
    found = _salvage(text)
    if not found:
        raise ValueError(f"it is {problem} and no key of it can be read")
    return found, f"{problem}: its readable part, {len(found)} keys, is used"


def _salvage(text: str) -> Settings:
    """Each `"key": value` whose value is whole, the outermost first."""
    found: Settings = {}
    place = 0
    while match := KEY.search(text, place):
        value, place = _value(text, match.end())
        if value is not KEY:
            found.setdefault(match[2], value)
    return found


def _value(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at `start` and where it ends; `KEY` stands for none that is whole."""
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        plain = re.compile(r"'([^'\n]*)'|(None|True|False)").match(text, start)
    if plain is None:
        return KEY, start
    words = {"None": None, "True": True, "False": False}
    return (plain[1] if plain[2] is None else words[plain[2]]), plain.end()


def _where(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
