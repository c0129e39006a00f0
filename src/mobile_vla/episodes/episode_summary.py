"""An episode without its pictures: its data, and thumbnails so small that thousands fit."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mobile_vla.episodes.direction import DirectionEvidence, direction_evidence
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.filename_pattern import LAB_NAMES, NameParts, Naming
from mobile_vla.episodes.find_episodes import episode_id
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import read_episode
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.reason import reason

SIDE = 16
"""Pictures are compared at 16 × 16 grey."""
DARK = 8
"""Mean of 255 below which a frame shows nothing."""
FLAT = 3
"""Largest less smallest grey at 16 × 16 up to which a frame is of one colour."""
MOVING = 0.05
"""m/s or rad/s from which the robot drives."""
STRIP_FRAMES, STRIP_HEIGHT = 6, 72


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """`actions` (T, 2 or 3) float32; `thumbs` (T, 16, 16) uint8; `strip` JPEGs for a page.

    `source` is the file's name in its folder; `dark` and `frozen` are frame numbers from 0.
    """

    id: str
    source: str
    hash: str
    size: tuple[int, int]
    actions: np.ndarray
    step: float
    instruction: str
    evidence: DirectionEvidence
    parts: NameParts | None
    thumbs: np.ndarray
    dark: tuple[int, ...]
    frozen: tuple[int, ...]
    strip: tuple[bytes, ...] = ()

    @property
    def sequence(self) -> bytes:
        """Equal for episodes whose actions are the same numbers."""
        return np.round(self.actions, 4).tobytes()


def summarize_file(
    path: Path,
    name: str,
    naming: Naming = LAB_NAMES,
    strips: bool = False,
    follow_external: bool = False,
) -> EpisodeSummary | Finding:
    """Read and summarize the file called `name`; a file that is no episode is a finding."""
    try:
        episode = read_episode(path, follow_external=follow_external)
    except EpisodeError as error:
        return Finding(name, error.reason, error.check)
    except MemoryError:
        return Finding(name, reason("episode.out_of_memory"), "too_long")
    return summarize(replace(episode, id=episode_id(name)), name, naming, strips)


def summarize(
    episode: Episode, name: str, naming: Naming = LAB_NAMES, strips: bool = False
) -> EpisodeSummary:
    """What checks and splits need of one episode, without its pictures."""
    thumbs = shrink(episode.images)
    file_name = Path(name).name
    return EpisodeSummary(
        id=episode.id,
        source=name,
        hash=episode.content_hash(),
        size=(episode.images.shape[1], episode.images.shape[2]),
        actions=episode.actions,
        step=episode.step,
        instruction=episode.instruction,
        evidence=direction_evidence(
            episode.instruction, file_name, episode.actions, episode.step, naming
        ),
        parts=naming.parts(file_name),
        thumbs=thumbs,
        dark=dark_frames(thumbs),
        frozen=frozen_frames(thumbs, episode.actions),
        strip=picture_strip(episode.images) if strips else (),
    )


def shrink(images: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8 to (T, 16, 16) uint8: means over the green channel, coarsely sampled."""
    from PIL import Image

    stride = max(1, min(images.shape[1:3]) // 256)
    thumbs = np.empty((len(images), SIDE, SIDE), np.uint8)
    for index, image in enumerate(images):
        green = np.ascontiguousarray(image[::stride, ::stride, 1])
        small = Image.fromarray(green).resize((SIDE, SIDE), Image.Resampling.BOX)
        thumbs[index] = np.asarray(small)
    return thumbs


def dark_frames(thumbs: np.ndarray) -> tuple[int, ...]:
    """Frames that are black, or of one colour all over."""
    flat = thumbs.reshape(len(thumbs), -1)
    bad = (flat.mean(axis=1) < DARK) | (np.ptp(flat, axis=1) <= FLAT)
    return tuple(int(i) for i in np.flatnonzero(bad))


def frozen_frames(thumbs: np.ndarray, actions: np.ndarray) -> tuple[int, ...]:
    """Frames equal to the frame before although the robot drove between them."""
    drove = np.abs(actions[:-1]).max(axis=1) > MOVING
    same = (thumbs[1:] == thumbs[:-1]).all(axis=(1, 2))
    return tuple(int(i) + 1 for i in np.flatnonzero(drove & same))


def picture_strip(images: np.ndarray) -> tuple[bytes, ...]:
    """Up to 6 frames evenly chosen, 72 px high, as JPEG."""
    from PIL import Image

    chosen = np.unique(np.linspace(0, len(images) - 1, STRIP_FRAMES).round().astype(int))
    height, width = images.shape[1:3]
    size = (max(1, round(STRIP_HEIGHT * width / height)), STRIP_HEIGHT)
    pictures = []
    for index in chosen:
        buffer = io.BytesIO()
        Image.fromarray(images[index]).resize(size).save(buffer, "JPEG", quality=80)
        pictures.append(buffer.getvalue())
    return tuple(pictures)
