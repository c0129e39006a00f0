"""The frame store: decoded and resized once, memory-mapped, addressed by content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import numpy as np

from mobile_vla.episodes.hdf5 import read_episode
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.episodes.schema import Episode
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import explain_os_error, sync_folder, write_json

TRANSFORM = "pil-bicubic-1"
"""Part of the address: change it when frames come to be made in another way."""


class _Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where each content's frames begin and end, and its instruction."""

    spans: dict[str, tuple[int, int]]
    instructions: dict[str, str]


class FrameStore:
    """Frames, actions and instructions of a manifest's episodes, by episode id.

    `store[id]` is a (T, S, S, 3) uint8 view of the memory map; any number of processes may share
    it. Its files hold contents, not ids, so data sets of the same contents share one store.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Map the store that `open_frames` made in `folder`."""
        self.folder = folder
        self._hashes = {episode.id: episode.hash for episode in manifest.episodes}
        self._index = msgspec.json.decode((folder / "index.json").read_bytes(), type=_Index)
        self._frames = np.load(folder / "frames.npy", mmap_mode="r")
        self._actions = np.load(folder / "actions.npy")

    def __getitem__(self, episode_id: str) -> np.ndarray:
        """(T, S, S, 3) uint8 RGB, read-only."""
        start, stop = self._index.spans[self._hash(episode_id)]
        frames: np.ndarray = self._frames[start:stop]
        return frames

    def actions(self, episode_id: str) -> np.ndarray:
        """(T, 2 or 3) float32, m/s, m/s, rad/s."""
        start, stop = self._index.spans[self._hash(episode_id)]
        actions: np.ndarray = self._actions[start:stop]
        return actions

    def instruction(self, episode_id: str) -> str:
        """What the robot was told; "" where nothing was recorded."""
        return self._index.instructions[self._hash(episode_id)]

    def _hash(self, episode_id: str) -> str:
        if episode_id not in self._hashes:
            raise UserError(f"The frame store at {self.folder} has no episode {episode_id}.")
        return self._hashes[episode_id]


def open_frames(manifest: Manifest, folder: Path, size: int, cache_dir: Path) -> FrameStore:
    """The store of `manifest`'s frames at `size` px, made under `cache_dir` where it is missing.

    `folder` holds the episode files. A frame's bytes are those of PIL's bicubic resize.

    Raises:
        UserError: a file is unreadable or no longer has the content that the manifest pins.
    """
    store = cache_dir / f"frames-{store_key(manifest, size)[:24]}"
    if not (store / "index.json").exists():
        beside = cache_dir / f".{store.name}.{os.getpid()}.part"
        try:
            _build(beside, manifest, folder, size)
            _move_in(beside, store)
        except OSError as error:
            raise explain_os_error(error, store) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return FrameStore(store, manifest)


def store_key(manifest: Manifest, size: int) -> str:
    """blake3 of the contents in order, the size and the transform, 64 hex digits."""
    from blake3 import blake3

    hashes = [episode.hash for episode in manifest.episodes]
    return blake3(msgspec.json.encode([hashes, size, TRANSFORM])).hexdigest()


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """PIL's bicubic resize of one (H, W, 3) uint8 frame to (size, size, 3)."""
    from PIL import Image

    if image.shape[:2] == (size, size):
        return image
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _build(beside: Path, manifest: Manifest, folder: Path, size: int) -> None:
    beside.mkdir(parents=True, exist_ok=True)
    total = sum(episode.frames for episode in manifest.episodes)
    shape = (total, size, size, 3)
    frames = np.lib.format.open_memmap(beside / "frames.npy", "w+", dtype=np.uint8, shape=shape)
    actions: list[np.ndarray] = []
    spans, instructions, start = {}, {}, 0
    for row in manifest.episodes:
        episode = _read_pinned(folder / row.source, row)
        for offset, image in enumerate(episode.images):
            frames[start + offset] = resize(image, size)
        actions.append(episode.actions)
        instructions[row.hash] = episode.instruction
        spans[row.hash] = (start, start + len(episode))
        start += len(episode)
    frames.flush()
    _save_actions(beside / "actions.npy", actions, manifest)
    write_json(beside / "index.json", _Index(spans=spans, instructions=instructions))


def _save_actions(path: Path, actions: list[np.ndarray], manifest: Manifest) -> None:
    widths = {array.shape[1] for array in actions}
    if len(widths) != 1:
        raise UserError(
            f"Data set {manifest.name} mixes episodes of {sorted(widths)} action columns: "
            "make one data set of each."
        )
    with open(path, "wb") as file:
        np.save(file, np.concatenate(actions))
        os.fsync(file.fileno())


def _read_pinned(path: Path, row: ManifestEpisode) -> Episode:
    episode = read_episode(path)
    if episode.content_hash() != row.hash or len(episode) != row.frames:
        raise UserError(
            f"{path} is no longer the episode that the manifest pins: "
            "restore the file, or make the manifest again."
        )
    return episode


def _move_in(beside: Path, store: Path) -> None:
    """Rename the finished store into place; where another process was first, its store stands."""
    try:
        beside.replace(store)
    except OSError:
        if not (store / "index.json").exists():
            raise
    sync_folder(store.parent)
