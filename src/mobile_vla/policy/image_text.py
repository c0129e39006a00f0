"""Any VLM that transformers knows as an image-text-to-text model, with a causal decoder.

Only the tokens around an image differ between families. The rest is transformers' common
interface: `get_image_features`, `get_input_embeddings`, `get_decoder`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import Backbone, TextTokens
from mobile_vla.policy.key_match import part_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROMPT = "An image of a robot {instruction}"


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Tokens around an image, and whether images come in groups (N, 1, 3, H, W)."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    grouped: bool = False


FENCED = ImagePlace(
    before=("<fake_token_around_image>", "<global-img>"),
    after=("<fake_token_around_image>",),
    grouped=True,
)
PLACES = {"smolvlm": FENCED, "idefics3": FENCED}


class ImageTextBackbone(Backbone):
    """An `AutoModelForImageTextToText` and its tokenizer behind `Backbone`.

    A frame becomes the tokenizer's first token where it has one, the image latents between the
    family's own tokens, the text and the action token. One image without tiles.
    """

    def __init__(
        self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
    ) -> None:
        """`folder` holds the image statistics (`preprocessor_config.json`) and is named in errors.

        A network that asks for more than one square image is a `UserError`.
        """
        mean, std = image_statistics(folder)
        text = network.config.get_text_config()
        super().__init__(
            network, tokenizer, mean=mean, std=std, pad=text.pad_token_id or 0, prompt=PROMPT
        )
        self.hidden_size = text.hidden_size
        place = PLACES.get(network.config.model_type, ImagePlace())
        first = (tokenizer.bos_token,) if tokenizer.bos_token else ()
        self._grouped = place.grouped
        self._before = self._ids((*first, *place.before), folder)
        self._after = self._ids(place.after, folder)
        self.latents = self._probe(folder)

    def encode_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (N, 3, H, W) to latents (N, L, D), as the family's `get_image_features` does."""
        images = pixels.unsqueeze(1) if self._grouped else pixels
        features = self.network.get_image_features(pixel_values=images.to(self.network.dtype))
        latents = getattr(features, "pooler_output", features)
        return torch.stack(list(latents)) if isinstance(latents, list | tuple) else latents

    def embed(self, latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        """First tokens, latents (N, L, D), tokens after them and text (N, P, D)."""
        table = self.network.get_input_embeddings()
        count = len(latents)
        device = text.ids.device
        before = table(torch.tensor(self._before, dtype=torch.long, device=device))
        after = table(torch.tensor(self._after, dtype=torch.long, device=device))
        parts = [
            before.expand(count, -1, -1),
            latents.to(before.dtype),
            after.expand(count, -1, -1),
            table(text.ids),
        ]
        return torch.cat(parts, dim=1)

    def decode(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, P, D) to last states (N, P, D); causal, so padding needs no mask."""
        decoder = self.network.get_decoder()
        states: torch.Tensor = decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return states

    def lora_pattern(self, parts: Collection[str]) -> str:
        """A regular expression for the linear layers of `parts`, the language head left out."""
        names = [
            name.replace(".base_layer", "")
            for name, module in self.network.named_modules()
            if isinstance(module, nn.Linear) and part_of(name) in parts and "lm_head" not in name
        ]
        if not names:
            raise UserError(
                f"LoRA cannot be placed on {sorted(parts) or 'no part'}: the VLM has no linear "
                "layer there."
            )
        numbered = {re.sub(r"\.\d+\.", ".#.", name) for name in names}
        patterns = (re.escape(name).replace(r"\#", r"\d+") for name in sorted(numbered))
        return "|".join(f"(?:{pattern})" for pattern in patterns)

    def _ids(self, tokens: Collection[str], folder: Path) -> list[int]:
        vocabulary = self.tokenizer.get_vocab()
        lacking = [token for token in tokens if token not in vocabulary]
        if lacking:
            raise UserError(
                f"The tokenizer in {folder} lacks {', '.join(lacking)}, which the VLM puts around "
                "images: copy the tokenizer that belongs to it."
            )
        return [vocabulary[token] for token in tokens]

    def _probe(self, folder: Path) -> int:
        """How many latents one image gives; the model must take pixels alone."""
        pixels = torch.ones(1, 3, self.image_size, self.image_size)
        try:
            with torch.no_grad():
                latents = self.encode_frames(pixels.to(self.network.device))
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UserError(
                f'{folder} is a "{self.network.config.model_type}", whose image features need more '
                f"than one square image ({str(error).splitlines()[0]}): give another VLM."
            ) from error
        if latents.ndim != 3 or latents.shape[-1] != self.hidden_size:
            raise UserError(
                f"{folder} turns an image into {tuple(latents.shape)}, not into latents of width "
                f"{self.hidden_size}: give another VLM."
            )
        return int(latents.shape[1])


def image_statistics(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and deviation of the pixels that the VLM was trained on, three values each."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        try:
            content = json.loads((folder / name).read_text())
        except (OSError, ValueError):
            continue
        content = content.get("image_processor", content)
        mean, std = content.get("image_mean"), content.get("image_std")
        if mean and std and len(mean) == len(std) == 3:
            return mean, std
    raise UserError(
        f"{folder} does not say its images' mean and deviation: copy preprocessor_config.json "
        "beside config.json."
    )
