"""Left, right or straight: the instruction, the file name and the motion tell, and must agree."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming

ASIDE = 0.3
"""Metres to one side from which a motion counts as going round something."""
_WORDS: dict[Direction, re.Pattern[str]] = {
    "left": re.compile(r"(?<![a-z])left(?![a-z])|왼쪽|왼편|좌측", re.IGNORECASE),
    "right": re.compile(r"(?<![a-z])right(?![a-z])|오른쪽|오른편|우측", re.IGNORECASE),
    "straight": re.compile(r"(?<![a-z])straight(?![a-z])|직진|똑바로", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class DirectionEvidence:
    """What each witness says; None where it says nothing or two things at once."""

    instruction: Direction | None
    file_name: Direction | None
    motion: Direction | None

    @property
    def told_by(self) -> dict[str, Direction]:
        """The witnesses that say something, and what."""
        said = {
            "instruction": self.instruction,
            "file name": self.file_name,
            "motion": self.motion,
        }
        return {witness: word for witness, word in said.items() if word is not None}

    @property
    def agreed(self) -> Direction | None:
        """The direction that all of them give, or None where they differ or none speaks."""
        words = set(self.told_by.values())
        return words.pop() if len(words) == 1 else None


def ask_witnesses(
    instruction: str, name: str, actions: np.ndarray, step: float, naming: Naming = LAB_NAMES
) -> DirectionEvidence:
    """What an instruction, a file name and (T, 2 or 3) velocities, `step` s each, say.

    A name that does not fit the naming's pattern is read as any text is.
    """
    parts = naming.parts(name)
    return DirectionEvidence(
        instruction=direction_in_text(instruction),
        file_name=parts.direction if parts else direction_in_text(name.rpartition(".")[0]),
        motion=direction_of_motion(actions, step),
    )


def direction_in_text(text: str) -> Direction | None:
    """The one direction that a text (English or Korean) names; None for none or several."""
    named = [direction for direction, words in _WORDS.items() if words.search(text)]
    return named[0] if len(named) == 1 else None


def from_above(actions: np.ndarray, step: float) -> np.ndarray:
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
    """The side to which (T, 2 or 3) velocities, held `step` s each, first leave the line by 0.3 m.

    Turning counts.
    """
    aside = from_above(actions, step)[1:, 1]
    away = np.flatnonzero(np.abs(aside) >= ASIDE)
    if not len(away):
        return "straight"
    return "left" if aside[away[0]] > 0 else "right"
