"""Latents of episodes: computed once and stored while vision is frozen, else computed each time.

The name of a stored file is a hash of the weights, the episode's content, and how frames are
resized and normalised. A file cannot be stale: a change of any of these changes its name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mobile_vla.episodes.frame_store import TRANSFORM
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.key_match import part_of
from mobile_vla.policy.lora import base_tensors, hash_tensors
from mobile_vla.runs.files import write_array
from mobile_vla.training.augmentation import VERSION, augment

if TYPE_CHECKING:
    from mobile_vla.episodes.frame_store import FrameStore
    from mobile_vla.policy.policy import Policy

FRAMES_AT_ONCE = 256


class Features:
    """Latents (T, L, D) of episodes by content hash."""

    def __init__(self, policy: Policy, frames: FrameStore, cache: Path) -> None:
        self.policy = policy
        self.frames = frames
        self.folder = features_folder(policy, cache)

    def of(self, episode: str, content: str, view: int = 0) -> torch.Tensor:
        """Latents (T, L, D) of `episode`, whose content hash is `content`; see `augment`."""
        shown = partial(augment, self.frames[episode], content, view)
        if self.folder is None:
            return self._encode(shown(), gradient=True)
        path = _file(self.folder, content, view)
        if not path.is_file():
            bits = self._encode(shown(), gradient=False).to(torch.bfloat16).view(torch.uint16)
            write_array(path, bits.cpu().numpy())
        bits = torch.from_numpy(_stored(path)).view(torch.bfloat16)
        return to_device(bits, self.policy.action_token.device).float()

    def _encode(self, frames: np.ndarray, *, gradient: bool) -> torch.Tensor:
        pieces = torch.from_numpy(frames).split(FRAMES_AT_ONCE)
        with torch.set_grad_enabled(gradient):
            parts = [self.policy.encode(piece) for piece in pieces]
        return torch.cat(parts)


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`values` on the device; a GPU copies from pinned memory while it computes."""
    if device.type == "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def _stored(path: Path) -> np.ndarray:
    try:
        bits: np.ndarray = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}, which holds stored vision features, is damaged ({error}): delete it, and it "
            "is made again."
        ) from error
    return bits


def features_folder(policy: Policy, cache: Path) -> Path | None:
    """Where these weights' features are stored; None where something before the latents trains."""
    trained = policy.trainable()
    if trained["vision"].tensors or trained["projection"].tensors:
        return None
    name = f"{vision_hash(policy)[:24]}-{policy.backbone.image_size}-{TRANSFORM}"
    return cache / "latents" / name


def has_features(folder: Path, content: str) -> bool:
    """Whether the features of the episode with this content hash are stored, as recorded."""
    return _file(folder, content, 0).is_file()


def _file(folder: Path, content: str, view: int) -> Path:
    return folder / (f"{content}-{VERSION}-{view}.npy" if view else f"{content}.npy")


def vision_hash(policy: Policy) -> str:
    """blake3 of everything between pixels and latents in the model.

    The tensors of vision and projection, and the mean and deviation that frames are normalised by.
    """
    named = [(n, t) for n, t in base_tensors(policy.backbone.network) if part_of(n) != "text"]
    scale = [(n, t) for n, t in policy.named_buffers() if n in ("backbone._mean", "backbone._std")]
    return hash_tensors([*named, *scale])
