"""A Kosmos-2 of a quarter of a million parameters, of transformers' own classes.

It has the layers, the names and the files of the full model, so everything that loads, trains
or checks the full one runs on it unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.policy.vocabulary import LOCATION_GRID, pieces

if TYPE_CHECKING:
    import torch
    from transformers import Kosmos2ForConditionalGeneration, Kosmos2Processor

HIDDEN = 64
LAYERS = 2
ATTENTION_HEADS = 4
FEED_FORWARD = 256
IMAGE_SIZE = 64
PATCH_SIZE = 8
LATENTS = 4
MAX_TOKENS = 128
POSITION_STD = 0.06


def save_vlm(
    out: Path, network: Kosmos2ForConditionalGeneration, processor: Kosmos2Processor
) -> Path:
    """Write a network and its processor as a Hugging Face folder (safetensors)."""
    out.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(out)
    network.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)
    return out


def small_processor(words: Sequence[str] = ()) -> Kosmos2Processor:
    """The processor: CLIP's image preparation at 64 pixels and a tokenizer of whole words.

    `words`: words that the tokenizer knows in addition to its own.
    """
    from transformers import CLIPImageProcessorPil, Kosmos2Processor, XLMRobertaTokenizer

    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    )
    tokenizer = XLMRobertaTokenizer(vocab=pieces(words), mask_token=None)
    return Kosmos2Processor(
        image_processor, tokenizer, num_patch_index_tokens=LOCATION_GRID * LOCATION_GRID
    )


def small_network(vocabulary: int, seed: int) -> Kosmos2ForConditionalGeneration:
    """The network with weights drawn from `seed`, always the same; no other random state moves."""
    import torch
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

    config = Kosmos2Config(
        text_config=_text_config(vocabulary),
        vision_config=_vision_config(),
        latent_query_num=LATENTS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Kosmos2ForConditionalGeneration(config)
        _initialise(network)
    return network.eval()


def _text_config(vocabulary: int) -> dict[str, object]:
    return {
        "vocab_size": vocabulary,
        "max_position_embeddings": MAX_TOKENS,
        "embed_dim": HIDDEN,
        "layers": LAYERS,
        "attention_heads": ATTENTION_HEADS,
        "ffn_dim": FEED_FORWARD,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "init_std": HIDDEN**-0.5,
    }


def _vision_config() -> dict[str, object]:
    return {
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": ATTENTION_HEADS,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
    }


def _initialise(network: Kosmos2ForConditionalGeneration) -> None:
    """Scale by width where transformers' own initialisation does not.

    With the usual 0.02 a network this narrow is nearly constant: its latents hardly differ
    between images.
    """
    import torch

    with torch.no_grad():
        embeddings = network.text_model.model.embed_tokens.weight
        embeddings.normal_(std=HIDDEN**-0.5)
        embeddings[network.config.text_config.pad_token_id] = 0.0
        network.image_to_text_projection.dense.weight.normal_()
        network.image_to_text_projection.latent_query.normal_()
        positions = network.vision_model.model.embeddings.position_embedding.weight
        positions.copy_(_smooth_positions(positions.shape[1]))


def _smooth_positions(width: int) -> torch.Tensor:
    """Position embeddings (1 + patches, width) that vary smoothly over the image."""
    import torch

    side = IMAGE_SIZE // PATCH_SIZE
    axis = torch.linspace(-1.0, 1.0, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    basis = [x, y]
    for frequency in (0.5, 1.0, 2.0):
        for coordinate in (x, y):
            angle = frequency * math.pi * coordinate
            basis += [angle.sin(), angle.cos()]
    grid = torch.stack(basis, -1).reshape(side * side, -1)
    mixed = grid @ torch.randn(grid.shape[1], width) * POSITION_STD
    return torch.cat([torch.randn(1, width) * POSITION_STD, mixed])
