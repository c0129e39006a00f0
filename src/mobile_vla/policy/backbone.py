"""A vision-language model as a policy uses it, and what all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.vocabulary import nearest_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

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


class Backbone(nn.Module, ABC):
    """A causal decoder over image latents, text and one action token.

    N frames or sequences, L image latents a frame, D the decoder's width, S text tokens. The action
    token of a row follows the row's own text directly. Padding comes after it and changes nothing.
    """

    hidden_size: int
    latents: int

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        pad: int,
        prompt: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.image_size: int = network.config.vision_config.image_size
        self._pad = pad
        self._prompt = prompt
        self.register_buffer("_mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def prompt(self) -> str:
        """The text around an instruction, with `{instruction}` in its place."""
        return self._prompt

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, H, W, 3) uint8 RGB, H = W = image_size, to pixels (N, 3, H, W) float."""
        expected = (self.image_size, self.image_size, 3)
        if frames.ndim != 4 or tuple(frames.shape[1:]) != expected or frames.dtype != torch.uint8:
            raise UserError(
                f"The VLM takes uint8 frames of shape (N, {expected[0]}, {expected[1]}, 3) but got "
                f"{frames.dtype} of shape {tuple(frames.shape)}: resize the frames first."
            )
        pixels = frames.to(self._mean.device).permute(0, 3, 1, 2).to(self._mean.dtype) / 255.0
        return (pixels - self._mean) / self._std

    def tokenize(self, instructions: Sequence[str]) -> TextTokens:
        """The prompts of the instructions; a word the tokenizer does not know is a `UserError`."""
        return self.tokenize_text([self._prompt.format(instruction=i) for i in instructions])

    def _unknown_words(self, text: str) -> str:
        """The refusal of a text, with the nearest words that the tokenizer knows."""
        pieces = (token.removeprefix("▁") for token in self.tokenizer.get_vocab())
        hints = nearest_words(text, {piece for piece in pieces if piece.isalpha()})
        unknown = f": it lacks {hints}" if hints else ""
        return (
            f'The VLM\'s tokenizer does not know every word of "{text}"{unknown}. Use words it '
            "knows, make a small VLM that knows yours (`mvla vlm pretrain kosmos2-tiny --words "
            "FILE --out DIR`), or use the full Kosmos-2."
        )

    def tokenize_text(self, texts: Sequence[str]) -> TextTokens:
        """Any texts as `TextTokens`, without `<s>` and `</s>`."""
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        for text, row in zip(texts, rows, strict=True):
            if self.tokenizer.unk_token_id in row:
                raise UserError(self._unknown_words(text))
        ids = torch.full((len(rows), max(map(len, rows))), self._pad)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = True
        device = self._mean.device
        return TextTokens(ids.to(device), mask.to(device))

    def action_states(
        self, latents: torch.Tensor, text: TextTokens, action_token: torch.Tensor
    ) -> torch.Tensor:
        """The decoder's last state (N, D) at the action token; padding changes nothing.

        `latents` (N, L, D), `text` of N rows, `action_token` (D,).
        """
        embedded = self.embed(latents, text)
        count, length, width = embedded.shape
        place = length - text.ids.shape[1] + text.mask.sum(1)
        rows = torch.arange(count, device=embedded.device)
        sequence = torch.cat([embedded, embedded.new_zeros(count, 1, width)], dim=1)
        token = action_token.to(sequence.dtype).expand(count, -1)
        sequence = sequence.index_put((rows, place), token)
        return self.decode_at(sequence, place).to(action_token.dtype)

    @abstractmethod
    def encode_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, H, W) to image latents (N, L, D) through vision and projection."""

    @abstractmethod
    def embed(self, latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        """Latents (N, L, D) and text as embeddings (N, P, D), the text last."""

    @abstractmethod
    def decode(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, P, D) to last states (N, P, D); the language head is left out."""

    def decode_at(self, embedded: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The last states (N, D) at positions `place` (N,) only; a family may compute less."""
        return self.decode(embedded)[torch.arange(len(embedded)), place]

    @abstractmethod
    def lora_pattern(self, parts: Collection[str]) -> str:
        """A regular expression that matches the linear layers of these parts, and no others."""
