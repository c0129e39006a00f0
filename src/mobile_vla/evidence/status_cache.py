"""A disposable index of judged runs, so that the table of many runs is there at once.

It holds nothing that cannot be read again: `<workspace>/cache/status.sqlite` may be deleted at any
time, and where it is missing, of another program or machine, or broken, it is made anew. A run is
taken from it only while inode, size and change time of its files are those it was judged by, and
only where its state cannot change without them: what may live is judged at every asking.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

import mobile_vla
from mobile_vla.evidence.model import RunView
from mobile_vla.evidence.run_state import PASSING
from mobile_vla.messages.reason import Reason
from mobile_vla.runs.process import boot_id
from mobile_vla.runs.results import Offline, Scored
from mobile_vla.study.models import ResolvedCase

FILES = (
    "events.jsonl",
    "events.head",
    "case.yaml",
    "manifest.json",
    "load_report.json",
    "environment.json",
    "metrics.csv",
    "console.log",
)
RESULTS = ("evaluation/offline.json", "evaluation/rollouts.json")
PACK = struct.Struct("<3q").pack
APPLICATION_ID = 0x6D766C61
"""The mark in the file's header: "mvla"."""
TABLES = """
CREATE TABLE about (made_by TEXT);
CREATE TABLE resolved (id INTEGER PRIMARY KEY, content BLOB UNIQUE);
CREATE TABLE runs (path TEXT PRIMARY KEY, shallow BLOB, whole BLOB, results BLOB, names TEXT,
                   case_name TEXT, state TEXT, why BLOB, started TEXT, resolved INTEGER);
CREATE TABLE views (path TEXT PRIMARY KEY, view BLOB);
"""
"""Views lie apart: choosing among a hundred thousand runs must not read past them."""


class Entry(NamedTuple):
    """A judged run: what it was judged by, and what is needed to choose which run speaks.

    `results` is empty where its evaluation was not read.
    """

    path: str
    shallow: bytes
    full: bytes
    results: bytes
    names: str
    case: str
    state: str
    why: bytes
    started: str | None
    resolved: int | None


decode_reason = msgspec.msgpack.Decoder(Reason).decode


class CachedRun(msgspec.Struct, frozen=True):
    """A run judged now: its light view, its checkpoints' names, its files' signatures before."""

    view: RunView
    names: str
    shallow: bytes
    full: bytes
    results: bytes


class Index:
    """The index of one workspace. Where its file cannot be opened, it is empty and keeps nothing.

    A file that is a link, no regular file, or no index of this program is left as it is.
    """

    def __init__(self, workspace: Path) -> None:
        self.file = workspace / "cache" / "status.sqlite"
        self._resolved: dict[int, ResolvedCase] = {}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.db = self._open()
        except (sqlite3.Error, OSError, ValueError):
            self.db = _in_memory()

    def _open(self) -> sqlite3.Connection:
        if self.file.is_symlink() or (self.file.exists() and not self.file.is_file()):
            raise OSError(f"{self.file} is no regular file")
        db = self._connect()
        if _is_current(db):
            return db
        is_ours = _is_ours(db)
        db.close()
        if not is_ours:
            raise ValueError(f"{self.file} is another program's")
        self.file.unlink(missing_ok=True)
        db = self._connect()
        _create(db)
        return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.file, timeout=1.0, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        return db

    def discard(self) -> None:
        """Go on in memory alone, and remove the file if it is an index of this program."""
        with contextlib.suppress(sqlite3.Error, OSError):
            is_ours = not self.file.is_symlink() and _is_ours(self.db)
            self.db.close()
            if is_ours:
                self.file.unlink(missing_ok=True)
        self.db, self._resolved = _in_memory(), {}

    def entries(self) -> dict[str, Entry]:
        """Every run that is known, by path."""
        columns = "path, shallow, whole, results, names, case_name, state, why, started, resolved"
        try:
            rows = self.db.execute(f"SELECT {columns} FROM runs")
            return {row[0]: msgspec.convert(row, Entry) for row in rows}
        except sqlite3.Error:
            return {}

    def view(self, path: str) -> RunView | None:
        """The light view of a known run."""
        with contextlib.suppress(sqlite3.Error, msgspec.MsgspecError):
            row = self.db.execute("SELECT view FROM views WHERE path = ?", (path,)).fetchone()
            return msgspec.msgpack.decode(row[0], type=RunView) if row else None
        return None

    def resolved(self, number: int | None) -> ResolvedCase | None:
        """A resolved case by its number; equal ones are one object."""
        if number is not None and number not in self._resolved:
            for key, content in self.db.execute("SELECT id, content FROM resolved"):
                self._resolved[key] = msgspec.msgpack.decode(content, type=ResolvedCase)
        return None if number is None else self._resolved[number]

    def keep(self, judged: Sequence[CachedRun]) -> None:
        """Store settled runs."""
        with contextlib.suppress(sqlite3.Error):
            self.db.execute("BEGIN IMMEDIATE")
            marks = ",".join("?" * len(Entry._fields))
            rows = [self._row(run) for run in judged]
            views = [(run.view.path, msgspec.msgpack.encode(run.view)) for run in judged]
            self.db.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", rows)
            self.db.executemany("INSERT OR REPLACE INTO views VALUES (?,?)", views)
            self.db.execute("COMMIT")

    def forget(self, paths: Sequence[str]) -> None:
        """Drop runs that are gone."""
        with contextlib.suppress(sqlite3.Error):
            for table in ("runs", "views"):
                gone = [(path,) for path in paths]
                self.db.executemany(f"DELETE FROM {table} WHERE path = ?", gone)

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def _row(self, judged: CachedRun) -> Entry:
        view = judged.view
        started = view.started.isoformat() if view.started else None
        number = self._number(view.resolved)
        return Entry(view.path, judged.shallow, judged.full, judged.results, judged.names,
                     view.case, view.state, msgspec.msgpack.encode(view.why), started,
                     number)  # fmt: skip

    def _number(self, resolved: ResolvedCase | None) -> int | None:
        if resolved is None:
            return None
        content = msgspec.msgpack.encode(resolved)
        self.db.execute("INSERT OR IGNORE INTO resolved (content) VALUES (?)", (content,))
        row = self.db.execute("SELECT id FROM resolved WHERE content = ?", (content,)).fetchone()
        return int(row[0])


def _in_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES)
    return db


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in _statements():
        db.execute(statement)
    db.execute("INSERT INTO about VALUES (?)", (_maker(),))
    db.execute("COMMIT")


def _statements() -> list[str]:
    return [statement.strip() for statement in TABLES.split(";")[:-1]]


def _is_ours(db: sqlite3.Connection) -> bool:
    """Whether the file is empty, bears this program's mark, or is no database any more."""
    try:
        (mark,) = db.execute("PRAGMA application_id").fetchone()
        empty = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    except sqlite3.DatabaseError:
        return True
    return mark == APPLICATION_ID or (mark == 0 and empty)


def _is_current(db: sqlite3.Connection) -> bool:
    """Whether it holds exactly our tables, made by this very program."""
    try:
        (mark,) = db.execute("PRAGMA application_id").fetchone()
        listed = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
        schema = {sql for (sql,) in db.execute(listed)}
        if mark != APPLICATION_ID or schema != set(_statements()):
            return False
        return db.execute("SELECT made_by FROM about").fetchall() == [(_maker(),)]
    except sqlite3.DatabaseError:
        return False


def settled(view: RunView) -> bool:
    """Whether its state cannot change unless its files do."""
    passing = any(conflict.code in PASSING for conflict in view.conflicts)
    return view.state not in ("running", "stalled") and not passing


def shallow_signature(folder: str) -> bytes:
    """Inode, size and change time (which a permission moves too) of events and checkpoints."""
    return _stat(f"{folder}/events.jsonl") + _stat(f"{folder}/checkpoints")


def whole_signature(folder: str, names: str) -> bytes:
    """The same of every file that a state rests on; `names`: its checkpoints."""
    parts = [_stat(f"{folder}/{name}") for name in FILES]
    parts.append(_stat(f"{folder}/checkpoints"))
    parts += [_stat(f"{folder}/checkpoints/{name}/policy.safetensors") for name in names.split("/")]
    return b"".join(parts)


def results_signature(folder: str) -> bytes:
    """The same of its evaluation."""
    return b"".join(_stat(f"{folder}/{name}") for name in RESULTS)


def checkpoint_names(folder: str) -> str:
    """Names in the checkpoints' folder, parted by slashes."""
    with contextlib.suppress(OSError):
        return "/".join(sorted(entry.name for entry in os.scandir(f"{folder}/checkpoints")))
    return ""


def light(view: RunView) -> RunView:
    """A run without what no table shows: hashes of episodes, factors, paths of drives."""
    replace = msgspec.structs.replace
    return replace(
        view, evidence=[], train_hashes=[], validation_hashes=[], factors={}, checkpoints=[],
        offline=_light_offline(view.offline),
        rollouts=view.rollouts and view.rollouts.without_paths(),
    )  # fmt: skip


def _light_offline(offline: Offline | None) -> Offline | None:
    if offline is None:
        return None
    replace = msgspec.structs.replace
    return replace(
        offline,
        set=replace(offline.set, episodes=[], leaked=[]),
        policy=_light_scored(offline.policy),
        baselines=[_light_scored(baseline) for baseline in offline.baselines],
    )


def _light_scored(scored: Scored) -> Scored:
    return msgspec.structs.replace(scored, by_direction={}, episodes=[])


def _stat(path: str) -> bytes:
    try:
        status = os.stat(path)  # noqa: PTH116  # a hundred thousand of them
    except OSError as error:
        return PACK(-1, error.errno or 0, 0)
    return PACK(status.st_ino, status.st_size, status.st_ctime_ns)


def _maker() -> str:
    """Which program judged, for whom, on which boot of which machine: another judges anew."""
    package = Path(__file__).parents[1]
    packages = ("evidence", "messages", "runs")
    sources = [file for name in packages for file in (package / name).glob("*.py")]
    changed = max(source.stat().st_mtime_ns for source in sources)
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    return f"{mobile_vla.__version__} {changed} {socket.gethostname()} {boot_id()} {user}"
