"""A run folder as facts. Nothing in it can make this fail: what cannot be read is a problem."""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from blake3 import blake3

from mobile_vla.casebook.checkpoints import linked, read_checkpoints, relative
from mobile_vla.casebook.model import CheckpointView, Evidence
from mobile_vla.episodes.manifest import Manifest, read_manifest
from mobile_vla.record.environment import Environment
from mobile_vla.record.errors import UserError
from mobile_vla.record.events import AnyEvent, Checkpoint, Line, decode_events, read_events
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.load_report import LoadReport
from mobile_vla.record.metrics import read_column
from mobile_vla.record.results import Offline, Rollouts
from mobile_vla.study.models import ResolvedCase
from mobile_vla.study.resolved import parse_case

CONSOLE_TAIL = 256 * 1024
CASE_LIMIT = 64 * 1024
HASH_LIMIT = 256 * 1024 * 1024
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

    `events`: (line number, event). `curves`: the validation loss of `metrics.csv`.
    `evidence`: by file name.
    """

    folder: RunFolder
    base: Path
    case: ResolvedCase | None
    events: list[tuple[int, AnyEvent]]
    manifest: Manifest | None
    load_report: LoadReport | None
    environment: Environment | None
    curves: dict[str, list[tuple[int, float]]]
    offline: Offline | None
    rollouts: Rollouts | None
    checkpoints: list[CheckpointView]
    best: CheckpointView | None
    latest: CheckpointView | None
    console: ConsoleError | None
    evidence: dict[str, Evidence] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def at(self, file: Path, where: str = "") -> Evidence:
        """Evidence in one of the run's files."""
        known = self.evidence.get(file.name if file.parent == self.folder.path else str(file))
        name = known.file if known else relative(file, self.base)
        return Evidence(file=name, where=where, blake3=known.blake3 if known else "")


class _Reader:
    """Reads one file after another and keeps what went wrong."""

    def __init__(self, folder: RunFolder, base: Path) -> None:
        self.folder, self.base = folder, base
        self.evidence: dict[str, Evidence] = {}
        self.problems: list[str] = []

    def read(
        self, path: Path, how: Callable[[bytes], T], large: Callable[[Path], T] | None = None
    ) -> T | None:
        """`how` of the bytes, read once; None with a problem where broken, alone where missing.

        `large` reads files above `HASH_LIMIT` by their path, whose hash stays empty.
        """
        name = relative(path, self.base)
        try:
            data = self._bytes(path, name)
            if data is not None:
                return how(data)
            if self._key(path) not in self.evidence:
                return None
            if large is None:
                raise ValueError("it is too large")
            return large(path)
        except UserError as error:
            self.problems.append(str(error).replace(str(path), name))
        except (OSError, ValueError, csv.Error, msgspec.MsgspecError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.problems.append(f"{name} cannot be read: {reason}")
        return None

    def _bytes(self, path: Path, name: str) -> bytes | None:
        """What the file holds; None where it is missing, no file, or too large to hash."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            if path.is_symlink():
                self.problems.append(f"{name} is not a file")
            return None
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            os.close(descriptor)
            self.problems.append(f"{name} is not a file")
            return None
        with open(descriptor, "rb") as file:
            data = file.read() if told.st_size <= HASH_LIMIT else None
        digest = "" if data is None else blake3(data).hexdigest()
        self.evidence[self._key(path)] = Evidence(file=name, blake3=digest)
        return data

    def _key(self, path: Path) -> str:
        return path.name if path.parent == self.folder.path else str(path)


def read_run(folder: RunFolder, base: Path, *, results: bool = True) -> Facts:
    """Everything readable in a run folder. `base`: the workspace, to which files are relative.

    `results`: its evaluation too, which no state rests on.
    """
    reader = _Reader(folder, base)
    lines = reader.read(folder.events, _events, lambda path: list(read_events(path)))
    events = _good_lines(reader, lines or [])
    written = [(line, event) for line, event in events if isinstance(event, Checkpoint)]
    log = Evidence(file=relative(folder.events, base))
    checkpoints = read_checkpoints(folder, written, base, log)
    return Facts(
        folder=folder,
        base=base,
        case=reader.read(folder.case_yaml, _case),
        events=events,
        manifest=reader.read(folder.manifest, lambda _: read_manifest(folder.manifest)),
        load_report=reader.read(folder.load_report, _json(LoadReport)),
        environment=reader.read(folder.environment, _json(Environment)),
        curves={"val_loss": reader.read(folder.metrics, _val_losses) or []},
        offline=reader.read(folder.offline, _json(Offline)) if results else None,
        rollouts=reader.read(folder.rollouts, _json(Rollouts)) if results else None,
        checkpoints=checkpoints,
        best=linked(folder, "best", checkpoints),
        latest=linked(folder, "latest", checkpoints),
        console=_console_error(reader, folder.console),
        evidence=reader.evidence,
        problems=reader.problems,
    )


def _good_lines(reader: _Reader, lines: list[Line]) -> list[tuple[int, AnyEvent]]:
    name = relative(reader.folder.events, reader.base)
    for line in lines:
        if line.event is None:
            reader.problems.append(f"line {line.number} of {name} is no event: {line.problem}")
    return [(line.number, line.event) for line in lines if line.event is not None]


def _events(data: bytes) -> list[Line]:
    return list(decode_events(data.split(b"\n")))


def _val_losses(data: bytes) -> list[tuple[int, float]]:
    return read_column(data, "val_loss")


def _json(kind: type[T]) -> Callable[[bytes], T]:
    return lambda data: msgspec.json.decode(data, type=kind)


def _case(data: bytes) -> ResolvedCase:
    if len(data) > CASE_LIMIT:
        raise ValueError("it is far too long for a resolved case")
    try:
        return parse_case(data)
    except ValueError as error:
        raise ValueError(f"it is no resolved case: {error}") from error


def _console_error(reader: _Reader, path: Path) -> ConsoleError | None:
    """The last traceback's exception; only the log's end is read, however long it is."""
    tail = reader.read(path, lambda data: _lines_of(data[-CONSOLE_TAIL:], len(data)), _tail)
    if tail is None:
        return None
    first, lines = tail
    starts = [i for i, line in enumerate(lines) if line.strip().endswith(TRACEBACK)]
    if not starts:
        return None
    for offset, line in enumerate(lines[starts[-1] + 1 :], starts[-1] + 1):
        if EXCEPTION.match(line):
            where = f"line {first + offset}" if first else "near its end"
            evidence = msgspec.structs.replace(reader.evidence[path.name], where=where)
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
