"""Closed-loop control: each step encodes one new frame; the head sees the history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import TextTokens
from mobile_vla.policy.policy import Policy


class Controller:
    """Drives B scenes at once, each with its own instruction.

    The action-token states of the last `window` frames are cached, so a step encodes one frame.
    The actions equal those of re-encoding the window.
    """

    def __init__(self, policy: Policy, window: int) -> None:
        self._policy = policy.eval()
        self._window = window
        self._text: TextTokens | None = None
        self._states: list[torch.Tensor] = []

    def reset(self, instructions: Sequence[str]) -> None:
        """Begin B scenes with one instruction each; earlier frames are forgotten."""
        self._text = self._policy.prompts(instructions, [1] * len(instructions))
        self._states = []

    def act(self, frames: np.ndarray) -> np.ndarray:
        """The scenes' new frames (B, S, S, 3) uint8 RGB to actions (B, A), m/s and rad/s.

        The first action of the predicted chunk; calling before `reset` is a `UserError`.
        """
        first: np.ndarray = self.chunk(frames)[:, 0]
        return first

    def chunk(self, frames: np.ndarray) -> np.ndarray:
        """Like `act`, but returns all C actions of the chunk (B, C, A)."""
        if self._text is None or len(frames) != len(self._text.ids):
            raise UserError(
                f"{len(frames)} frames for {0 if self._text is None else len(self._text.ids)} "
                "instructions: reset the controller with one instruction a scene."
            )
        with torch.inference_mode():
            latents = self._policy.encode(torch.from_numpy(np.ascontiguousarray(frames)))
            state = self._policy.states(latents, self._text)
            self._states = [*self._states, state][-self._window :]
            chunk: np.ndarray = self._policy.predict(torch.stack(self._states, 1)).cpu().numpy()
        return chunk
