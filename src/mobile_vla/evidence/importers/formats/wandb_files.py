"""W&B's offline files (`run-*.wandb`): configuration, history and exit, up to a broken record."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobile_vla.evidence.flatten import flat
from mobile_vla.evidence.importers.formats.protobuf import parse
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile, failure
from mobile_vla.messages.reason import Reason, reason

BLOCK = 32 * 1024
HEAD = 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LIMIT = 512 * 1024 * 1024


@dataclass(slots=True)
class WandbFile:
    """`history`: (record number from 1, values by dotted key). `exit_code`: (record, code)."""

    name: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    exit_code: tuple[int, int] | None = None
    problem: Reason | None = None


def read_wandb(path: Path) -> WandbFile:
    """Read a file in LevelDB's log framing.

    Raises: OSError; UnreadableFile where it is no W&B file.
    """
    content = WandbFile()
    with open(path, "rb") as file:
        if file.read(HEAD)[:4] != b":W&B":
            raise UnreadableFile("not_wandb")
        number = 0
        try:
            for number, record in enumerate(_records(file.read(LIMIT)), 1):
                _add(content, number, parse("Record", record))
        except ValueError as error:
            content.problem = reason("import.wandb_cut", record=number, why=failure(error))
    return content


def _records(data: bytes) -> Iterator[bytes]:
    """Records, each put together from its pieces; crc32 is over type and data."""
    place, pieces = HEAD, [b""]  # the file's own header counts as part of the first block
    data = b"\0" * HEAD + data
    while place < len(data):
        if BLOCK - place % BLOCK < HEAD:
            place += BLOCK - place % BLOCK
            continue
        head = data[place : place + HEAD]
        if len(head) == HEAD and not any(head):
            break
        length = int.from_bytes(head[4:6], "little")
        kind, body = head[6:7], data[place + HEAD : place + HEAD + length]
        if len(head) < HEAD or len(body) < length:
            raise UnreadableFile("file_cut")
        if zlib.crc32(kind + body) != int.from_bytes(head[:4], "little"):
            raise UnreadableFile("checksum")
        place += HEAD + length
        pieces = [body] if kind[0] in (FULL, FIRST) else [*pieces, body]
        if kind[0] in (FULL, LAST):
            yield b"".join(pieces)


def _add(content: WandbFile, number: int, record: Any) -> None:
    if record.HasField("history"):
        content.history.append((number, _values(record.history)))
    if record.HasField("config"):
        content.config |= _values(record.config)
    if record.HasField("run"):
        run = record.run
        name = (run.display_name or run.run_id).decode("utf-8", "replace")
        content.name = name or content.name
        content.config |= _values(run.config)
    if record.HasField("exit"):
        content.exit_code = (number, record.exit.exit_code)


def _values(items: Any) -> dict[str, Any]:
    """Every item's value by its key; nested keys are joined by dots."""
    values: dict[str, Any] = {}
    for item in items.item:
        key = (item.key or b".".join(item.nested_key)).decode("utf-8", "replace")
        try:
            value = json.loads(item.value_json or b"null")
        except (ValueError, RecursionError):
            continue
        if key:
            values |= dict(flat({key: value}))
    return values
