"""Nested configurations as flat keys with their values as text, alike for ours and for others'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NONE = "none"


def flat(value: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Keys joined by dots, with their plain values; lists stay whole."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}", inner


def value_text(value: Any) -> str:
    """A plain value as a factor states it."""
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
