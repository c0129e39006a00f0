"""Scalars of TensorBoard event files, up to the first record that is cut or corrupt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.evidence.importers.protobuf import fields, inner, integer, real, text

SCALAR_LIMIT = 64 * 1024
"""Bytes of a record that may hold scalars; graphs and pictures are larger and passed over."""


@dataclass(slots=True)
class Scalars:
    """By tag: (record number from 1, step, value). `problem`: where and why reading stopped."""

    tags: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    problem: str | None = None


def read_scalars(path: Path) -> Scalars:
    """Read an event file: TFRecord framing, crc32c checked. Errors: `OSError`."""
    found = Scalars()
    with open(path, "rb") as file:
        number = 0
        while head := file.read(12):
            number += 1
            if len(head) < 12 or _masked(head[:8]) != int.from_bytes(head[8:], "little"):
                found.problem = f"record {number} is cut or corrupt; what stands before it is used"
                break
            length = int.from_bytes(head[:8], "little")
            if length > SCALAR_LIMIT:
                file.seek(length + 4, 1)
                continue
            data, check = file.read(length), file.read(4)
            if len(check) < 4 or _masked(data) != int.from_bytes(check, "little"):
                found.problem = f"record {number} is cut or corrupt; what stands before it is used"
                break
            _take(found, number, data)
    return found


def _take(found: Scalars, number: int, data: bytes) -> None:
    """Event: step is field 2, summary field 5; in its values tag 1, simple value 2, tensor 8."""
    try:
        step = integer(data, 2) or 0
        for summary in inner(data, 5):
            for value in inner(summary, 1):
                tag, scalar = text(value, 1), _scalar(value)
                if tag and scalar is not None and math.isfinite(scalar):
                    found.tags.setdefault(tag, []).append((number, step, scalar))
    except (ValueError, OverflowError) as error:
        found.problem = f"record {number} cannot be read ({error})"


def _scalar(value: bytes) -> float | None:
    for number, content in fields(value):
        if number == 2 and isinstance(content, bytes) and len(content) == 4:
            return real(content)
        if number == 8 and isinstance(content, bytes):
            return _of_tensor(content)
    return None


def _of_tensor(tensor: bytes) -> float | None:
    """A tensor of one float: its packed values are field 5, or its content field 4."""
    for number, content in fields(tensor):
        if number in (4, 5) and isinstance(content, bytes) and len(content) == 4:
            return real(content)
    return None


def _table() -> list[int]:
    """Castagnoli's polynomial, reflected."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def _masked(data: bytes) -> int:
    """TFRecord's masked crc32c."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
