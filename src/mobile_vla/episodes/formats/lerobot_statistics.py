"""Statistics as LeRobot keeps them: exact, of numbers at once and of pictures by counting."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
Stats = dict[str, list[float] | list[list[list[float]]] | list[int]]


def of_numbers(values: np.ndarray) -> Stats:
    """Of (N, D) values, each a list of D."""
    columns = np.asarray(values, np.float64).reshape(len(values), -1)
    found: Stats = {
        "min": columns.min(axis=0).tolist(),
        "max": columns.max(axis=0).tolist(),
        "mean": columns.mean(axis=0).tolist(),
        "std": columns.std(axis=0).tolist(),
        "count": [len(columns)],
    }
    for name, share in QUANTILES.items():
        found[name] = np.quantile(columns, share, axis=0).tolist()
    return found


@dataclass(slots=True)
class PictureStatistics:
    """Counts of the 256 values of each of 3 channels, from which all statistics follow exactly."""

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
        """Take in what another has counted."""
        self.counts += other.counts
        self.frames += other.frames

    def stats(self) -> Stats:
        """Shares of 1 by channel, as [3][1][1]; the count is of frames."""
        levels = np.arange(256) / 255
        total = self.counts.sum(axis=1)
        mean = self.counts @ levels / total
        std = np.sqrt(np.maximum(self.counts @ levels**2 / total - mean**2, 0))
        reached = np.cumsum(self.counts, axis=1) / total[:, None]
        present = self.counts > 0
        found: Stats = {
            "min": _channels(levels[present.argmax(axis=1)]),
            "max": _channels(levels[255 - present[:, ::-1].argmax(axis=1)]),
            "mean": _channels(mean),
            "std": _channels(std),
            "count": [self.frames],
        }
        for name, share in QUANTILES.items():
            found[name] = _channels(levels[(reached >= share).argmax(axis=1)])
        return found


def _channels(values: np.ndarray) -> list[list[list[float]]]:
    return [[[float(value)]] for value in values]
