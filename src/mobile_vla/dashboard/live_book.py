"""The casebook of a workspace that a server asks often: only what changed is read again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import msgspec

from mobile_vla.analysis.casebook import Casebook, scan_evidence
from mobile_vla.analysis.model import Comparison, Plan
from mobile_vla.analysis.pairwise import Matrix
from mobile_vla.audit.audit_document import Audit, Proof, audit_document, gather_proof
from mobile_vla.evidence.importers.scan_folders import Scanned
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.status_cache import (
    checkpoint_names,
    results_signature,
    settled,
    whole_signature,
)
from mobile_vla.report.report_data import ReportView
from mobile_vla.report.write_report import report_view
from mobile_vla.runs.folder import RunFolder

LIVE = ("queued", "running", "stalled")
"""States that change without any file."""
REFRESH_SECONDS = 2.0


class Conclusions:
    """What follows from the runs of one moment, worked out when it is first needed."""

    def __init__(self, book: Casebook) -> None:
        self.book = book
        self._audits: dict[str, tuple[bytes, Audit]] = {}

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every question of the study."""
        return self.book.comparisons()

    @cached_property
    def plan(self) -> Plan:
        """Done, running, to do and blocked, with the design."""
        return self.book.printed_plan()

    @cached_property
    def matrix(self) -> Matrix:
        """The verdict on every pair."""
        return self.book.matrix()

    @cached_property
    def report(self) -> ReportView:
        """What the report is written from, without the matrix."""
        return report_view(self.book, self.comparisons, self.plan)

    @cached_property
    def proof(self) -> Proof:
        """What documents are held against."""
        return gather_proof(self.book)

    def audit(self, data: bytes, name: str) -> Audit:
        """A document's claims with their verdicts; the audit from before where `data` is."""
        before = self._audits.get(name)
        if before is None or before[0] != data:
            before = self._audits[name] = data, audit_document(data, name, self.proof)
        return before[1]


@dataclass(frozen=True, slots=True)
class Moment:
    """The workspace at one time. `version` changes with any state, and with any settled run.

    `conclusions` are of the first moment of this version: a step of a live run changes none.
    """

    book: Casebook
    version: str
    conclusions: Conclusions

    @property
    def cases(self) -> list[CaseView]:
        """Every case with its runs."""
        return self.book.cases()

    def runs(self) -> list[RunView]:
        """Every run of every case."""
        return [run for case in self.cases for run in case.runs]

    def run(self, path: str) -> tuple[CaseView, RunView] | None:
        """A run by its path, with its case."""
        for case in self.cases:
            for run in case.runs:
                if run.path == path:
                    return case, run
        return None


class LiveBook:
    """Gives the workspace's present moment, at most `REFRESH_SECONDS` old. Safe in threads."""

    def __init__(self, book: Casebook, refresh: float = REFRESH_SECONDS) -> None:
        self.book, self.refresh = book, refresh
        self._read: dict[str, tuple[bytes, RunView]] = {}
        self._listed: set[str] = set()
        self._scanned: tuple[bytes, Scanned] | None = None
        self._moment: Moment | None = None
        self._time = 0.0
        self._lock = threading.Lock()

    @property
    def workspace(self) -> Path:
        """The folder that all paths are relative to."""
        return self.book.workspace

    def moment(self) -> Moment:
        """The workspace now. Raises: UserError where the study is at odds with the runs."""
        with self._lock:
            if self._moment is None or time.monotonic() - self._time >= self.refresh:
                self._moment = self._look(self._moment)
                self._time = time.monotonic()
            return self._moment

    def _look(self, before: Moment | None) -> Moment:
        self._listed = set()
        book = self.book.at_one_moment(self._view, self._scan)
        self._read = {path: self._read[path] for path in self._listed}
        version = self._version(book.cases())
        if before is not None and before.version == version:
            return Moment(book, version, before.conclusions)
        return Moment(book, version, Conclusions(book))

    def _view(self, folder: RunFolder, base: Path, now: datetime) -> RunView:
        """A run's view; the one from before where its files are the same and it has ended."""
        path = str(folder.path)
        signature = whole_signature(path, checkpoint_names(path)) + results_signature(path)
        cached_run = self._read.get(path)
        if cached_run is None or cached_run[0] != signature or not settled(cached_run[1]):
            cached_run = signature, view_run(folder, base, now)
        self._read[path] = cached_run
        self._listed.add(path)
        return cached_run[1]

    def _scan(self, folders: Sequence[Path], losses: Sequence[str]) -> Scanned:
        """The scan from before where no file below the folders has changed."""
        signature = tree_signature(folders)
        if self._scanned is None or self._scanned[0] != signature:
            self._scanned = signature, scan_evidence(folders, losses)
        return self._scanned[1]

    def _version(self, cases: list[CaseView]) -> str:
        digest = blake2b(digest_size=8)
        for signature, run in self._read.values():
            changing = run.state in LIVE
            digest.update(f"{run.path}\n{run.state}\n{run.why.code}\n".encode())
            digest.update(b"" if changing else signature)
        for case in cases:
            digest.update(f"{case.name}\n{case.state}\n{case.why.code}\n".encode())
            for run in case.runs:
                if run.state not in LIVE:
                    # neither is in the run's folder, so no signature covers it
                    outside = run if run.foreign else (run.drives, run.conflicts)
                    digest.update(msgspec.msgpack.encode(outside))
        return digest.hexdigest()


def tree_signature(folders: Sequence[Path]) -> bytes:
    """A digest of every file's path, size and time of change below `folders`."""
    digest = blake2b(digest_size=16)
    for folder in folders:
        for where, names, files in os.walk(folder):
            names.sort()
            for name in sorted(files):
                path = f"{where}/{name}"
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(
                    errors="surrogateescape"))  # fmt: skip
    return digest.digest()
