"""Configurations of other programs: JSON, also malformed, and dumps in logs as Python prints them.

The readable part of a broken one is used, with a warning that says where it breaks.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile
from mobile_vla.messages.reason import Reason, reason

LIMIT = 4 * 1024 * 1024
NESTING = 200
MOST_KEYS = 5000
KEY = re.compile(r"""(["'])([^"'\n]{1,200})\1\s*:\s*""")
Settings = dict[str, Any]


def read_json(path: Path) -> tuple[Settings, Reason | None]:
    """A JSON file's keys, and what is wrong with it, None where nothing is.

    Raises: OSError; UnreadableFile where it is too large or no key can be read.
    """
    if path.stat().st_size > LIMIT:
        raise UnreadableFile("too_large")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _readable_part(text, "json", _where(error))
    if not isinstance(value, dict):
        raise UnreadableFile("no_keys")
    return value, None


def read_dump(text: str) -> tuple[Settings, Reason | None]:
    """A dictionary as Python prints it, and what is wrong with it. Nothing is evaluated.

    Raises: UnreadableFile where no key of it can be read.
    """
    try:
        if len(text) > LIMIT or text.count("{") + text.count("[") > NESTING:
            raise ValueError("too long or too deep")
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        return _readable_part(text[:LIMIT], "dump", _where(error))
    return (value, None) if isinstance(value, dict) else ({}, reason("import.no_keys"))


def _readable_part(text: str, kind: str, where: str) -> tuple[Settings, Reason]:
    settings = _salvage(text)
    if not settings:
        raise UnreadableFile(f"{kind}_unreadable", where=where)
    return settings, reason(f"import.{kind}_partial", where=where, keys=len(settings))


def _salvage(text: str) -> Settings:
    """Each `"key": value` whose value is complete, the outermost first."""
    settings: Settings = {}
    place = tried = 0
    while tried < MOST_KEYS and (match := KEY.search(text, place)):
        tried += 1
        value, place = _value(text, match.end())
        if value is not KEY:
            settings.setdefault(match[2], value)
    return settings


def _value(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at `start` and where it ends; `KEY` where none is complete."""
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
