"""Augmentation: several views of an episode's frames, a different one each epoch."""

from __future__ import annotations

import numpy as np

VERSION = "gain-shift-1"
GAIN = 0.2
SHIFT = 0.04


def augmentation_index(content: str, epoch: int, views: int) -> int:
    """The view (0 to `views` - 1) of an episode with this content hash in an epoch (from 0).

    The views take turns, from a start that the hash gives. A resumed run sees the same views.
    """
    return (int(content[:8], 16) + epoch) % views


def augment(frames: np.ndarray, content: str, view: int) -> np.ndarray:
    """Augment frames (T, S, S, 3) uint8 into a new array of the same shape; view 0 is unchanged.

    Each colour channel changes by up to 20 %, and the image shifts by up to 4 % with its edges
    extended. All frames of an episode change alike, like one camera in one light.
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
