"""What the events of a run add up to: its processes, steps, epochs, gaps and step time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from mobile_vla.runs.events import (
    AnyEvent,
    Checkpoint,
    CheckpointFailed,
    Epoch,
    Exit,
    Heartbeat,
    Preflight,
    Start,
)

Numbered = tuple[int, AnyEvent]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`segment`: the events since the last process began. Lines are numbered from 1.

    `epochs` holds the last record of each epoch, in order: a resumed run repeats one.
    """

    events: list[Numbered]
    segment: list[Numbered]
    starts: list[tuple[int, Start]]
    exit: tuple[int, Exit] | None
    epochs: list[tuple[int, Epoch]]
    checkpoints: list[tuple[int, Checkpoint]]
    steps: int | None
    total_steps: int | None

    @property
    def last(self) -> Numbered | None:
        """The newest event."""
        return self.events[-1] if self.events else None

    @property
    def started(self) -> datetime | None:
        """When the run first began."""
        return self.starts[0][1].time if self.starts else None

    def slowest_gap(self) -> float:
        """Longest time in seconds between two events of the last process, 0 where there is none."""
        times = [event.time for _, event in self.segment]
        return max(((b - a).total_seconds() for a, b in pairwise(times)), default=0.0)

    def backward(self) -> list[int]:
        """Lines at which the clock stands before that of the line above."""
        return [line for (_, a), (line, b) in pairwise(self.events) if b.time < a.time]

    def seconds_per_step(self) -> float | None:
        """Seconds of training and validation per optimiser step, from whole epochs."""
        steps, seconds, before = 0, 0.0, self._first_step()
        for _, epoch in self.epochs:
            if before is not None and epoch.step > before and epoch.seconds > 0:
                steps, seconds = steps + epoch.step - before, seconds + epoch.seconds
            before = epoch.step
        return seconds / steps if steps else None

    def wall_seconds(self) -> float | None:
        """Seconds from the first to the last event, the pauses between processes included."""
        if not self.starts or self.last is None:
            return None
        return (self.last[1].time - self.starts[0][1].time).total_seconds()

    def _first_step(self) -> int | None:
        return 0 if self.starts and not self.starts[0][1].resumed_at_step else None


def timeline(events: list[Numbered]) -> Timeline:
    """Read a run's events in the order in which they were appended."""
    starts, checkpoints = list[tuple[int, Start]](), list[tuple[int, Checkpoint]]()
    epochs, last_exit, first = dict[int, tuple[int, Epoch]](), None, 0
    steps: int | None = None
    total: int | None = None
    for place, (line, event) in enumerate(events):
        if isinstance(event, Heartbeat):
            steps = event.step
            continue
        if isinstance(event, Start):
            starts.append((line, event))
            first, last_exit, steps = place, None, event.resumed_at_step
        elif isinstance(event, Epoch | Checkpoint | CheckpointFailed | Exit):
            steps = event.step
        if isinstance(event, Epoch):
            epochs[event.epoch] = (line, event)
        elif isinstance(event, Checkpoint):
            checkpoints.append((line, event))
        elif isinstance(event, Exit):
            last_exit = (line, event)
            total = event.step if event.early is True else total
        elif isinstance(event, Start | Preflight) and event.total_steps is not None:
            total = event.total_steps
    return Timeline(
        events=events,
        segment=events[first:],
        starts=starts,
        exit=last_exit,
        epochs=[epochs[number] for number in sorted(epochs)],
        checkpoints=checkpoints,
        steps=steps,
        total_steps=total,
    )
