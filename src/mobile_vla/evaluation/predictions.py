"""Predicted actions at every frame of recorded episodes, computed as in closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class RecordedEpisode:
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
    policy: Policy, episode: RecordedEpisode, window: int, instruction: str | None = None
) -> np.ndarray:
    """First action of the chunk at every frame, (T, A) in m/s and rad/s.

    Frame t sees itself and up to `window` - 1 frames before it, as the controller does. Another
    `instruction` may take the recorded one's place.

    Raises:
        UserError: the policy gives NaN or infinite actions, or does not know the words.
    """
    text = episode.instruction if instruction is None else instruction
    with torch.inference_mode():
        output, windows = policy([episode.latents], [text], window)
        first = policy.head.actions(output)[..., 0, :]
        early = first[0][windows.valid[0]]
        late = first[1:, -1]
        executed = policy.statistics.denormalise(torch.cat([early, late]))
    predicted: np.ndarray = executed.float().cpu().numpy()
    wrong = np.flatnonzero(~np.isfinite(predicted).all(1))
    if len(wrong):
        raise UserError(
            f"The policy gives the action {predicted[wrong[0]].tolist()} at frame {wrong[0]} of "
            f"{episode.id}, which is no velocity: its training diverged; train it again."
        )
    return predicted


class CachedPredictions:
    """`predict` of one policy, each episode and text computed once.

    `latents` (L, D), if given, replace those of every frame.
    """

    def __init__(self, policy: Policy, window: int, latents: torch.Tensor | None = None) -> None:
        self._policy, self._window, self._latents = policy, window, latents
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def __call__(self, episode: RecordedEpisode, text: str | None = None) -> np.ndarray:
        """Executed actions (T, A) under `text`, or under the recorded instruction."""
        instruction = episode.instruction if text is None else text
        if (episode.hash, instruction) not in self._known:
            observed = episode
            if self._latents is not None:
                repeated = self._latents.expand(len(episode.actions), -1, -1)
                observed = replace(episode, latents=repeated)
            actions = predict(self._policy, observed, self._window, instruction)
            self._known[episode.hash, instruction] = actions
        return self._known[episode.hash, instruction]


def mean_latents(episodes: Sequence[RecordedEpisode]) -> torch.Tensor:
    """The mean latents (L, D) of all frames: what a blind policy sees."""
    return torch.cat([episode.latents for episode in episodes]).mean(0)
