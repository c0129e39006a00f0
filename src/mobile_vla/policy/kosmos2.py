"""Kosmos-2 as a policy's backbone, computed as RoboVLMs computes it.

A frame becomes `<s>`, the image latents, the text and one action token. Positions count from
the first token on and each row's action token follows its own text directly, so padding, which
stands after it, changes nothing (RoboVLMs puts the token behind the padding).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from mobile_vla.policy.backbone import PARTS, PROMPT, TextTokens
from mobile_vla.record.errors import UserError

if TYPE_CHECKING:
    from transformers import Kosmos2ForConditionalGeneration, PreTrainedTokenizerBase

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)

PREFIXES = {
    "vision": "vision_model.",
    "projection": "image_to_text_projection.",
    "text": "text_model.",
}

LINEAR_LAYERS = {
    "vision": r"vision_model\.model\.encoder\.layers\.\d+\."
    r"(self_attn\.(q_proj|k_proj|v_proj|out_proj)|mlp\.(fc1|fc2))",
    "projection": r"image_to_text_projection\.(dense|x_attn\.(q_proj|k_proj|v_proj|out_proj))",
    "text": r"text_model\.model\.layers\.\d+\."
    r"(self_attn\.(q_proj|k_proj|v_proj|out_proj)|ffn\.(fc1|fc2))",
}


class Kosmos2Backbone(nn.Module):
    """A `Kosmos2ForConditionalGeneration` and its tokenizer behind `Backbone`."""

    def __init__(
        self, network: Kosmos2ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.hidden_size: int = network.config.text_config.embed_dim
        self.image_size: int = network.config.vision_config.image_size
        self.latents: int = network.config.latent_query_num
        self._bos: int = network.config.text_config.bos_token_id
        self._pad: int = network.config.text_config.pad_token_id
        self.register_buffer("_mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)

    def preprocess(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, H, W, 3) uint8 RGB to pixels (N, 3, H, W), CLIP's mean and deviation."""
        expected = (self.image_size, self.image_size, 3)
        if frames.ndim != 4 or tuple(frames.shape[1:]) != expected or frames.dtype != torch.uint8:
            raise UserError(
                f"The VLM takes uint8 frames of shape (N, {expected[0]}, {expected[1]}, 3) but got "
                f"{frames.dtype} of shape {tuple(frames.shape)}: resize the frames first."
            )
        pixels = frames.to(self._mean.device).permute(0, 3, 1, 2).to(self._mean.dtype) / 255.0
        return (pixels - self._mean) / self._std

    def encode_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, H, W) to latents (N, L, D).

        The whole last hidden state, its class token included, through the post-layernorm,
        L2-normalised, through the image-to-text projection.
        """
        features = self.network.vision_model(pixel_values=pixels)[0]
        features = self.network.vision_model.model.post_layernorm(features)
        features = nn.functional.normalize(features, dim=-1)
        latents: torch.Tensor = self.network.image_to_text_projection(features)[0]
        return latents

    def tokenize(self, instructions: Sequence[str]) -> TextTokens:
        """Prompts as `TextTokens`; a word the tokenizer does not know is a `UserError`."""
        prompts = [PROMPT.format(instruction=instruction) for instruction in instructions]
        return self.tokenize_text(prompts)

    def tokenize_text(self, texts: Sequence[str]) -> TextTokens:
        """Any texts as `TextTokens`, without `<s>` and `</s>`."""
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        for text, row in zip(texts, rows, strict=True):
            if self.tokenizer.unk_token_id in row:
                raise UserError(
                    f'The VLM\'s tokenizer does not know every word of "{text}": use other words, '
                    "or a VLM whose tokenizer knows them."
                )
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
        """The decoder's last state (N, D) at the action token; see `Backbone.action_states`."""
        embedded = self.embed(latents, text)
        count = embedded.shape[0]
        place = 1 + latents.shape[1] + text.mask.sum(1)
        rows = torch.arange(count, device=embedded.device)
        room = embedded.new_zeros(count, 1, embedded.shape[2])
        sequence = torch.cat([embedded, room], dim=1)
        token = action_token.to(sequence.dtype).expand(count, -1)
        sequence = sequence.index_put((rows, place), token)
        return self.decode(sequence)[rows, place]

    def embed(self, latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        """`<s>`, latents (N, L, D) and text as unscaled embeddings (N, 1 + L + S, D)."""
        table = self.network.text_model.model.embed_tokens
        first = table.weight[self._bos].expand(latents.shape[0], 1, -1)
        return torch.cat([first, latents.to(first.dtype), table(text.ids)], dim=1)

    def decode(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, P, D) to last states (N, P, D); the language head is left out.

        No mask is needed: attention is causal and what is read stands before any padding.
        """
        states: torch.Tensor = self.network.text_model.model(
            inputs_embeds=embedded.clone(), use_cache=False
        ).last_hidden_state
        return states

    def parts(self) -> dict[str, list[str]]:
        """Parameter names of `network` by part."""
        names = [name for name, _ in self.network.named_parameters()]
        return {part: [n for n in names if n.startswith(PREFIXES[part])] for part in PARTS}

    def lora_pattern(self, parts: Collection[str]) -> str:
        """A regular expression for the linear layers of `parts`, matched in full by peft."""
        unknown = sorted(set(parts) - set(PARTS))
        if unknown or not parts:
            raise UserError(
                f"LoRA cannot be placed on {unknown or 'no part'}: name some of {list(PARTS)}."
            )
        return "|".join(f"(?:{LINEAR_LAYERS[part]})" for part in PARTS if part in parts)
