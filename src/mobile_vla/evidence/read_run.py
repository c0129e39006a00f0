"""A run folder as facts. Nothing in it can make this fail: what cannot be read is a problem."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import msgspec
from blake3 import blake3

from mobile_vla.episodes.manifest import Manifest, parse_manifest
from mobile_vla.evidence.bound_files import (
    AFTERWARDS,
    Recorded,
    chain_breaks,
    link_breaks,
    recorded,
)
from mobile_vla.evidence.flatten import flat
from mobile_vla.evidence.model import CheckpointView, Evidence
from mobile_vla.evidence.verify_checkpoint import linked, read_checkpoints, relative
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.chain import ChainCheck, check_chain, check_chain_of_file
from mobile_vla.runs.environment import Environment
from mobile_vla.runs.events import AnyEvent, Checkpoint, EventLine, Exit, decode_events, skim_events
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.load_report import LoadReport
from mobile_vla.runs.metrics_csv import read_column
from mobile_vla.runs.outside_files import READ_FLAGS
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.study.models import ResolvedCase
from mobile_vla.study.yaml_text import load_yaml

CONSOLE_TAIL = 256 * 1024
CASE_LIMIT = 64 * 1024
HASH_LIMIT = 512 * 1024 * 1024
EXCEPTION = re.compile(rb"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:: .*)?$")
TRACEBACK = b"Traceback (most recent call last):"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConsoleError:
    """The last uncaught exception printed in `console.log`."""

    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a run folder says. A file that is missing or broken is None or empty here.

    `name`: of the folder, relative to the workspace. `case_keys`: those that `case.yaml` has, the
    others of `case` are defaults. `events`: (line number, event). `val_losses`:
    (line, value) of `metrics.csv`. `hashes`: of the files that were read, by name. `breaks`: where
    files differ from what the events recorded of them. `chained`: whether all events are chained,
    None where there is none.
    """

    folder: RunFolder
    name: str
    case: ResolvedCase | None
    case_keys: frozenset[str]
    events: list[tuple[int, AnyEvent]]
    manifest: Manifest | None
    load_report: LoadReport | None
    environment: Environment | None
    val_losses: list[tuple[int, float]]
    offline: Offline | None
    rollouts: Rollouts | None
    checkpoints: list[CheckpointView]
    best: CheckpointView | None
    latest: CheckpointView | None
    console: ConsoleError | None
    hashes: dict[str, str] = field(default_factory=dict)
    problems: list[Reason] = field(default_factory=list)
    breaks: list[Reason] = field(default_factory=list)
    chained: bool | None = None

    def at(self, file: str, where: str = "") -> Evidence:
        """Evidence in one of the run's files."""
        return Evidence(file=f"{self.name}/{file}", where=where, blake3=self.hashes.get(file, ""))


class _Reader:
    """Reads one file after another and keeps what went wrong. `hashed`: for citing them."""

    def __init__(self, folder: RunFolder, base: Path, *, hashed: bool) -> None:
        self.folder, self.name = str(folder.path), relative(folder.path, base)
        self.hashed = hashed
        self.hashes: dict[str, str] = {}
        self.problems: list[Reason] = []
        self.record, self.chain = Recorded(), ChainCheck(first=None)
        self.breaks: list[Reason] = []

    def events(self) -> list[EventLine]:
        """The events; their chain is checked, and what they record of other files is kept."""
        lines = self.read("events.jsonl", self._chained, self._chained_file) or []
        if "events.jsonl" not in self.hashes:
            self.breaks += chain_breaks(self.chain, BytesIO(), self._head)
        self.record = recorded([(x.number, x.event) for x in lines if x.event is not None])
        return lines

    def _chained(self, data: bytes) -> list[EventLine]:
        self.chain = check_chain(data)
        self.breaks += chain_breaks(self.chain, BytesIO(data), self._head)
        return decode_events(data)

    def _chained_file(self, path: Path) -> list[EventLine]:
        self.chain = check_chain_of_file(path)
        with open(path, "rb") as file:
            self.breaks += chain_breaks(self.chain, file, self._head)
        return skim_events(path)

    @property
    def has_head(self) -> bool:
        """Whether `events.head` is there, or the events are broken without it."""
        return self.chain.broken is not None or "events.head" in self.hashes

    def _head(self) -> bytes | None:
        return self.read("events.head", bytes)

    def read(
        self, file: str, how: Callable[[bytes], T], large: Callable[[Path], T] | None = None
    ) -> T | None:
        """`how` of the bytes, read once; None with a problem where broken, alone where missing.

        `large` reads files above `HASH_LIMIT` by their path, whose hash stays empty.
        """
        path, name = f"{self.folder}/{file}", f"{self.name}/{file}"
        try:
            data = self._bytes(path, file)
            if data is not None:
                self.breaks += self.record.differences(file, data)
                return how(data)
            if file not in self.hashes:
                return None
            if large is None:
                raise ValueError("it is too large")
            return large(Path(path))
        except UserError as error:
            message = str(error).replace(path, name)
            self.problems.append(reason("run.file_refused", message=message))
        except Exception as error:  # a damaged file can make its reader raise anything
            self.problems.append(reason("run.file_unreadable", file=name, cause=reason_of(error)))
        return None

    def _bytes(self, path: str, file: str) -> bytes | None:
        """What the file holds; None where it is missing, no file, or too large to hash."""
        try:
            descriptor = os.open(path, READ_FLAGS)
        except FileNotFoundError:
            if os.path.islink(path):  # noqa: PTH114
                self.problems.append(reason("run.no_file", file=f"{self.name}/{file}"))
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.problems.append(reason("run.no_file", file=f"{self.name}/{file}"))
                return None
            small = status.st_size <= HASH_LIMIT
            data = _whole(descriptor, status.st_size) if small else None
        finally:
            os.close(descriptor)
        self.hashes[file] = blake3(data).hexdigest() if self.hashed and data is not None else ""
        return data


def _whole(descriptor: int, size: int) -> bytes:
    """All bytes of an open file, which may grow meanwhile: up to its size when it was opened."""
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def read_run(folder: RunFolder, base: Path, *, results: bool = True, hashed: bool = True) -> Facts:
    """Everything readable in a run folder. `base`: the workspace, to which files are relative.

    `results`: its evaluation too, which no state rests on. `hashed`: to cite its files by hash.
    """
    reader = _Reader(folder, base, hashed=hashed)
    events = _good_lines(reader, reader.events())
    written = [(line, event) for line, event in events if isinstance(event, Checkpoint)]
    checkpoints = read_checkpoints(folder, written, reader.name)
    events = [(line, event) for line, event in events if not isinstance(event, AFTERWARDS)]
    has_exit = bool(events) and isinstance(events[-1][1], Exit)
    case, keys = reader.read("case.yaml", _case) or (None, frozenset[str]())
    facts = Facts(
        folder=folder,
        name=reader.name,
        case=case,
        case_keys=keys,
        events=events,
        manifest=reader.read("manifest.json", partial(parse_manifest, folder.manifest)),
        load_report=reader.read("load_report.json", _load_report),
        environment=reader.read("environment.json", _environment),
        val_losses=reader.read("metrics.csv", _val_losses) or [],
        offline=reader.read("evaluation/offline.json", _offline) if results else None,
        rollouts=reader.read("evaluation/rollouts.json", _rollouts) if results else None,
        checkpoints=checkpoints,
        best=linked(folder, "best", checkpoints),
        latest=linked(folder, "latest", checkpoints),
        console=None if has_exit else _console_error(reader),
        hashes=reader.hashes,
        problems=reader.problems,
        breaks=reader.breaks,
        chained=reader.chain.first == 1 if events else None,
    )
    if reader.record.exact:
        links = {"best": facts.best, "latest": facts.latest}
        facts.breaks.extend(reader.record.missing(reader.hashes, results=results))
        facts.breaks.extend(link_breaks(links, written))
        if facts.chained and written and not reader.has_head:
            line = written[-1][0]
            facts.breaks.append(reason("chain.file_missing", file="events.head", line=line))
    return facts


def _good_lines(reader: _Reader, lines: list[EventLine]) -> list[tuple[int, AnyEvent]]:
    good = []
    for line in lines:
        if line.event is None:
            file, cause = f"{reader.name}/events.jsonl", line.problem or ""
            problem = reason("run.no_event", line=line.number, file=file, cause=cause)
            reader.problems.append(problem)
        else:
            good.append((line.number, line.event))
    return good


def _val_losses(data: bytes) -> list[tuple[int, float]]:
    return read_column(data, "val_loss")


_load_report = msgspec.json.Decoder(LoadReport).decode
_environment = msgspec.json.Decoder(Environment).decode
_offline = msgspec.json.Decoder(Offline).decode
_rollouts = msgspec.json.Decoder(Rollouts).decode


@lru_cache(maxsize=1024)
def _case(data: bytes) -> tuple[ResolvedCase, frozenset[str]]:
    if len(data) > CASE_LIMIT:
        raise ValueError("it is far too long for a resolved case")
    try:
        content = load_yaml(data)
        return msgspec.convert(content, ResolvedCase), frozenset(key for key, _ in flat(content))
    except ValueError as error:
        raise ValueError(f"it is no resolved case: {error}") from error


def _console_error(reader: _Reader) -> ConsoleError | None:
    """The last traceback's exception; only the log's end is read, however long it is."""
    file = "console.log"
    tail = reader.read(file, lambda data: _lines_of(data[-CONSOLE_TAIL:], len(data)), _tail)
    if tail is None:
        return None
    first, lines = tail
    starts = [i for i, line in enumerate(lines) if line.strip().endswith(TRACEBACK)]
    if not starts:
        return None
    for offset, line in enumerate(lines[starts[-1] + 1 :], starts[-1] + 1):
        if EXCEPTION.match(line):
            where = f"line {first + offset}" if first else "near its end"
            digest = reader.hashes[file]
            evidence = Evidence(file=f"{reader.name}/{file}", where=where, blake3=digest)
            return ConsoleError(line.decode("utf-8", "replace"), evidence)
    return None


def _tail(path: Path) -> tuple[int, list[bytes]]:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - CONSOLE_TAIL))
        return _lines_of(file.read(), size)


def _lines_of(tail: bytes, size: int) -> tuple[int, list[bytes]]:
    """The last lines, carriage returns counted as line ends; 1 where they are all, else 0."""
    return int(size <= CONSOLE_TAIL), [
        line.rstrip(b"\r").rpartition(b"\r")[2] for line in tail.split(b"\n")
    ]
