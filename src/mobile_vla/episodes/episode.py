"""One recorded demonstration in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

STEP_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Episode:
    """T frames, T actions and one instruction; frame t is seen, then action t drives for `step`.

    images: (T, H, W, 3) uint8 RGB. actions: (T, 2 or 3) float32: m/s ahead, m/s left, rad/s
    counter-clockwise. instruction: "" where none was recorded. event_types: T texts or None.
    """

    id: str
    images: np.ndarray
    actions: np.ndarray
    instruction: str
    step: float = STEP_SECONDS
    event_types: tuple[str, ...] | None = None
    source: Path | None = None

    def __len__(self) -> int:
        """How many frames."""
        return len(self.actions)

    def content_hash(self) -> str:
        """blake3 of the decoded content, 64 hex digits: recompressing a file changes nothing."""
        from blake3 import blake3

        hasher = blake3(self.instruction.encode())
        for array in (self.images, self.actions):
            hasher.update(f"|{array.dtype.str}{array.shape}|".encode())
            hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return hasher.hexdigest()
