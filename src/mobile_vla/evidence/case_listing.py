"""The cases of a workspace with light runs, for tables: as `Casebook.cases()` tells, but at once.

Runs come from the index while their files are unchanged. Up to `FEW` runs every file of every run
is looked at; above, of a run that speaks for no case only its events and checkpoints' folder are.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

import msgspec

from mobile_vla.evidence.drives import with_drives
from mobile_vla.evidence.group_runs import group_by_case
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.status_cache import (
    CachedRun,
    Entry,
    Index,
    checkpoint_names,
    decode_reason,
    light,
    results_signature,
    settled,
    shallow_signature,
    whole_signature,
)
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason
from mobile_vla.runs.folder import RunFolder, find_runs
from mobile_vla.runs.process import can_fork, end_with_parent, usable_cores
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.models import ResolvedCase, Study

FEW = 2000
MANY = 128
"""Runs to judge anew from which on several processes share them."""

BLANK = RunView(
    path="", case="", resolved=None, state="unknown", why=Reason(""), evidence=[], started=None,
    last_sign=None, steps=None, total_steps=None, seconds_per_step=None, epochs=None, train=None,
    validation=None, manifest_hash=None, train_hashes=[], trained_parts={}, best_val_loss=None,
    final_val_loss=None, best=None, latest=None, offline=None, rollouts=None, conflicts=[],
)  # fmt: skip
RUN_FILES = ("events.jsonl", "case.yaml")


def summary(
    workspace: Path, study: Study | None, profile: str | None, study_path: Path
) -> list[CaseView]:
    """The study's cases, then those that only runs know; runs without their long lists."""
    index = Index(workspace)
    collecting = gc.isenabled()
    gc.disable()  # values that all live: with many runs it would walk them over and over
    try:
        cases = _Summary(workspace, index).cases(study, profile, study_path)
    except UserError:
        raise
    except Exception:  # a damaged index may raise anything; the run folders are the truth
        index.discard()
        cases = _Summary(workspace, index).cases(study, profile, study_path)
    finally:
        index.close()
        if collecting:
            gc.enable()
    return with_drives(cases, workspace)


class _Summary:
    def __init__(self, workspace: Path, index: Index) -> None:
        self.base, self.index = workspace, index
        self.fresh: dict[str, RunView] = {}
        self.known: dict[str, Entry] = {}
        self.checked: dict[str, RunView] = {}

    def cases(self, study: Study | None, profile: str | None, path: Path) -> list[CaseView]:
        """Gather; look closely at the runs that speak; again, where one of them had changed."""
        runs = self._runs()
        while True:
            cases = group_by_case(runs, study, profile, path)
            stale = self._speaking(cases)
            if not stale:
                return [self._told(case) for case in cases]
            self._judge(stale, results=True)
            runs = [self.fresh.get(run.path, run) for run in runs]

    def _runs(self) -> list[RunView]:
        entries = self.index.entries()
        paths = list(_run_paths(self.base, entries))
        look = _unchanged if len(paths) <= FEW else _unchanged_at_a_glance
        changed = [path for path in paths if not look(self.base, entries.get(path))]
        self.known = {path: entries[path] for path in set(paths).difference(changed)}
        self.index.forget(list(entries.keys() - set(paths)))
        self._judge(changed)
        return [self.fresh.get(path) or self._sketch(self.known[path]) for path in paths]

    def _judge(self, paths: Sequence[str], *, results: bool = False) -> None:
        for judged in _judge_all(self.base, paths, results):  # kept as it comes: a long
            self.index.keep([run for run in judged if settled(run.view)])  # asking may be cut
            self.fresh |= {run.view.path: run.view for run in judged}
            if results:
                self.checked |= {run.view.path: run.view for run in judged}

    def _speaking(self, cases: list[CaseView]) -> list[str]:
        """Runs that speak by an entry which no longer holds; the others are taken whole."""
        stale = []
        for case in cases:
            path = case.run.path if case.run else None
            if path is None or path in self.checked:
                continue
            view = None if path in self.fresh else self.index.view(path)
            if view is None or not _wholly_unchanged(self.base, self.known[path]):
                stale.append(path)
            else:
                self.checked[path] = view
        return stale

    def _told(self, case: CaseView) -> CaseView:
        view = self.checked.get(case.run.path) if case.run else None
        return msgspec.structs.replace(case, run=view) if view else case

    def _sketch(self, entry: Entry) -> RunView:
        return sketch(entry, self.index.resolved(entry.resolved))


def sketch(entry: Entry, resolved: ResolvedCase | None) -> RunView:
    """As much of a run as choosing the one that speaks, and telling of the others, needs."""
    return msgspec.structs.replace(
        BLANK, path=entry.path, case=entry.case, resolved=resolved, state=entry.state,
        why=decode_reason(entry.why),
        started=datetime.fromisoformat(entry.started) if entry.started else None,
    )  # fmt: skip


def _unchanged(base: Path, entry: Entry | None) -> bool:
    return entry is not None and entry.full == whole_signature(f"{base}/{entry.path}", entry.names)


def _wholly_unchanged(base: Path, entry: Entry) -> bool:
    return _unchanged(base, entry) and entry.results == results_signature(f"{base}/{entry.path}")


def _unchanged_at_a_glance(base: Path, entry: Entry | None) -> bool:
    return entry is not None and entry.shallow == shallow_signature(f"{base}/{entry.path}")


def _run_paths(base: Path, cached: dict[str, Entry]) -> Iterator[str]:
    """Every run folder relative to the workspace; a known one is not entered to find it."""
    runs = Workspace(base).runs
    for case in _folders(runs):
        above = f"{runs.name}/{case.name}"
        try:
            with os.scandir(case) as inner:
                entries = sorted(inner, key=attrgetter("name"))
        except OSError as error:
            if isinstance(error, PermissionError):
                yield above
            continue
        if any(entry.name in RUN_FILES for entry in entries):
            yield above
            continue
        for entry in entries:
            path = f"{above}/{entry.name}"
            if path in cached:
                yield path
            elif entry.is_dir(follow_symlinks=False):
                yield from (
                    f.path.relative_to(base).as_posix() for f in find_runs(Path(entry.path))
                )


def _folders(runs: Path) -> list[Path]:
    """Folders directly below, by name; links are not followed."""
    try:
        folders = [entry for entry in os.scandir(runs) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [runs / name for name in sorted(entry.name for entry in folders)]


def _judge_all(base: Path, paths: Sequence[str], results: bool) -> Iterator[list[CachedRun]]:
    """Judge runs anew, piece by piece; many of them in one process a core."""
    if len(paths) < MANY or not can_fork():
        yield [_judged(base, path, results) for path in paths]
        return
    import multiprocessing

    cores = max(1, min(8, usable_cores()))
    size = max(32, min(512, len(paths) // (8 * cores)))
    pieces = [(base, paths[start : start + size], results) for start in range(0, len(paths), size)]
    decode = msgspec.msgpack.Decoder(list[CachedRun]).decode
    with multiprocessing.get_context("fork").Pool(cores, end_with_parent) as pool:
        yield from map(decode, pool.imap_unordered(_piece, pieces))


def _piece(piece: tuple[Path, Sequence[str], bool]) -> bytes:
    base, paths, results = piece
    return msgspec.msgpack.encode([_judged(base, path, results) for path in paths])


def _judged(base: Path, path: str, results: bool) -> CachedRun:
    folder = f"{base}/{path}"
    names = checkpoint_names(folder)
    shallow, full = shallow_signature(folder), whole_signature(folder, names)
    evaluation = results_signature(folder) if results else b""
    view = view_run(
        RunFolder(base / path), base, datetime.now(UTC), results=results, with_factors=False
    )
    return CachedRun(light(view), names, shallow, full, evaluation)
