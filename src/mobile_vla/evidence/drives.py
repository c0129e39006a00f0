"""The drives of a workspace, counted for the run whose checkpoint drove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from mobile_vla.evidence.model import CaseView, Evidence, RobotDrives, RunView
from mobile_vla.evidence.verify_checkpoint import relative
from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.drive_log import DriveLog, decode_drive
from mobile_vla.runs.events import Checkpoint, decode_events
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.runs.workspace import Workspace

LOG_LIMIT = 64 * 1024 * 1024


class _Read(NamedTuple):
    file: str
    log: DriveLog
    blake3: str


def with_drives(cases: Sequence[CaseView], workspace: Path) -> list[CaseView]:
    """Cases whose runs hold their drives; a log that does not count is a conflict of its run.

    Drives are read at every asking: they are no part of a run's folder, nor of its index.
    """
    folder = Workspace(workspace).drives
    if not folder.is_dir():
        return list(cases)
    return [_with_drives(case, folder, workspace) for case in cases]


def _with_drives(case: CaseView, folder: Path, workspace: Path) -> CaseView:
    logs, problems = _logs(folder / case.name, workspace)
    if case.run is None or not (logs or problems):
        return case
    paths = {run.path for run in case.runs if run.foreign is None}
    views = {path: _counted(path, logs, workspace) for path in paths}

    def replaced(run: RunView) -> RunView:
        drives, conflicts = views.get(run.path, (None, []))
        own = problems if case.run is not None and run.path == case.run.path else []
        return msgspec.structs.replace(
            run, drives=drives, conflicts=[*run.conflicts, *conflicts, *own]
        )

    return msgspec.structs.replace(
        case, run=replaced(case.run), runs=[replaced(run) for run in case.runs]
    )


def _logs(folder: Path, workspace: Path) -> tuple[list[_Read], list[Reason]]:
    """The logs of one case, and what cannot be read. A link is not followed."""
    logs: list[_Read] = []
    problems: list[Reason] = []
    paths = sorted(folder.glob("*.jsonl")) if not folder.is_symlink() else []
    for path in paths:
        file = relative(path, workspace)
        try:
            data = read_regular(path, LOG_LIMIT)
            logs.append(_Read(file, decode_drive(data), blake3(data).hexdigest()))
        except (OSError, ValueError) as error:
            problems.append(reason("drive.unreadable", file=file, cause=reason_of(error)))
    return logs, problems


def _counted(
    path: str, logs: Sequence[_Read], workspace: Path
) -> tuple[RobotDrives | None, list[Reason]]:
    """The drives of the run at `path`, and logs that name a checkpoint it never wrote."""
    named = [read for read in logs if f"runs/{read.log.begin.server.get('run')}" == path]
    if not named:
        return None, []
    written = _written(RunFolder(workspace / path))
    counted = [r for r in named if r.log.begin.server.get("checkpoint_blake3") in written]
    conflicts = [reason("drive.other_checkpoint", file=r.file) for r in named if r not in counted]
    return (_sum(counted) if counted else None), conflicts


def _written(run: RunFolder) -> set[str]:
    """Hashes of the checkpoints that a run wrote."""
    try:
        lines = decode_events(read_regular(run.events, LOG_LIMIT))
    except OSError:
        return set()
    return {line.event.blake3 for line in lines if isinstance(line.event, Checkpoint)}


def _sum(logs: Sequence[_Read]) -> RobotDrives:
    ends = [read.log.end for read in logs if read.log.end is not None]
    steps = [step for read in logs for step in read.log.steps]
    return RobotDrives(
        robots=dict(Counter(read.log.begin.robot for read in logs)),
        steps=len(steps),
        fresh=sum(step.problem is None for step in steps),
        deadman_stops=sum(end.deadman_stops for end in ends),
        unfinished=len(logs) - len(ends),
        evidence=[Evidence(file=read.file, blake3=read.blake3) for read in logs],
    )


def drives_reason(drives: RobotDrives) -> Reason:
    """How often a policy drove, as one reason."""
    robots = drives.robots
    return reason(
        "drive.counted",
        drives=sum(robots.values()),
        robot=robots.get("rosbridge", 0),
        simulator=robots.get("simulator", 0),
        bag=robots.get("bag", 0),
        fresh=drives.fresh,
        steps=drives.steps,
        stops=drives.deadman_stops,
    )
