"""Fields of a LeRobotDataset that must agree: tasks, clocks and spans of episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.findings import Check
from mobile_vla.episodes.formats.lerobot_meta import Row
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.reason import Reason, reason

JUMP = 0.25
"""Share of a step by which two frames' timestamps may differ from 1 / fps."""


def episode_task(
    where: Path, table: Any, tasks: Mapping[int, str] | None, texts: Sequence[str]
) -> str:
    """The task of an episode's frames, by their `task_index`; "" where nothing gives one.

    `tasks` are the texts by task_index, `texts` those of meta/episodes.

    Raises:
        EpisodeError: the task changes, is not listed, or meta/episodes gives another one.
    """
    indices = set(table["task_index"].to_pylist()) if "task_index" in table.column_names else set()
    if len(indices) > 1:
        why = reason("episode.several_instructions", count=len(indices))
        raise EpisodeError(where, why)
    if not indices or not tasks:
        return texts[0] if texts else ""
    (index,) = indices
    if index not in tasks:
        raise EpisodeError(where, reason("episode.task_unknown", task=index), "inconsistent")
    if texts and texts[0] != tasks[index]:
        why = reason("episode.tasks_disagree", meta=texts[0], frames=tasks[index])
        raise EpisodeError(where, why, "inconsistent")
    return tasks[index]


def check_clock(where: Path, table: Any, fps: float) -> None:
    """Check that frames are numbered from 0 and that their timestamps follow `fps`.

    Raises:
        EpisodeError: they are not, or do not.
    """
    step, numbers = 1 / fps, table["frame_index"].to_numpy()
    wrong = np.flatnonzero(numbers != np.arange(len(numbers)))
    if len(wrong):
        frame = int(wrong[0])
        why = reason("episode.frame_numbers", frame=frame, number=int(numbers[frame]))
        raise EpisodeError(where, why, "inconsistent")
    if "timestamp" not in table.column_names or len(numbers) < 2:
        return
    times = table["timestamp"].to_numpy().astype(float)
    with np.errstate(invalid="ignore"):
        moves = np.diff(times)
    jumps = np.flatnonzero(~(np.abs(moves - step) <= JUMP * step))
    if len(jumps):
        why = reason(
            "episode.timestamp_jump",
            seconds=float(moves[jumps[0]]), frame=int(jumps[0]) + 1, expected=step,
        )  # fmt: skip
        raise EpisodeError(where, why, "inconsistent")
    span, expected = float(times[-1] - times[0]), step * len(moves)
    if abs(span - expected) > step:
        why = reason("episode.timestamp_drift", seconds=span, expected=expected)
        raise EpisodeError(where, why, "inconsistent")


def span_faults(rows: Iterable[Row], camera: str, fps: float) -> dict[int, tuple[Reason, Check]]:
    """Episodes whose spans contradict their length or overlap in a video: reason and check."""
    faults: dict[int, tuple[Reason, Check]] = {}
    clips: dict[str, list[tuple[float, float, int]]] = {}
    key = f"videos/{camera}"
    for row in rows:
        index, length = int(row["episode_index"]), int(row["length"])
        first, last = row.get("dataset_from_index"), row.get("dataset_to_index")
        if isinstance(first, int) and isinstance(last, int) and last - first != length:
            why = reason("episode.index_span", span=last - first, frames=length)
            faults[index] = (why, "shape_or_type")
        start, end = row.get(f"{key}/from_timestamp"), row.get(f"{key}/to_timestamp")
        if isinstance(start, int | float) and isinstance(end, int | float):
            if abs((end - start) * fps - length) > 0.5:
                span = round((end - start) * fps, 3)
                why = reason("episode.video_span", span=span, frames=length)
                faults.setdefault(index, (why, "shape_or_type"))
            place = f"{row.get(f'{key}/chunk_index')}/{row.get(f'{key}/file_index')}"
            clips.setdefault(place, []).append((float(start), float(end), index))
    for spans in clips.values():
        for index, other in _overlaps(sorted(spans), 0.5 / fps):
            why = reason("episode.video_spans_overlap", other=other)
            faults.setdefault(index, (why, "inconsistent"))
    return faults


def _overlaps(spans: list[tuple[float, float, int]], tolerance: float) -> Iterable[tuple[int, int]]:
    """Pairs of episodes, both ways round, of sorted (start, end, episode) that overlap."""
    latest = spans[0]
    for span in spans[1:]:
        if span[0] < latest[1] - tolerance:
            yield span[2], latest[2]
            yield latest[2], span[2]
        latest = max(latest, span, key=lambda s: s[1])
