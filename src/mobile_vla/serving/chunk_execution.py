"""Which velocity of the predicted chunks is due at a time."""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

ExecutionMode = Literal["first", "chunk", "ensemble"]
MODES: tuple[ExecutionMode, ...] = ("first", "chunk", "ensemble")
DECAY = 0.01
"""Weight of the i-th oldest chunk is exp(-DECAY · i): ACT, https://arxiv.org/abs/2304.13705."""
REMEMBERED = 100


class ChunkExecution:
    """Chunks of actions with the times of their frames; element i is for i · `step` s after it.

    first: the newest chunk's first action until the next chunk, as the evaluation drives. chunk:
    the element for the time that passed since the frame, so a late answer skips the elements that
    it is late for. ensemble: the weighted mean of that element of all chunks that reach so far.
    """

    def __init__(self, mode: ExecutionMode = "first", step: float = 1.0) -> None:
        self._mode, self._step = mode, step
        self._chunks: deque[tuple[float, np.ndarray]] = deque(maxlen=REMEMBERED)

    def add(self, chunk: np.ndarray, seen_at: float) -> None:
        """Take a chunk (C, A) that was predicted from a frame seen at `seen_at`."""
        if self._mode != "ensemble":
            self._chunks.clear()
        self._chunks.append((seen_at, chunk))

    def clear(self) -> None:
        """Forget all chunks."""
        self._chunks.clear()

    def velocity(self, now: float) -> np.ndarray | None:
        """The velocity (A,) that is due; None where no chunk reaches so far."""
        if self._mode == "first":
            return self._chunks[-1][1][0] if self._chunks else None
        due = [
            chunk[index]
            for seen_at, chunk in self._chunks
            if 0 <= (index := int((now - seen_at) / self._step)) < len(chunk)
        ]
        if not due:
            return None
        weights = np.exp(-DECAY * np.arange(len(due)))
        mean: np.ndarray = np.average(due, axis=0, weights=weights)
        return mean
