"""Statistics as LeRobot stores them: exact, for pictures by counting values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, list[float] | list[list[list[float]]] | list[int]]


def of_numbers(values: np.ndarray) -> Stats:
    """Statistics of (N, D) values, each a list of D numbers."""
    columns = np.asarray(values, np.float64).reshape(len(values), -1)
    stats: Stats = {
        "min": columns.min(axis=0).tolist(),
        "max": columns.max(axis=0).tolist(),
        "mean": columns.mean(axis=0).tolist(),
        "std": columns.std(axis=0).tolist(),
        "count": [len(columns)],
    }
    for name, share in QUANTILES.items():
        stats[name] = np.quantile(columns, share, axis=0).tolist()
    return stats


@dataclass(slots=True)
class PictureStatistics:
    """Counts of the 256 values of each of 3 channels; all statistics follow from them exactly."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    frames: int = 0

    def add(self, images: np.ndarray) -> None:
        """Count (T, H, W, 3) uint8 frames."""
        for image in images:
            for channel in range(3):
                values = np.ascontiguousarray(image[..., channel]).ravel()
                self.counts[channel] += np.bincount(values, minlength=256)
        self.frames += len(images)

    def merge(self, other: PictureStatistics) -> None:
        """Add the counts of `other`."""
        self.counts += other.counts
        self.frames += other.frames

    def stats(self) -> Stats:
        """Statistics of each channel between 0 and 1, as [3][1][1]; `count` counts frames."""
        levels = np.arange(256) / 255
        total = self.counts.sum(axis=1)
        mean = self.counts @ levels / total
        std = np.sqrt(np.maximum(self.counts @ levels**2 / total - mean**2, 0))
        reached = np.cumsum(self.counts, axis=1) / total[:, None]
        present = self.counts > 0
        stats: Stats = {
            "min": _channels(levels[present.argmax(axis=1)]),
            "max": _channels(levels[255 - present[:, ::-1].argmax(axis=1)]),
            "mean": _channels(mean),
            "std": _channels(std),
            "count": [self.frames],
        }
        for name, share in QUANTILES.items():
            stats[name] = _channels(levels[(reached >= share).argmax(axis=1)])
        return stats


def _channels(values: np.ndarray) -> list[list[list[float]]]:
    return [[[float(value)]] for value in values]
