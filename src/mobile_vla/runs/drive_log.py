"""The log of a drive: JSON lines of how it began, of each step, and of how it ended.

`<workspace>/drives/<case>/<time>.jsonl`; the frames and the velocities that were sent lie beside it
as an episode, `<time>.h5`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from mobile_vla.messages.record import Record
from mobile_vla.runs.outside_files import decode_json

RobotKind = Literal["simulator", "rosbridge", "bag"]


class DriveBegin(Record, frozen=True, kw_only=True, tag="begin"):
    """What drove, and how. `server`: the policy server's metadata; `address`: the robot's."""

    time: datetime
    server: dict[str, Any]
    instruction: str
    deadman: float
    robot: RobotKind
    address: str


class DriveStep(Record, frozen=True, kw_only=True, tag="step"):
    """One control step. `seconds`: since the drive's begin; `action`: None where none was fresh.

    `sent`: the mean of the velocities that the robot was sent during the step. `recorded`: the
    action that a replayed recording holds for the frame.
    """

    step: int
    seconds: float
    action: list[float] | None
    latency_ms: float
    problem: str | None = None
    sent: list[float] = []
    recorded: list[float] | None = None


class DriveEnd(Record, frozen=True, kw_only=True, tag="end"):
    """How a drive ended. `problems` counts steps without a fresh action, by cause.

    `limited`: commands that each limit changed, by its name. `recorded`: frames in the episode.
    `apart`: mean difference of the actions from those of a replayed recording, of each axis.
    """

    why: str
    steps: int
    fresh: int
    problems: dict[str, int]
    deadman_stops: int
    limited: dict[str, int]
    stop_acknowledged: bool
    recorded: int = 0
    apart: list[float] | None = None


class DriveLog(msgspec.Struct, frozen=True):
    """A log that was read. `end` is None where the driver was killed."""

    begin: DriveBegin
    steps: list[DriveStep]
    end: DriveEnd | None


def decode_drive(data: bytes) -> DriveLog:
    """A log's bytes; a last line that is only half written is left out.

    Raises:
        ValueError: a line is none of a drive's log, or the first is no begin.
    """
    lines = data.split(b"\n")
    entries = [decode_json(line, DriveBegin | DriveStep | DriveEnd) for line in lines[:-1]]  # type: ignore[arg-type]
    if not entries or not isinstance(entries[0], DriveBegin):
        raise ValueError("its first line does not say how the drive began")
    steps = [entry for entry in entries if isinstance(entry, DriveStep)]
    end = entries[-1] if isinstance(entries[-1], DriveEnd) else None
    return DriveLog(entries[0], steps, end)
