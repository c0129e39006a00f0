"""`events.jsonl`: what happened in a run, one JSON object a line, only ever appended."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from mobile_vla.runs.chain import Chain, without_chains
from mobile_vla.runs.files import explain_os_error, hash_file, open_own
from mobile_vla.runs.process import Process

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class FileHash(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size and blake3 of a file, or of its first `bytes` where it still grows."""

    bytes: Count
    blake3: str


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"
):
    """`time`: UTC, ISO 8601. `files`: files of the run as they stand at this event, by path."""

    time: Moment = msgspec.field(default_factory=lambda: datetime.now(UTC))
    files: dict[str, FileHash] | msgspec.UnsetType = msgspec.UNSET


class Start(Event, frozen=True, kw_only=True, tag="start"):
    """A process began (or resumed) the run."""

    process: Process
    argv: list[str]
    total_steps: Count | None = None
    resumed_at_step: Count | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One finding of the preflight, with what was measured."""

    name: str
    passed: bool
    detail: str
    values: dict[str, float] = {}


class Preflight(Event, frozen=True, kw_only=True, tag="preflight"):
    """Everything checked before the first optimiser step."""

    checks: list[Check]
    total_steps: Count | None = None


class Heartbeat(Event, frozen=True, kw_only=True, tag="heartbeat"):
    """The process was alive and had finished `step` optimiser steps."""

    step: Count
    epoch: Count


class Epoch(Event, frozen=True, kw_only=True, tag="epoch"):
    """An epoch (from 0) ended after optimiser step `step`."""

    epoch: Count
    step: Count
    train_loss: float
    val_loss: float | None
    val_mae: float | None = None
    val_unheard: float | msgspec.UnsetType | None = msgspec.UNSET
    seconds: float


class Checkpoint(Event, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint was written, synced and renamed. `path` is relative to the run folder.

    `best`: whether `best_by`, the recipe's metric, was the lowest so far. `reconciled`: the process
    that wrote the checkpoint was killed before it wrote this event; a later one wrote it from what
    stands in the folder.
    """

    path: str
    step: Count
    epoch: Count
    bytes: Count
    blake3: str
    val_loss: float | None
    val_mae: float | None = None
    val_unheard: float | msgspec.UnsetType | None = msgspec.UNSET
    best: bool
    best_by: str = "val_loss"
    reconciled: bool = False


class CheckpointFailed(Event, frozen=True, kw_only=True, tag="checkpoint_failed"):
    """A checkpoint could not be written; the older ones stand."""

    step: Count
    reason: str


class Exit(Event, frozen=True, kw_only=True, tag="exit"):
    """The process left the run in an orderly way and says how. `pid`: which; the log adds it.

    `early`: patience ended before the epochs, so `step` is the run's last by its recipe.
    """

    outcome: Literal["finished", "refused", "exception", "interrupted", "nan"]
    step: Count
    reason: str
    exception: str | None = None
    pid: int | None = None
    early: bool | msgspec.UnsetType = msgspec.UNSET


class Evaluating(Event, frozen=True, kw_only=True, tag="evaluating"):
    """An evaluation began, which replaces the files of `folder` (relative to the run folder)."""

    folder: str


class Evaluated(Event, frozen=True, kw_only=True, tag="evaluated"):
    """An evaluation of a checkpoint ended; `files` holds what it wrote to `folder`."""

    folder: str
    checkpoint_blake3: str


AnyEvent = (
    Start
    | Preflight
    | Heartbeat
    | Epoch
    | Checkpoint
    | CheckpointFailed
    | Exit
    | Evaluating
    | Evaluated
)
_decoder = msgspec.json.Decoder(AnyEvent)
HEARTBEAT = b'{"event":"heartbeat"'
RESERVE_BYTES = 64 << 10
BLOCK, LONGEST, MOST_BAD = 8 << 20, 1 << 20, 20


class EventLog:
    """Appends events; each line is written whole and synced, heartbeats are not synced.

    From its start to its exit a run keeps `RESERVE_BYTES` set aside, so that on a disk filled to
    the last byte there is room to say so. Each line carries the hash of all bytes before it and of
    itself (`runs/chain.py`); where the system has file locks, writers take turns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserve = path.with_name(".reserve")
        self._chain = Chain()

    def append(self, event: AnyEvent) -> None:
        """Write one event as one line. Errors: `UserError` for a full disk and the like."""
        if isinstance(event, Exit):
            event = msgspec.structs.replace(event, pid=os.getpid())
        try:
            if isinstance(event, Start):
                self._set_aside()
            descriptor = open_own(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                _lock(descriptor)
                self._write(descriptor, event)
            finally:
                os.close(descriptor)
            if isinstance(event, Checkpoint | Exit | Evaluated):
                self._chain.write_head(self.path)
            if isinstance(event, Exit):
                self._reserve.unlink(missing_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.path) from error

    def _set_aside(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._reserve.unlink()  # a link of that name too, and not what it points to
        descriptor = open_own(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, os.urandom(RESERVE_BYTES))
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, event: AnyEvent) -> None:
        self._chain.catch_up(descriptor)
        line = self._chain.extend(msgspec.json.encode(event))
        while line:
            try:
                line = line[os.write(descriptor, line) :]
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT) and self._reserve.exists()
                if not full or isinstance(event, Heartbeat):  # which is not worth the last room
                    raise
                self._reserve.unlink()
        if not isinstance(event, Heartbeat):
            os.fsync(descriptor)


def file_hashes(folder: Path, names: Iterable[str]) -> dict[str, FileHash]:
    """Those of the named files below a run folder that are there, for an event's `files`."""
    return {
        name: FileHash(bytes=path.stat().st_size, blake3=hash_file(path))
        for name in names
        if (path := folder / name).is_file()
    }


class EventLine(msgspec.Struct, frozen=True):
    """A line of `events.jsonl`: its number from 1, and the event, or why it is none."""

    number: int
    event: AnyEvent | None
    problem: str | None = None


def decode_events(data: bytes) -> list[EventLine]:
    """Every line that is not blank. A half-written or foreign one is a problem, not an error."""
    data = without_chains(data)
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        events = _decoder.decode_lines(data)
        if len(events) == data.count(b"\n") == data.count(b"\n{") + data.startswith(b"{"):
            return [EventLine(number, event) for number, event in enumerate(events, 1)]
    return [_line(n, raw) for n, raw in enumerate(data.split(b"\n"), 1) if raw.strip()]


def skim_events(path: Path) -> list[EventLine]:
    """A file of any size in bounded memory: of heartbeats in a row only the last, few bad lines."""
    lines: list[EventLine] = []
    beat: tuple[int, bytes] | None = None
    bad = 0
    for number, raw in _long_lines(path):
        if raw.startswith(HEARTBEAT):
            beat = (number, raw)
            continue
        lines += [_line(*beat)] if beat else []
        line, beat = _line(number, raw), None
        bad += line.event is None
        if line.event is not None or bad <= MOST_BAD:
            lines.append(line)
    return lines + ([_line(*beat)] if beat else [])


def _long_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank with their numbers; of a line without end, its beginning."""
    number, tail = 0, b""
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            *lines, last = (tail + block).split(b"\n")
            tail = last[:LONGEST]
            for number, raw in enumerate(lines, number + 1):  # noqa: B020
                if raw.strip():
                    yield number, raw
    if tail.strip():
        yield number + 1, tail


def _line(number: int, raw: bytes) -> EventLine:
    try:
        return EventLine(number, _decoder.decode(without_chains(raw)))
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        return EventLine(number, None, str(error))


def _lock(descriptor: int) -> None:
    """Wait for another writer of the file; closing the descriptor lets the next one in."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # file systems without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
