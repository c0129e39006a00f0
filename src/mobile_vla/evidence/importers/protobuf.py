"""Protocol-buffer messages without their schema: field numbers and raw values."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | bytes


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """(field number, value): bytes for strings and messages, 4 or 8 raw bytes for fixed ones.

    Errors: `ValueError` where the message is cut or broken.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        value: Value
        if kind == 0:
            value, place = _varint(data, place)
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, place = _slice(data, place, width)
        elif kind == 2:
            length, place = _varint(data, place)
            value, place = _slice(data, place, length)
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        yield number, value


def inner(data: bytes, number: int) -> Iterator[bytes]:
    """Every message or string in field `number`."""
    for found, value in fields(data):
        if found == number and isinstance(value, bytes):
            yield value


def text(data: bytes, number: int) -> str | None:
    """The last string in field `number`, None where there is none."""
    found = [value.decode("utf-8", "replace") for value in inner(data, number)]
    return found[-1] if found else None


def integer(data: bytes, number: int) -> int | None:
    """The last integer in field `number`, None where there is none."""
    found = [value for key, value in fields(data) if key == number and isinstance(value, int)]
    return found[-1] if found else None


def real(value: bytes) -> float:
    """A fixed value of 4 or 8 bytes as a number."""
    return float(struct.unpack("<f" if len(value) == 4 else "<d", value)[0])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("a number is cut")
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _slice(data: bytes, place: int, length: int) -> tuple[bytes, int]:
    if place + length > len(data):
        raise ValueError("a field is cut")
    return data[place : place + length], place + length
