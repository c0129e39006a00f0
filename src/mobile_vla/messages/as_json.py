"""Answers as JSON: each reason as an English sentence, its code and fields beside it."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

import msgspec

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason

Joined: TypeAlias = Annotated[list[Reason], msgspec.Meta(title="joined")]
"""Reasons that JSON shows as one text: their sentences, separated by semicolons."""


def plain(value: Any) -> Any:
    """The same of plain values: structs are tables, other values stay as they are.

    A reason under the key K is the sentence at K and the reason at K_reason; a list of them is the
    sentences at K and the reasons at K_reasons.
    """
    if isinstance(value, Reason):
        return {"code": value.code, "fields": value.fields}
    if isinstance(value, msgspec.Struct):
        row: dict[str, Any] = {}
        for name, kind in _fields(type(value)).items():
            row |= _entry(name, kind, getattr(value, name))
        return row
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def with_reasons(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a struct as `plain` writes it: keys beside those that hold reasons."""
    properties: dict[str, Any] = {}
    required = list(schema.get("required", []))
    for name, kind in schema.get("properties", {}).items():
        sentences, suffix = _sentences(kind)
        properties[name] = sentences
        if suffix:
            properties[name + suffix] = kind
            required += [name + suffix] if name in required else []
    return schema | {"properties": properties, "required": required}


def _sentences(kind: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if _is_reason(kind):
        return {"type": "string"}, "_reason"
    if any(map(_is_reason, kind.get("anyOf", ()))):
        return {"type": ["string", "null"], "default": None}, "_reason"
    if kind.get("title") == "joined":
        return {"type": "string"}, "_reasons"
    if _is_reason(kind.get("items")):
        return {"type": "array", "items": {"type": "string"}}, "_reasons"
    return kind, ""


def _is_reason(kind: Any) -> bool:
    return isinstance(kind, dict) and str(kind.get("$ref", "")).endswith("/Reason")


def _entry(name: str, kind: Any, value: Any) -> dict[str, Any]:
    if kind is Reason or (Reason in get_args(kind) and not isinstance(value, list)):
        text = None if value is None else sentence(value, "en")
        return {name: text, f"{name}_reason": plain(value)}
    if kind == Joined:
        text = "; ".join(sentence(why, "en") for why in value)
        return {name: text, f"{name}_reasons": plain(value)}
    if kind == list[Reason]:
        return {name: [sentence(why, "en") for why in value], f"{name}_reasons": plain(value)}
    return {name: plain(value)}


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a struct's fields by their names in JSON order."""
    hints = get_type_hints(struct, include_extras=True)
    return {name: hints[name] for name in struct.__struct_fields__}
