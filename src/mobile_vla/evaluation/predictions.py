"""What a policy would do at every frame of recorded episodes, as it would in closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mobile_vla.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded episode with the latents of its frames.

    actions: (T, A) in m/s (rad/s). latents: (T, L, D).
    """

    id: str
    hash: str
    direction: str
    instruction: str
    actions: np.ndarray
    latents: torch.Tensor


def predict(
    policy: Policy, episode: Recorded, window: int, instruction: str | None = None
) -> np.ndarray:
    """First action of the chunk at every frame, (T, A) in m/s and rad/s.

    Frame t sees itself and up to `window` - 1 frames before it, as the controller does. Another
    `instruction` may take the recorded one's place.
    """
    text = episode.instruction if instruction is None else instruction
    with torch.inference_mode():
        actions, windows = policy([episode.latents], [text], window)
        first = actions[..., 0, :]
        early = first[0][windows.valid[0]]
        late = first[1:, -1]
        executed = policy.statistics.denormalise(torch.cat([early, late]))
    predicted: np.ndarray = executed.float().cpu().numpy()
    return predicted


def with_latents(episode: Recorded, latents: torch.Tensor) -> Recorded:
    """The same episode seen through other latents."""
    return Recorded(
        id=episode.id,
        hash=episode.hash,
        direction=episode.direction,
        instruction=episode.instruction,
        actions=episode.actions,
        latents=latents,
    )


def mean_latents(episodes: Sequence[Recorded]) -> torch.Tensor:
    """The mean latents (L, D) of all frames: what a blind policy sees."""
    return torch.cat([episode.latents for episode in episodes]).mean(0)
