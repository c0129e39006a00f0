"""Find the family of a VLM's folder by its config.json, and build its backbone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from mobile_vla.policy.backbone import Backbone

KOSMOS2 = "kosmos-2"
TWO_WAY = ("paligemma", "gemma3")
"""Their decoders look both ways over image and prompt, which one causal pass does not compute."""


def read_config(path: Path) -> PreTrainedConfig:
    """The configuration of a VLM's folder; no code of the folder is run.

    A `UserError` where it has none, it is damaged, or the model is no image-text-to-text model.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN,
    )

    file = path / "config.json"
    if not file.is_file():
        problem = "is a file" if path.is_file() else "has no config.json"
        raise UserError(f"{path} is no VLM folder, it {problem}: give the folder that holds it.")
    kind = _model_type(file)
    if kind not in KNOWN:
        raise UserError(
            f'{path} is a "{kind}", no model that takes an image and a text: give a Kosmos-2 or '
            "another image-text-to-text model that transformers knows."
        )
    if kind in TWO_WAY:
        raise UserError(
            f'{path} is a "{kind}", whose decoder is not causal over the prompt: give a VLM whose '
            "decoder is, such as Kosmos-2, SmolVLM or LLaVA."
        )
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a configuration class may raise anything on a broken value
        raise UserError(f"{file} is damaged ({_first_line(error)}): copy it again.") from error
    _choose_attention(config)
    return config


def _choose_attention(config: PreTrainedConfig) -> None:
    """Let transformers choose the attention, and ignore the choice in config.json.

    Its choice is torch's own kernel, which is causal without a mask; `eager` is not.
    """
    parts = [config, *(getattr(config, name, None) for name in config.sub_configs)]
    for part in parts:
        if part is not None:
            part._attn_implementation_internal = None


def image_size(path: Path) -> int:
    """Pixels on a side of the frames that the VLM in the folder takes."""
    config = read_config(path)
    size = getattr(getattr(config, "vision_config", None), "image_size", None)
    if not isinstance(size, int):
        raise UserError(
            f"{path / 'config.json'} does not say the VLM's image size (vision_config.image_size): "
            "give a VLM that takes square images of one size."
        )
    return size


def network_class(config: PreTrainedConfig) -> Any:
    """The transformers class of a configuration's full network."""
    from transformers import AutoModelForImageTextToText

    mapping = AutoModelForImageTextToText._model_mapping
    return mapping[type(config)]


def build_backbone(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> Backbone:
    """The network behind the interface of its family."""
    from mobile_vla.policy.image_text import ImageTextBackbone
    from mobile_vla.policy.kosmos2 import Kosmos2Backbone

    if network.config.model_type == KOSMOS2:
        return Kosmos2Backbone(network, tokenizer)
    return ImageTextBackbone(network, tokenizer, folder)


def load_tokenizer(path: Path, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """The tokenizer beside a VLM of this configuration.

    A `UserError` where it does not load, has more tokens than the VLM embeds, or begins a
    Kosmos-2's texts with another token than the VLM does.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises bare exceptions
        raise UserError(
            f"{path} holds no tokenizer that loads ({_first_line(error)}): copy tokenizer.json "
            "beside config.json."
        ) from error
    text = config.get_text_config()
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= text.vocab_size:
        raise UserError(
            f"The tokenizer in {path} has tokens up to {highest} but the VLM embeds "
            f"{text.vocab_size}: copy the tokenizer that belongs to it."
        )
    first = tokenizer.bos_token_id
    if config.model_type == KOSMOS2 and first != text.bos_token_id:
        raise UserError(
            f"The tokenizer in {path} begins a text with token {first} but the VLM with "
            f"{text.bos_token_id}: copy the tokenizer that belongs to it."
        )
    return tokenizer


def _model_type(file: Path) -> str | None:
    try:
        kind: str | None = json.loads(file.read_text()).get("model_type")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{file} is damaged: copy the folder again.") from error
    return kind


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
