"""Validation shared by all formats: length, finite actions, one frame size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mobile_vla.episodes.findings import Check
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.contained_path import PathOutsideError, contained_path

MAX_FRAMES = 10_000
MAX_BYTES = 4 << 30
"""Decoded pictures of one episode: more is refused before it is read."""
NAMES_REMEDY = {
    "episode.aloha",
    "episode.bag_compressed",
    "episode.bag_in_parts",
    "episode.git_lfs_pointer",
    "episode.mcap_cut_off",
    "episode.not_closed",
    "episode.outside_file",
    "episode.robomimic",
    "episode.ros1",
    "episode.topics",
    "episode.web_page",
}
"""Codes whose sentence says what to do next."""


class EpisodeError(UserError):
    """An episode that cannot be used: which, why, and what to do about it.

    `check` is the name under which a report counts it.
    """

    def __init__(self, path: Path, why: Reason, check: Check = "shape_or_type") -> None:
        remedy = ": record or copy this episode again, or take it out"
        remedy = "" if why.code in NAMES_REMEDY else remedy
        super().__init__(f"{path} {sentence(why, 'en')}{remedy}.")
        self.path, self.reason, self.check = path, why, check

    @property
    def what(self) -> str:
        """The English predicate."""
        return sentence(self.reason, "en")

    def __reduce__(self) -> tuple[type[EpisodeError], tuple[Path, Reason, Check]]:
        """Pickle the arguments, so that other processes can raise it."""
        return EpisodeError, (self.path, self.reason, self.check)


def refuse_too_long(where: Path, frames: int, frame_bytes: int = 0) -> None:
    """Refuse more `frames`, of `frame_bytes` each when decoded, than an episode can have.

    Raises:
        EpisodeError: more than `MAX_FRAMES` of them or than `MAX_BYTES` in all.
    """
    if frames <= MAX_FRAMES and frames * frame_bytes <= MAX_BYTES:
        return
    why = reason("episode.too_many_frames", frames=frames)
    if frame_bytes:
        why = reason("episode.too_large", frames=frames, size=frames * frame_bytes)
    raise EpisodeError(where, why, "too_long")


def finite_actions(where: Path, values: object) -> np.ndarray:
    """(T, columns) `values` as float32.

    Raises:
        EpisodeError: there are none, or one is NaN, infinite or past float32.
    """
    with np.errstate(over="ignore"):
        actions = np.asarray(values, np.float32)
    if not len(actions):
        raise EpisodeError(where, reason("episode.no_frames"))
    unsound = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    if len(unsound):
        why = reason("episode.not_finite", frame=int(unsound[0]))
        raise EpisodeError(where, why, "not_a_number")
    return actions


def stack_frames(where: Path, frames: Iterable[np.ndarray], count: int) -> np.ndarray:
    """(count, H, W, 3) uint8 of (H, W, 3) `frames`.

    Raises:
        EpisodeError: too much to hold, frames of several sizes, more or fewer than `count`.
    """
    images: np.ndarray | None = None
    done = 0
    for frame in frames:
        if images is None:
            refuse_too_long(where, count, frame.size)
            images = np.empty((count, *frame.shape), np.uint8)
        elif frame.shape != images.shape[1:]:
            raise EpisodeError(where, _another_size(frame, images, done))
        if done < count:
            images[done] = frame
        done += 1
    if images is None or done != count:
        raise EpisodeError(where, reason("episode.picture_count", pictures=done, actions=count))
    return images


def episode_path(where: Path, folder: Path, name: str) -> Path:
    """A file of `folder` that the episode at `where` names.

    Raises:
        EpisodeError: the name leads outside the folder.
    """
    try:
        return contained_path(folder, name)
    except PathOutsideError as error:
        raise EpisodeError(where, reason("episode.path_outside", path=name), "outside") from error


def _another_size(frame: np.ndarray, images: np.ndarray, index: int) -> Reason:
    height, width = frame.shape[:2]
    first_height, first_width = images.shape[1:3]
    return reason(
        "episode.picture_size", width=width, height=height, frame=index,
        first_width=first_width, first_height=first_height,
    )  # fmt: skip
