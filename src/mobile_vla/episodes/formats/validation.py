"""What no episode can be, whatever its format: too long, not of numbers, of several sizes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mobile_vla.episodes.findings import Check
from mobile_vla.messages.errors import UserError

LARGEST_FRAMES = 10_000
LARGEST_BYTES = 4 << 30
"""Decoded pictures of one episode: what is larger is refused unread."""


class EpisodeError(UserError):
    """An episode that cannot be used: which, why, and what to do about it.

    `check` is the name under which a report counts it, `what` the predicate of its sentence.
    """

    def __init__(self, path: Path, what: str, check: Check = "shape_or_type") -> None:
        super().__init__(f"{path} {what}: record or copy this episode again, or take it out.")
        self.path, self.check, self.what = path, check, what

    def __reduce__(self) -> tuple[type[EpisodeError], tuple[Path, str, Check]]:
        """So that it can come back from another process."""
        return EpisodeError, (self.path, self.what, self.check)


def refuse_long(where: Path, frames: int, frame_bytes: int = 0) -> None:
    """Refuse more `frames`, of `frame_bytes` each when decoded, than an episode can have.

    Raises:
        EpisodeError: more than `LARGEST_FRAMES` of them or than `LARGEST_BYTES` in all.
    """
    if frames > LARGEST_FRAMES or frames * frame_bytes > LARGEST_BYTES:
        size = f" ({frames * frame_bytes / 2**30:.1f} GiB)" if frame_bytes else ""
        raise EpisodeError(where, f"holds {frames} frames{size}, which is no episode", "too_long")


def sound_actions(where: Path, values: object) -> np.ndarray:
    """(T, columns) `values` as float32.

    Raises:
        EpisodeError: there are none, or one is NaN, infinite or past float32.
    """
    with np.errstate(over="ignore"):
        actions = np.asarray(values, np.float32)
    if not len(actions):
        raise EpisodeError(where, "holds no frames")
    unsound = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    if len(unsound):
        what = f"has NaN or infinite actions, first at frame {unsound[0]}"
        raise EpisodeError(where, what, "not_a_number")
    return actions


def stack_frames(where: Path, frames: Iterable[np.ndarray], count: int) -> np.ndarray:
    """(count, H, W, 3) uint8 of (H, W, 3) `frames`, held once while they come.

    Raises:
        EpisodeError: too much to hold, frames of several sizes, more or fewer than `count`.
    """
    images: np.ndarray | None = None
    done = 0
    for frame in frames:
        if images is None:
            refuse_long(where, count, frame.size)
            images = np.empty((count, *frame.shape), np.uint8)
        elif frame.shape != images.shape[1:]:
            height, width = frame.shape[:2]
            first = f"{images.shape[2]}x{images.shape[1]}"
            what = f"has a picture of {width}x{height} at frame {done}, where the first is {first}"
            raise EpisodeError(where, what)
        if done < count:
            images[done] = frame
        done += 1
    if images is None or done != count:
        raise EpisodeError(where, f"has {done} pictures for {count} actions")
    return images
