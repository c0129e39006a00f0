"""Scalars of TensorBoard event files, up to the first record that is cut or corrupt."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mobile_vla.evidence.importers.formats.protobuf import parse
from mobile_vla.messages.reason import Reason, reason

SCALAR_LIMIT = 64 * 1024
"""Bytes of a record that may hold scalars; graphs and pictures are larger and are skipped."""

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes of records that are checked and parsed, which bounds the time of one file."""

FLOAT = 1
"""TensorFlow's number for 32-bit floats."""


@dataclass(slots=True)
class Scalars:
    """By tag: (record number from 1, step, value). `problem`: where and why reading stopped."""

    tags: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    problem: Reason | None = None


def read_scalars(path: Path) -> Scalars:
    """Read an event file: TFRecord framing with its checksums.

    Raises: OSError.
    """
    scalars = Scalars()
    with open(path, "rb") as file:
        for number, data in _records(file, scalars):
            try:
                _add(scalars, number, parse("Event", data))
            except ValueError as error:
                scalars.problem = reason("import.event_broken", record=number, text=str(error))
    return scalars


def _records(file: BinaryIO, scalars: Scalars) -> Iterator[tuple[int, bytes]]:
    number = parsed = 0
    while head := file.read(12):
        number += 1
        length = int.from_bytes(head[:8], "little")
        if len(head) < 12 or _masked(head[:8]) != int.from_bytes(head[8:], "little"):
            scalars.problem = reason("import.event_corrupt", record=number)
            return
        if length > SCALAR_LIMIT:
            file.seek(length + 4, 1)
            continue
        data, checksum = file.read(length), file.read(4)
        if len(checksum) < 4 or _masked(data) != int.from_bytes(checksum, "little"):
            scalars.problem = reason("import.event_corrupt", record=number)
            return
        parsed += length
        if parsed > FILE_LIMIT:
            scalars.problem = reason("import.events_too_many", record=number)
            return
        yield number, data


def _add(scalars: Scalars, number: int, event: Any) -> None:
    for value in event.summary.value:
        scalar = _scalar(value)
        if scalar is not None and math.isfinite(scalar) and value.tag:
            tag = value.tag.decode("utf-8", "replace")
            scalars.tags.setdefault(tag, []).append((number, event.step, scalar))


def _scalar(value: Any) -> float | None:
    """A plain scalar, or a tensor of one float."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    tensor = value.tensor
    if len(tensor.float_val) == 1:
        return float(tensor.float_val[0])
    if tensor.dtype == FLOAT and len(tensor.content) == 4:
        return float(struct.unpack("<f", tensor.content)[0])
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
