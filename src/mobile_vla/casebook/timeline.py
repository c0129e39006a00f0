"""What the events of a run add up to: its processes, steps, epochs, gaps and step time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from mobile_vla.record.events import (
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
    starts = [(line, event) for line, event in events if isinstance(event, Start)]
    first = starts[-1][0] if starts else 0
    segment = [(line, event) for line, event in events if line >= first]
    exits = [(line, event) for line, event in segment if isinstance(event, Exit)]
    epochs = {event.epoch: (line, event) for line, event in events if isinstance(event, Epoch)}
    totals = [e.total_steps for _, e in events if isinstance(e, Start | Preflight)]
    return Timeline(
        events=events,
        segment=segment,
        starts=starts,
        exit=exits[-1] if exits else None,
        epochs=[epochs[number] for number in sorted(epochs)],
        checkpoints=[(line, event) for line, event in events if isinstance(event, Checkpoint)],
        steps=next(_steps(segment), None),
        total_steps=next((total for total in reversed(totals) if total is not None), None),
    )


def _steps(segment: list[Numbered]) -> Iterator[int]:
    """Optimiser steps done, newest word first."""
    for _, event in reversed(segment):
        if isinstance(event, Heartbeat | Epoch | Checkpoint | CheckpointFailed | Exit):
            yield event.step
        elif isinstance(event, Start) and event.resumed_at_step is not None:
            yield event.resumed_at_step
