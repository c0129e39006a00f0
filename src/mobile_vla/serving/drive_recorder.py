"""The frames and velocities of a drive, as an episode in the lab's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.hdf5 import write_episode

COLUMNS = ("linear_x", "linear_y", "angular_z")
MOST_BYTES = 1 << 30
"""Frames that are kept; a drive with more keeps its beginning."""


class DriveRecorder:
    """Takes a frame and the velocity of its step; writes the episode once the robot stands.

    A step without a frame repeats the last frame; before the first frame nothing is taken.
    """

    def __init__(
        self, instruction: str, step: float, names: Sequence[str] = ("linear_x", "linear_y")
    ) -> None:
        """`names`: the policy's action dimensions, which become columns of the episode."""
        self._instruction, self._step = instruction, step
        self._width = 3 if COLUMNS[2] in names else 2
        self._columns = [COLUMNS.index(name) for name in names]
        self._frames: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._causes: list[str] = []
        self._bytes = 0

    def __len__(self) -> int:
        """How many frames."""
        return len(self._frames)

    def add(self, frame: np.ndarray | None, velocity: np.ndarray, cause: str) -> None:
        """Take a step: its frame (H, W, 3), velocity (A,), and "fresh" or why it was not."""
        frame = self._frames[-1] if frame is None and self._frames else frame
        if frame is None or self._bytes + frame.nbytes > MOST_BYTES:
            return
        if self._frames and frame.shape != self._frames[0].shape:
            return  # an episode has one size of frames
        self._bytes += frame.nbytes
        self._frames.append(frame)
        action = np.zeros(self._width, np.float32)
        action[self._columns] = velocity
        self._actions.append(action)
        self._causes.append(cause)

    def write(self, path: Path) -> None:
        """Write the episode; nothing where there was no frame.

        Raises:
            UserError: it cannot be written.
        """
        if not self._frames:
            return
        episode = Episode(
            id=path.stem,
            images=np.stack(self._frames),
            actions=np.stack(self._actions),
            instruction=self._instruction,
            step=self._step,
            event_types=tuple(self._causes),
        )
        write_episode(path, episode, compression="gzip")
