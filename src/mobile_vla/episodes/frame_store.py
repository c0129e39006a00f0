"""The frame store: decoded and resized once, memory-mapped, addressed by content.

One pair of files for each content and size: `<hash>.npy`, (T, S, S, 3) uint8, and `<hash>.json`,
its actions and instruction. The second is written last, so
where it exists, both are complete. Data sets that share episodes share their files, and a grown one
decodes only new episodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.hdf5 import read_episode
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.runs.files import write_array, write_atomic
from mobile_vla.runs.outside_files import decode_json, read_regular

TRANSFORM = "pil-bicubic-1"
"""Part of the address: change it when the resize changes."""
MOST_BYTES = 64 << 20
OPEN_MAPS = 256
"""Mapped files open at once; each takes a file descriptor."""


class StoredEpisode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON beside an episode's frames. Its numbers are float32, written without loss."""

    actions: list[list[float]]
    instruction: str


class FrameStore:
    """Frames, actions and instructions of a manifest's episodes, by episode id.

    `store[id]` is a (T, S, S, 3) uint8 view of the memory map; any number of processes may share
    it, and a store may be sent to them. Its files hold contents, not ids.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Open the store in `folder`, which `open_frames` has filled for `manifest`.

        Raises:
            UserError: the episodes have different numbers of action columns.
        """
        self.folder = folder
        self._hashes = {episode.id: episode.hash for episode in manifest.episodes}
        self._actions: dict[str, np.ndarray] = {}
        self._instructions: dict[str, str] = {}
        for digest in self._hashes.values():
            episode = _read_stored(folder / f"{digest}.json")
            self._actions[digest] = np.array(episode.actions, np.float32)
            self._instructions[digest] = episode.instruction
        widths = {actions.shape[1] for actions in self._actions.values()}
        if len(widths) > 1:
            raise UserError(
                f"Data set {manifest.name} mixes episodes of {sorted(widths)} action columns: "
                "make one data set of each."
            )

    def __getitem__(self, episode_id: str) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB, read-only."""
        return _mapped(self.folder / f"{self._hash(episode_id)}.npy")

    def actions(self, episode_id: str) -> np.ndarray:
        """(T, 2 or 3) float32, m/s, m/s, rad/s."""
        return self._actions[self._hash(episode_id)]

    def instruction(self, episode_id: str) -> str:
        """The instruction; "" where none was recorded."""
        return self._instructions[self._hash(episode_id)]

    def _hash(self, episode_id: str) -> str:
        if episode_id not in self._hashes:
            raise UserError(f"The frame store at {self.folder} has no episode {episode_id}.")
        return self._hashes[episode_id]


def open_frames(
    manifest: Manifest,
    folder: Path,
    size: int,
    cache_dir: Path,
    progress: Callable[[int, int], None] | None = None,
) -> FrameStore:
    """The store of `manifest`'s frames at `size` px below `cache_dir`; missing frames are added.

    `folder` holds the episode files. A frame's bytes are those of PIL's bicubic resize.
    After an interruption, call it again: finished episodes are not decoded again.

    Raises:
        UserError: a file is unreadable or no longer has the content that the manifest pins.
    """
    store = store_folder(cache_dir, size)
    missing = [row for row in manifest.episodes if not stored(store, row.hash)]
    for done, row in enumerate(missing, start=1):
        if not stored(store, row.hash):  # another process may have been here meanwhile
            add_to_store(store, _read_pinned(folder / row.source, row), row.hash, size)
        if progress:
            progress(done, len(missing))
    return FrameStore(store, manifest)


def store_folder(cache_dir: Path, size: int) -> Path:
    """The folder of frames of this size and transform."""
    return cache_dir / f"frames-{size}-{TRANSFORM}"


def stored(store: Path, digest: str) -> bool:
    """Whether the store holds this content."""
    return (store / f"{digest}.json").exists() and (store / f"{digest}.npy").exists()


def add_to_store(store: Path, episode: Episode, digest: str, size: int) -> None:
    """Resize an episode's frames and store them under its content hash.

    Raises:
        UserError: the disk is full or the store cannot be written.
    """
    frames = np.empty((len(episode), size, size, 3), np.uint8)
    for index, image in enumerate(episode.images):
        frames[index] = resize(image, size)
    write_array(store / f"{digest}.npy", frames)
    stored_episode = StoredEpisode(
        actions=episode.actions.tolist(), instruction=episode.instruction
    )
    write_atomic(store / f"{digest}.json", msgspec.json.encode(stored_episode))


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """PIL's bicubic resize of one (H, W, 3) uint8 frame to (size, size, 3)."""
    from PIL import Image

    if image.shape[:2] == (size, size):
        return image
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _read_stored(file: Path) -> StoredEpisode:
    try:
        return decode_json(read_regular(file, MOST_BYTES), StoredEpisode)
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from error


@lru_cache(OPEN_MAPS)
def _mapped(path: Path) -> np.ndarray:
    try:
        frames: np.ndarray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error
    return frames


def _damaged(file: Path, error: Exception) -> UserError:
    return UserError(
        f"{file} is damaged ({reason_of(error)}): remove it, and its episode is decoded again."
    )


def _read_pinned(path: Path, row: ManifestEpisode) -> Episode:
    episode = read_episode(path)
    if episode.content_hash() != row.hash or len(episode) != row.frames:
        raise UserError(
            f"{path} is no longer the episode that the manifest pins: "
            "restore the file, or make the manifest again."
        )
    return episode
