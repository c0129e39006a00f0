"""The chain of `events.jsonl`: each line carries a hash of all bytes before it and of itself.

The last member of a line's object is `"chain"`: 32 hex digits, blake3 of the file's bytes before
the line and of the line without that member. One hash of the file so proves all of its lines, and
a change shows at the line where it was made. A half-written line of a killed process is part of the
bytes before the next line, and so no break. `events.head` holds size and chain at the last
checkpoint, exit or evaluation, so that a file cut after a line is noticed too.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from blake3 import blake3

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic

DIGEST_BYTES = 16
MEMBER = re.compile(rb',"chain":"([0-9a-f]{32})"\}$', re.MULTILINE)
START = b'{"event":"'
BLOCK = 1 << 20


class ChainHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`events.head`: how long the events were, and the chain of their last line."""

    bytes: int
    chain: str

    def encoded(self) -> builtins.bytes:
        """The file's only content for this head."""
        return msgspec.json.encode(self) + b"\n"


class ChainCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`first`: the first line that carries a chain, None where none does.

    `broken`: the first line that does not follow from those before it.
    """

    first: int | None
    broken: int | None = None


class Chain:
    """The writer's side: the hash of a growing file, read again only where another wrote to it."""

    def __init__(self) -> None:
        self._hasher, self._size, self._inode = blake3(), 0, -1
        self._last, self._torn = "", False

    def catch_up(self, descriptor: int) -> None:
        """Hash what the file holds, unless it is as this writer left it."""
        status = os.fstat(descriptor)
        if (status.st_ino, status.st_size) == (self._inode, self._size):
            return
        self._hasher, self._size, self._inode = blake3(), 0, status.st_ino
        os.lseek(descriptor, 0, os.SEEK_SET)
        self._torn = False
        while block := os.read(descriptor, BLOCK):
            self._hasher.update(block)
            self._size += len(block)
            self._torn = not block.endswith(b"\n")

    def extend(self, event: bytes) -> bytes:
        """The bytes to append for an event's JSON object; a half line before it is ended first."""
        ended = b"\n" if self._torn else b""
        self._hasher.update(ended)
        self._last = _chain_of(self._hasher, event)
        line = event[:-1] + b',"chain":"' + self._last.encode() + b'"}\n'
        self._hasher.update(line)
        self._size, self._torn = self._size + len(ended) + len(line), False
        return ended + line

    def write_head(self, events: Path) -> None:
        """Write `events.head`; an older one stays where the disk is full, and is no less true."""
        head = ChainHead(bytes=self._size, chain=self._last)
        with contextlib.suppress(UserError):
            write_atomic(events.with_name("events.head"), head.encoded())


def without_chains(data: bytes) -> bytes:
    """Lines of events as they were before they were chained."""
    return MEMBER.sub(b"}", data)


def check_chain(data: bytes) -> ChainCheck:
    """Whether every line of `events.jsonl` follows from those before it.

    Lines before the first chained one are of an earlier version and are proved by it.
    """
    first = MEMBER.search(data)
    if first is None:
        return ChainCheck(first=None)
    start, last = _last_line(data)
    if _follows(blake3(data[:start]), last):
        return ChainCheck(first=data.count(b"\n", 0, first.start()) + 1)
    return _walk(_lines(data))


def check_chain_of_file(path: Path) -> ChainCheck:
    """The same of a file of any size, in bounded memory."""
    with open(path, "rb") as file:
        return _walk(iter(lambda: file.readline(BLOCK), b""))


def head_fits(head: ChainHead, events: BinaryIO) -> bool:
    """Whether the events begin with those that `events.head` knows."""
    ending = b',"chain":"%b"}\n' % head.chain.encode()
    start = head.bytes - len(ending)
    return start >= 0 and events.seek(start) == start and events.read(len(ending)) == ending


def _last_line(data: bytes) -> tuple[int, bytes]:
    """Start and bytes of the last line; a half line that a kill left is not counted."""
    start = data.rfind(b"\n") + 1
    if start < len(data) and not _is_torn(data[start:]):
        return start, data[start:]
    before = data.rfind(b"\n", 0, start - 1) + 1
    return before, data[before : start - 1]


def _is_torn(line: bytes) -> bool:
    """Whether a line may be the beginning of a longer one, or what a power cut left of it."""
    beginning = line.startswith(START[: len(line)]) and bool(line)
    return (beginning or b"\0" in line) and not _is_json(line)


def _is_json(line: bytes) -> bool:
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        msgspec.json.decode(line)
        return True
    return False


def _walk(lines: Iterator[bytes]) -> ChainCheck:
    """The first chained line, and the first that does not follow; by one hash a line."""
    hasher = blake3()
    first: int | None = None
    torn: int | None = None
    for number, line in enumerate(lines, 1):
        content = line.removesuffix(b"\n")
        if MEMBER.search(content):
            first = first or number
            if not _follows(hasher, content):
                return ChainCheck(first=first, broken=torn or number)
            torn = None
        elif first:
            if not _is_torn(content):
                return ChainCheck(first=first, broken=number)
            torn = torn or number
        hasher.update(line)
    return ChainCheck(first=first)


def _lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _follows(hasher: blake3, line: bytes) -> bool:
    member = MEMBER.search(line)
    if member is None:
        return False
    return _chain_of(hasher, line[: member.start()] + b"}") == member[1].decode()


def _chain_of(hasher: blake3, event: bytes) -> str:
    """The hash of all bytes before an event, and of the event."""
    extended = hasher.copy()
    extended.update(event)
    return str(extended.hexdigest(length=DIGEST_BYTES))
