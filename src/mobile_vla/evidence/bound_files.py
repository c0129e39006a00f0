"""What a run's events recorded of its files, and where the files differ from it.

A start releases what it may write again (all but evaluations), the start of an evaluation what lies
in its folder. So a process killed while it replaces files leaves no false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

import msgspec
from blake3 import blake3

from mobile_vla.evidence.model import CheckpointView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.chain import BLOCK, ChainCheck, ChainHead, head_fits
from mobile_vla.runs.events import (
    AnyEvent,
    Checkpoint,
    Evaluated,
    Evaluating,
    Exit,
    FileHash,
    Heartbeat,
    Start,
)

AFTERWARDS = (Evaluating, Evaluated)
"""Events of evaluations, which are no part of the training's timeline."""
METRICS = "metrics.csv"
EVALUATION = "evaluation"
RESULTS = (f"{EVALUATION}/offline.json", f"{EVALUATION}/rollouts.json")


@dataclass(frozen=True, slots=True)
class Recorded:
    """`files`: by path, the line of events and what it recorded. `metrics`: each state of the
    curves since the last start. `evaluated`: folders whose evaluation was begun by this version.
    `exact`: whether the run finished and its exit recorded its files.
    """

    files: dict[str, tuple[int, FileHash]] = field(default_factory=dict)
    metrics: list[tuple[int, FileHash]] = field(default_factory=list)
    evaluated: set[str] = field(default_factory=set)
    exact: bool = False

    def differences(self, file: str, data: bytes) -> Iterator[Reason]:
        """Where the bytes of a file are not those that were recorded."""
        if file == METRICS:
            yield from self._rows(data)
        elif file in self.files:
            line, recorded = self.files[file]
            if len(data) != recorded.bytes or blake3(data).hexdigest() != recorded.blake3:
                yield reason("chain.file_changed", file=file, line=line)

    def _rows(self, data: bytes) -> Iterator[Reason]:
        """The first stretch of rows that changed; rows after the last record, once it finished."""
        before = 0
        for line, recorded in self.metrics:
            if blake3(data[: recorded.bytes]).hexdigest() != recorded.blake3:
                first = data.count(b"\n", 0, before) + 1
                last = max(first, data.count(b"\n", 0, recorded.bytes))
                yield reason("chain.rows_changed", first=first, last=last, line=line)
                return
            before = recorded.bytes
        if self.exact and len(data) > before:
            yield reason("chain.rows_added", first=data.count(b"\n", 0, before) + 1)

    def missing(self, read: Mapping[str, str], *, results: bool) -> Iterator[Reason]:
        """Recorded files that are gone, and results that no event recorded.

        `read`: the files that could be opened. `results`: whether evaluations were among them.
        """
        small = [name for name in self.files if "/" not in name]
        small += [name for name in RESULTS if results and name in self.files]
        for name in small:
            if name not in read:
                yield reason("chain.file_missing", file=name, line=self.files[name][0])
        for name in RESULTS:
            if name in read and name not in self.files and EVALUATION not in self.evaluated:
                yield reason("chain.file_unbound", file=name)


def recorded(events: Iterable[tuple[int, AnyEvent]]) -> Recorded:
    """What the events of a run recorded of its files, the last record of each."""
    record = Recorded()
    exact = False
    for line, event in events:
        if isinstance(event, Heartbeat):
            continue
        if isinstance(event, Start):
            _release(record, [n for n in record.files if not n.startswith(f"{EVALUATION}/")])
            record.metrics.clear()
            exact = False
        elif isinstance(event, Evaluating):
            folder = PurePosixPath(event.folder)
            _release(record, [n for n in record.files if PurePosixPath(n).parent == folder])
            record.evaluated.add(event.folder)
        elif isinstance(event, Evaluated):
            record.evaluated.discard(event.folder)
        if event.files:
            _keep(record, line, event.files)
            exact |= isinstance(event, Exit)
    return Recorded(record.files, record.metrics, record.evaluated, exact)


def _release(record: Recorded, names: list[str]) -> None:
    for name in names:
        del record.files[name]


def _keep(record: Recorded, line: int, files: Mapping[str, FileHash]) -> None:
    for name, file in files.items():
        record.files[name] = (line, file)
        if name == METRICS:
            record.metrics.append((line, file))


def chain_breaks(
    chain: ChainCheck, events: BinaryIO, head: Callable[[], bytes | None]
) -> Iterator[Reason]:
    """Where `events.jsonl` was changed or cut. `head` reads `events.head`."""
    if chain.broken is not None:
        yield reason("chain.broken", line=chain.broken)
        return
    stored = head()
    if stored is None:
        return
    try:
        known = msgspec.json.decode(stored, type=ChainHead)
        fits = known.encoded() == stored and head_fits(known, events)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
        fits = False
    if not fits:
        yield reason("chain.head", lines=_count_lines(events))


def _count_lines(events: BinaryIO) -> int:
    events.seek(0)
    return sum(block.count(b"\n") for block in iter(lambda: events.read(BLOCK), b""))


def link_breaks(
    links: Mapping[str, CheckpointView | None], written: Iterable[tuple[int, Checkpoint]]
) -> Iterator[Reason]:
    """Links among the checkpoints of a finished run that lead elsewhere than its events say."""
    meant: dict[str, tuple[int, Checkpoint]] = {}
    for line, event in written:
        meant["latest"] = (line, event)
        if event.best:
            meant["best"] = (line, event)
    for link, (line, event) in meant.items():
        view = links[link]
        if view is None or view.step != event.step:
            yield reason("chain.link", link=link, line=line, step=event.step)
