"""Augmentation: an episode's frames shown in a number of ways, one an epoch in turn."""

from __future__ import annotations

import numpy as np

VERSION = "gain-shift-1"
GAIN = 0.2
SHIFT = 0.04


def augmentation_index(content: str, epoch: int, views: int) -> int:
    """Which of `views` an episode with this content hash has in an epoch (from 0).

    All in turn, from one that its content gives: a pure function, so a resumed run sees the same.
    """
    return (int(content[:8], 16) + epoch) % views


def augment(frames: np.ndarray, content: str, view: int) -> np.ndarray:
    """Frames (T, S, S, 3) uint8 as this view has them, a new array; view 0 is as recorded.

    Each colour is brighter or darker by up to a fifth, the picture moved by up to 4 % with its
    edges drawn out; the same for the whole episode, as one camera in one light would have it.
    """
    if view == 0:
        return np.array(frames)
    dice = np.random.default_rng((int(content[:16], 16), view))
    gain = dice.uniform(1 - GAIN, 1 + GAIN) * dice.uniform(1 - GAIN / 4, 1 + GAIN / 4, 3)
    size = frames.shape[1]
    most = max(1, round(SHIFT * size))
    down, right = dice.integers(0, 2 * most + 1, 2)
    wide = np.pad(frames, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    moved = wide[:, down : down + size, right : right + size]
    shown: np.ndarray = np.clip(np.rint(moved * gain), 0, 255).astype(np.uint8)
    return shown
