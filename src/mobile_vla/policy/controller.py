"""Closed-loop control: each step encodes one new frame; the head sees the history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import pad

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
            return self._predict(self._policy.states(latents, self._text))

    @property
    def history(self) -> int:
        """How many frames, the newest included, the last action rests on."""
        return len(self._states)

    def _predict(self, state: torch.Tensor) -> np.ndarray:
        """The newest frames' states (B, D), added to the history, to chunks (B, C, A)."""
        self._states = [*self._states, state][-self._window :]
        chunk: np.ndarray = self._policy.predict(torch.stack(self._states, 1)).cpu().numpy()
        return chunk


def chunks_together(controllers: Sequence[Controller], frames: np.ndarray) -> np.ndarray:
    """One step of B controllers of one scene each, their frames encoded as one batch.

    `frames` (B, S, S, 3) uint8 RGB to chunks (B, C, A), m/s and rad/s. The controllers share one
    policy and have been reset; their histories may differ in length.
    """
    if len(controllers) == 1:
        return controllers[0].chunk(frames)
    policy = controllers[0]._policy
    texts = [text for text in (controller._text for controller in controllers) if text is not None]
    with torch.inference_mode():
        latents = policy.encode(torch.from_numpy(np.ascontiguousarray(frames)))
        states = policy.states(latents, _joined(texts))
        return np.concatenate(
            [
                controller._predict(states[row : row + 1])
                for row, controller in enumerate(controllers)
            ]
        )


def _joined(texts: Sequence[TextTokens]) -> TextTokens:
    """Prompts of several lengths as one batch, padded on the right."""
    width = max(text.ids.shape[1] for text in texts)
    pads = [(0, width - text.ids.shape[1]) for text in texts]
    ids = [pad(text.ids, ends) for text, ends in zip(texts, pads, strict=True)]
    masks = [pad(text.mask, ends) for text, ends in zip(texts, pads, strict=True)]
    return TextTokens(torch.cat(ids), torch.cat(masks))
