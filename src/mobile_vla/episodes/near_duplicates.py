"""Which episodes show almost the same pictures: re-encoded, trimmed by a frame, or filmed twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEAR = 2.0
"""Mean difference, in grey levels of 255 at 16 × 16, below which two episodes are near-duplicates.

Different simulated scenes of one look differ by 8 or more; re-encoding as JPEG moves under 1.
"""
_SLACK = 3.0
_SHIFTS = (0, 1, -1)


def near_pairs(thumbs: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """Pairs (i < j) of episodes, each (T, 16, 16) uint8, that are nearer than `NEAR`, and how far.

    One may begin a frame later than the other.
    """
    if not thumbs:
        return []
    rough = np.array([_rough(thumb) for thumb in thumbs])
    pairs = []
    for i, thumb in enumerate(thumbs):
        apart = np.abs(rough[i + 1 :] - rough[i]).mean(axis=1)
        for offset in np.flatnonzero(apart < NEAR + _SLACK):
            j = i + 1 + int(offset)
            difference = distance(thumb, thumbs[j])
            if difference < NEAR:
                pairs.append((i, j, difference))
    return pairs


def near_groups(thumbs: Sequence[np.ndarray]) -> list[int]:
    """For each episode the index of its first near-duplicate, or its own index."""
    root = list(range(len(thumbs)))

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for i, j, _ in near_pairs(thumbs):
        low, high = sorted((find(i), find(j)))
        root[high] = low
    return [find(i) for i in root]


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean grey difference of two (T, 16, 16), aligned to a frame; infinite where lengths differ.

    Lengths may differ by two frames.
    """
    if abs(len(first) - len(second)) > 2:
        return float("inf")
    return min(_aligned(first[max(0, s) :], second[max(0, -s) :]) for s in _SHIFTS)


def _aligned(first: np.ndarray, second: np.ndarray) -> float:
    length = min(len(first), len(second))
    if not length:
        return float("inf")
    difference = first[:length].astype(np.int16) - second[:length].astype(np.int16)
    return float(np.abs(difference).mean())


def _rough(thumb: np.ndarray) -> np.ndarray:
    """16 means over quarters of the picture and all frames.

    They differ by no more than the thumbnails do, so a large difference rules out a duplicate.
    """
    quarters = thumb.reshape(len(thumb), 4, 4, 4, 4).mean(axis=(0, 2, 4))
    means: np.ndarray = quarters.ravel()
    return means
