"""Every byte of a run's files against what its events recorded; large files are read too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mobile_vla.evidence.bound_files import METRICS, Recorded, recorded
from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.verify_checkpoint import WEIGHTS
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.contained_path import PathOutsideError, contained_path
from mobile_vla.runs.events import AnyEvent, Checkpoint, FileHash, skim_events
from mobile_vla.runs.files import hash_file, text_name
from mobile_vla.runs.folder import RunFolder

CHAINED = ("events.jsonl", "events.head")


class VerifiedRun(msgspec.Struct, frozen=True, kw_only=True):
    """`problems`: where the folder differs from its record. `bound`: files that the record covers.

    `unbound`: files that nothing records, such as `console.log`; an edit of them is not noticed.
    """

    state: str
    chained: bool
    problems: list[Reason]
    bound: list[str]
    unbound: list[str]


def verify_files(run: RunFolder, base: Path) -> VerifiedRun:
    """Read a run as `mvla status` does, then hash every file that its events recorded.

    `base`: the workspace.
    """
    view = view_run(run, base, datetime.now(UTC), with_factors=False)
    lines = skim_events(run.events) if run.events.is_file() else []
    events = [(line.number, line.event) for line in lines if line.event is not None]
    record = recorded(events)
    files = _recorded_files(run, record, events)
    differences = list(_differences(run, files))
    covered = {*CHAINED, METRICS, *files}
    names = sorted(_names(run.path))
    return VerifiedRun(
        state="unverified" if differences else view.state,
        chained=bool(view.chained),
        problems=list(dict.fromkeys([*view.conflicts, *differences])),
        bound=[name for name in names if name in covered],
        unbound=[name for name in names if name not in covered],
    )


def _recorded_files(
    run: RunFolder, record: Recorded, events: list[tuple[int, AnyEvent]]
) -> dict[str, tuple[int, FileHash]]:
    """Files with one hash for all their bytes; those of checkpoints that were pruned left out."""
    files = {name: file for name, file in record.files.items() if name != METRICS}
    checkpoints: dict[str, tuple[int, FileHash]] = {}
    newest: set[str] = set()
    for line, event in events:
        if isinstance(event, Checkpoint):
            size = event.bytes - sum(file.bytes for file in (event.files or {}).values())
            checkpoints[_weights(event)] = (line, FileHash(bytes=size, blake3=event.blake3))
            checkpoints |= {name: (line, file) for name, file in (event.files or {}).items()}
            newest = {_weights(event), *(event.files or {})}
    files |= checkpoints
    return {
        name: file
        for name, file in files.items()
        if name not in checkpoints or name in newest or _present(run, name)
    }


def _weights(event: Checkpoint) -> str:
    return event.path if event.path.endswith(WEIGHTS) else f"{event.path}/{WEIGHTS}"


def _differences(run: RunFolder, files: dict[str, tuple[int, FileHash]]) -> Iterator[Reason]:
    for name, (line, file) in files.items():
        path = run.path / name
        if not _present(run, name):
            yield reason("chain.file_missing", file=name, line=line)
        elif path.stat().st_size != file.bytes or hash_file(path) != file.blake3:
            yield reason("chain.file_changed", file=name, line=line)


def _present(run: RunFolder, name: str) -> bool:
    """Whether a file that an event names is there; one outside the folder is none of the run's."""
    try:
        return contained_path(run.path, name).is_file()
    except PathOutsideError:
        return False


def _names(folder: Path) -> Iterator[str]:
    """Files below a run folder without locks and half-written ones; no linked folder is read."""
    for where, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                yield text_name((Path(where) / name).relative_to(folder))
