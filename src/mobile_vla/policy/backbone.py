"""The interface of a vision-language model that a policy uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PARTS = ("vision", "projection", "text")
"""The parts of a backbone, by which adapters are placed and reports are written."""

PROMPT = "<grounding>An image of a robot {instruction}"
"""The text that RoboVLMs puts before its policies."""


@dataclass(frozen=True, slots=True)
class TextTokens:
    """Tokenized prompts: `ids` (N, S) and `mask` (N, S), True for a token, padded on the right.

    Neither `<s>` nor `</s>` is among them.
    """

    ids: torch.Tensor
    mask: torch.Tensor

    def rows(self, index: torch.Tensor) -> TextTokens:
        """The prompts at `index` (M,), repeats allowed."""
        return TextTokens(self.ids[index], self.mask[index])


class Backbone(Protocol):
    """A vision-language model as a policy uses it.

    N frames or sequences, L image latents a frame, D the decoder's width, S text tokens.
    """

    network: PreTrainedModel
    hidden_size: int
    image_size: int
    latents: int

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, H, W, 3) uint8 RGB, H = W = image_size, to pixels (N, 3, H, W) float."""

    def encode_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, H, W) to image latents (N, L, D) through vision and projection."""

    def tokenize(self, instructions: Sequence[str]) -> TextTokens:
        """The prompts of the instructions; an unknown word is a `UserError`."""

    def action_states(
        self, latents: torch.Tensor, text: TextTokens, action_token: torch.Tensor
    ) -> torch.Tensor:
        """The decoder's last state (N, D) at the action token; padding changes nothing.

        `latents` (N, L, D), `text` of N rows, `action_token` (D,).
        """

    def parts(self) -> dict[str, list[str]]:
        """Parameter names of `network` by part: vision, projection, text."""

    def lora_pattern(self, parts: Collection[str]) -> str:
        """A regular expression that matches the linear layers of these parts, and no others."""
