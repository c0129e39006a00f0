"""W&B's offline files (`run-*.wandb`): configuration, history and exit, up to a broken record."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.protobuf import inner, integer, text

BLOCK = 32 * 1024
HEAD = 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, CONFIG, RUN, EXIT = 2, 5, 17, 18


@dataclass(slots=True)
class Wandb:
    """`history`: (record number from 1, values). `exit_code`: None where no exit was written."""

    name: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    exit_code: tuple[int, int] | None = None
    problem: str | None = None


def read_wandb(path: Path) -> Wandb:
    """Read a file in LevelDB's log framing.

    Errors: `OSError`; `ValueError` where it is no W&B file.
    """
    found = Wandb()
    with open(path, "rb") as file:
        head = file.read(HEAD)
        if head[:4] != b":W&B":
            raise ValueError("it is no W&B file")
        number = 0
        try:
            for number, record in enumerate(_records(file.read()), 1):
                _take(found, number, record)
        except ValueError as error:
            found.problem = f"after record {number} {error}; what stands before it is used"
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """Records, each put together from its pieces; crc32 is over type and data."""
    place, pieces = HEAD, [b""]  # the file's own header counts as part of the first block
    data = b"\0" * HEAD + data
    while place < len(data):
        if BLOCK - place % BLOCK < HEAD:
            place += BLOCK - place % BLOCK
            continue
        head = data[place : place + HEAD]
        length, kind = int.from_bytes(head[4:6], "little"), head[6] if len(head) == HEAD else 0
        if kind == 0 and not any(data[place : place + HEAD]) and len(head) == HEAD:
            break
        body = data[place + HEAD : place + HEAD + length]
        if len(head) < HEAD or len(body) < length:
            raise ValueError("the file is cut")
        if zlib.crc32(head[6:7] + body) != int.from_bytes(head[:4], "little"):
            raise ValueError("a checksum is wrong")
        place += HEAD + length
        pieces = [body] if kind in (FULL, FIRST) else [*pieces, body]
        if kind in (FULL, LAST):
            yield b"".join(pieces)


def _take(found: Wandb, number: int, record: bytes) -> None:
    for item in inner(record, HISTORY):
        found.history.append((number, dict(_items(item))))
    for item in inner(record, CONFIG):
        found.config |= dict(_items(item))
    for run in inner(record, RUN):
        found.name = text(run, 8) or text(run, 1) or found.name
        for item in inner(run, 4):
            found.config |= dict(_items(item))
    for item in inner(record, EXIT):
        found.exit_code = (number, integer(item, 1) or 0)


def _items(message: bytes) -> Iterator[tuple[str, Any]]:
    """Key (1, or nested keys 2) and JSON value (16) of every item."""
    for item in inner(message, 1):
        key = text(item, 1) or ".".join(k.decode("utf-8", "replace") for k in inner(item, 2))
        try:
            value = json.loads(text(item, 16) or "null")
        except (ValueError, RecursionError):
            continue
        if key:
            yield key, value
