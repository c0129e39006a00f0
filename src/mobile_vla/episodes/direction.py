"""Left, right or straight: the instruction, the file name and the motion say it, and must agree."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.messages.reason import Reason, reason

SIDE_METRES = 0.3
"""Metres to one side from which a motion counts as going round something."""
WORDS: dict[Direction, re.Pattern[str]] = {
    "left": re.compile(r"(?<![a-z])left(?![a-z])|왼쪽|왼편|좌측", re.IGNORECASE),
    "right": re.compile(r"(?<![a-z])right(?![a-z])|오른쪽|오른편|우측", re.IGNORECASE),
    "straight": re.compile(r"(?<![a-z])straight(?![a-z])|직진|똑바로", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class DirectionEvidence:
    """The direction by each source; None where it names none or several."""

    instruction: Direction | None
    file_name: Direction | None
    motion: Direction

    @property
    def by_source(self) -> dict[str, Direction]:
        """The sources that name a direction, each with its direction."""
        sources = {
            "instruction": self.instruction,
            "file name": self.file_name,
            "motion": self.motion,
        }
        return {name: direction for name, direction in sources.items() if direction is not None}

    @property
    def agreed(self) -> Direction | None:
        """The direction that all sources give, or None where they differ."""
        directions = set(self.by_source.values())
        return directions.pop() if len(directions) == 1 else None

    @property
    def conflict(self) -> Reason:
        """Which source names which direction; at least two of them differ."""
        if self.instruction is None:
            return reason(
                "episode.file_name_and_motion_disagree",
                file_name=str(self.file_name), motion=self.motion,
            )  # fmt: skip
        if self.file_name is None:
            return reason(
                "episode.instruction_and_motion_disagree",
                instruction=self.instruction, motion=self.motion,
            )  # fmt: skip
        return reason(
            "episode.direction_evidence_disagrees",
            instruction=self.instruction, file_name=self.file_name, motion=self.motion,
        )  # fmt: skip


def direction_evidence(
    instruction: str, name: str, actions: np.ndarray, step: float, naming: Naming = LAB_NAMES
) -> DirectionEvidence:
    """The directions of an instruction, a file name and (T, 2 or 3) velocities, `step` s each.

    A name that does not fit the naming's pattern is read as free text.
    """
    parts = naming.parts(name)
    return DirectionEvidence(
        instruction=direction_in_text(instruction),
        file_name=parts.direction if parts else direction_in_text(name.rpartition(".")[0]),
        motion=direction_of_motion(actions, step),
    )


def direction_in_text(text: str) -> Direction | None:
    """The one direction that a text (English or Korean) names; None for none or several."""
    named = [direction for direction, words in WORDS.items() if words.search(text)]
    return named[0] if len(named) == 1 else None


def without_direction(text: str) -> str:
    """A text without its direction words, for names that say nothing about one episode.

    >>> without_direction("nav_right_camera")
    'nav__camera'
    """
    for words in WORDS.values():
        text = words.sub("", text)
    return text


def path_from_above(actions: np.ndarray, step: float) -> np.ndarray:
    """(T + 1, 2) metres ahead and to the left of the start, velocities held `step` s each.

    Headings are integrated where a third column gives rad/s.
    """
    heading = np.zeros(len(actions))
    if actions.shape[1] == 3:
        heading[1:] = np.cumsum(actions[:-1, 2].astype(float) * step)
    ahead = np.cos(heading) * actions[:, 0] - np.sin(heading) * actions[:, 1]
    left = np.sin(heading) * actions[:, 0] + np.cos(heading) * actions[:, 1]
    steps = np.stack([ahead, left], axis=1) * step
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def direction_of_motion(actions: np.ndarray, step: float) -> Direction:
    """The side to which the path first leaves the starting line by 0.3 m.

    actions: (T, 2 or 3) velocities, held `step` s each. Turning counts.
    """
    aside = path_from_above(actions, step)[1:, 1]
    away = np.flatnonzero(np.abs(aside) >= SIDE_METRES)
    if not len(away):
        return "straight"
    return "left" if aside[away[0]] > 0 else "right"
