"""Kosmos-2 as a policy's backbone, computed as RoboVLMs computes it.

A frame becomes `<s>`, the image latents, the text and one action token, directly after its row's
own text (RoboVLMs puts the token behind the padding, which moves it).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import PARTS, PROMPT, Backbone, TextTokens

if TYPE_CHECKING:
    from transformers import Kosmos2ForConditionalGeneration, PreTrainedTokenizerBase

LINEAR_LAYERS = {
    "vision": r"vision_model\.model\.encoder\.layers\.\d+\."
    r"(self_attn\.(q_proj|k_proj|v_proj|out_proj)|mlp\.(fc1|fc2))",
    "projection": r"image_to_text_projection\.(dense|x_attn\.(q_proj|k_proj|v_proj|out_proj))",
    "text": r"text_model\.model\.layers\.\d+\."
    r"(self_attn\.(q_proj|k_proj|v_proj|out_proj)|ffn\.(fc1|fc2))",
}


class Kosmos2Backbone(Backbone):
    """A `Kosmos2ForConditionalGeneration` and its tokenizer behind `Backbone`."""

    network: Kosmos2ForConditionalGeneration

    def __init__(
        self, network: Kosmos2ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        text = network.config.text_config
        mean, std = OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
        super().__init__(
            network, tokenizer, mean=mean, std=std, pad=text.pad_token_id, prompt=PROMPT
        )
        self.hidden_size = text.embed_dim
        self.latents = network.config.latent_query_num
        self._bos: int = text.bos_token_id

    def encode_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, H, W) to latents (N, L, D).

        All of the last hidden state, including the class token, through the post-layernorm,
        L2-normalised, through the image-to-text projection.
        """
        features = self.network.vision_model(pixel_values=pixels)[0]
        features = self.network.vision_model.model.post_layernorm(features)
        features = nn.functional.normalize(features, dim=-1)
        latents: torch.Tensor = self.network.image_to_text_projection(features)[0]
        return latents

    def embed(self, latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        """`<s>`, latents (N, L, D) and text as unscaled embeddings (N, 1 + L + S, D)."""
        table = self.network.text_model.model.embed_tokens
        first = table.weight[self._bos].expand(latents.shape[0], 1, -1)
        return torch.cat([first, latents.to(first.dtype), table(text.ids)], dim=1)

    def decode(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, P, D) to last states (N, P, D); the language head is left out.

        No mask is needed: attention is causal, and all states used come before any padding.
        """
        states: torch.Tensor = self.network.text_model.model(
            inputs_embeds=embedded.clone(), use_cache=False
        ).last_hidden_state
        return states

    def decode_at(self, embedded: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, P, D) to the last states (N, D) at `place` (N,), as `decode` has them.

        The last layer's keys and values are needed of all positions, the rest of it only there.
        """
        text = self.network.text_model.model
        hidden = text.forward_embedding(None, inputs_embeds=embedded)
        for layer in text.layers[:-1]:
            hidden = layer(hidden)
        states: torch.Tensor = text.layer_norm(_layer_at(text.layers[-1], hidden, place))
        return states

    def lora_pattern(self, parts: Collection[str]) -> str:
        """A regular expression for the linear layers of `parts`, matched in full by peft."""
        unknown = sorted(set(parts) - set(PARTS))
        if unknown or not parts:
            raise UserError(
                f"LoRA cannot be placed on {unknown or 'no part'}: name some of {list(PARTS)}."
            )
        return "|".join(f"(?:{LINEAR_LAYERS[part]})" for part in PARTS if part in parts)


def _layer_at(layer: nn.Module, hidden: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """A `Kosmos2TextBlock` in evaluation mode on hidden (N, P, D), at `place` (N,): (N, D)."""
    attention = layer.self_attn
    rows = torch.arange(len(hidden), device=hidden.device)
    normal = layer.self_attn_layer_norm(hidden)

    def heads(projected: torch.Tensor) -> torch.Tensor:
        return projected.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)

    visible = torch.arange(hidden.shape[1], device=hidden.device) <= place.unsqueeze(1)
    query = attention.q_proj(normal[rows, place]).unsqueeze(1)
    read = nn.functional.scaled_dot_product_attention(
        heads(query),
        heads(attention.k_proj(normal)),
        heads(attention.v_proj(normal)),
        attn_mask=visible[:, None, None],
        scale=attention.scaling,
    )
    read = attention.out_proj(attention.inner_attn_ln(read.flatten(1)))
    state = hidden[rows, place] + read
    states: torch.Tensor = state + layer.ffn(layer.final_layer_norm(state))
    return states
