"""A SmolVLM with random weights, small enough to make in a test; every file of a real folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch

SIZE = 64
WORDS = "An image of a robot go around the box on left right , to basket . stop drive red"
SPECIAL = ("<|im_start|>", "<|im_end|>", "<unk>", "<image>", "<fake_token_around_image>",
           "<global-img>")  # fmt: skip


def build_smolvlm(folder: Path, seed: int = 5) -> Path:
    """Write it to `folder`: 64 pixels, 4 latents, width 32."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    tokens = _tokenizer(folder)
    text = {
        "model_type": "llama", "vocab_size": tokens, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "initializer_range": 0.2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    vision = {
        "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": SIZE, "patch_size": 16, "initializer_range": 0.2,
    }  # fmt: skip
    config = SmolVLMConfig(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=3,
        tie_word_embeddings=False, pad_token_id=1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SmolVLMForConditionalGeneration(config)
        with torch.no_grad():
            for name, value in network.named_parameters():
                if value.ndim > 1:
                    value.normal_(std=0.2 if "connector" not in name else 0.5)
    network.save_pretrained(folder)
    statistics = {"image_processor_type": "SmolVLMImageProcessor", "image_mean": [0.5] * 3,
                  "image_std": [0.5] * 3}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(statistics))
    return folder


def _tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        token: index for index, token in enumerate((*SPECIAL, *dict.fromkeys(WORDS.split())))
    }
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|im_end|>", unk_token="<unk>", additional_special_tokens=list(SPECIAL[3:]),
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return len(vocabulary)
