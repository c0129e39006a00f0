"""VLMs and initial checkpoints into the model, whole or not at all, with a report of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from mobile_vla.policy.formats import Checkpoint, read_checkpoint
from mobile_vla.policy.key_match import (
    NOT_WEIGHTS,
    KeyMatch,
    Shape,
    by_part,
    match_keys,
    matches_any,
    nearest_renaming,
    plain_names,
)
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import hash_base
from mobile_vla.policy.paths import require_path
from mobile_vla.policy.policy import Policy
from mobile_vla.record.errors import UserError
from mobile_vla.record.load_report import LoadedSource, LoadReport

MODEL_TYPE = "kosmos-2"
SHOWN = 3


def load_vlm(
    path: Path, *, roots: Sequence[Path] = (), dtype: torch.dtype = torch.float32
) -> tuple[Kosmos2Backbone, LoadedSource]:
    """A Kosmos-2 from its Hugging Face folder, frozen and in evaluation mode.

    Every weight of the model must be in the folder with its shape and be finite; anything else
    is a `UserError`. `roots` are searched for a path to suggest.
    """
    from transformers import AutoTokenizer, Kosmos2Config, Kosmos2ForConditionalGeneration

    _require_vlm_folder(path, roots)
    config = Kosmos2Config.from_pretrained(path, local_files_only=True)
    with torch.device("meta"):
        expected = _expected(Kosmos2ForConditionalGeneration(config))
    checkpoint = read_checkpoint(path)
    tensors = _with_tied(checkpoint.tensors)
    match = match_keys(expected, _shapes(tensors))
    _refuse(match, checkpoint.path, expected, _shapes(tensors), ())
    network = Kosmos2ForConditionalGeneration.from_pretrained(
        path, dtype=dtype, local_files_only=True, use_safetensors=True
    )
    _refuse_nan(network, path)
    tokenizer = _load_tokenizer(AutoTokenizer, path, config.text_config.vocab_size)
    backbone = Kosmos2Backbone(network.eval().requires_grad_(False), tokenizer)
    return backbone, _source("vlm", checkpoint, match)


def load_init(
    policy: Policy,
    path: Path,
    *,
    allow_missing: Sequence[str] = (),
    roots: Sequence[Path] = (),
) -> LoadedSource:
    """A checkpoint to start from into the policy's backbone and action token.

    Call it before LoRA is placed. Every tensor of the backbone must be in the file, but for
    names that match `allow_missing`. The policy head of the file is not used and listed among
    the unexpected. On a `UserError` the policy is as it was.
    """
    checkpoint = read_checkpoint(path, roots)
    plain = plain_names(checkpoint.tensors)
    tensors = _with_tied({plain[name]: value for name, value in checkpoint.tensors.items()})
    _refuse_adapters(tensors, path)
    expected = _expected(policy.backbone.network)
    if "action_token" in tensors:
        expected["action_token"] = tuple(policy.action_token.shape)
    match = match_keys(expected, _shapes(tensors))
    _refuse(match, path, expected, _shapes(tensors), allow_missing)
    loaded = {name: tensors[name] for name in match.loaded}
    _refuse_nan_tensors(loaded, path)
    _copy(policy, loaded)
    return _source("init", checkpoint, match)


def load_report(policy: Policy, sources: Sequence[LoadedSource]) -> LoadReport:
    """The report of a policy as it stands: its sources, its tensors' hash, what trains."""
    return LoadReport(
        sources=tuple(sources),
        tensors_hash=hash_base(policy.backbone),
        trainable=policy.trainable(),
    )


def _require_vlm_folder(path: Path, roots: Sequence[Path]) -> None:
    require_path(path, roots)
    config = path / "config.json"
    if not config.is_file():
        raise UserError(
            f"{path} is no VLM folder, it has no config.json: give the folder that holds it."
        )
    try:
        kind = json.loads(config.read_text()).get("model_type")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{config} is damaged: copy the folder again.") from error
    if kind != MODEL_TYPE:
        raise UserError(f'{path} is a "{kind}", not a "{MODEL_TYPE}": give a Kosmos-2 folder.')


def _load_tokenizer(auto: type, path: Path, vocabulary: int) -> object:
    try:
        tokenizer = auto.from_pretrained(path, local_files_only=True)  # type: ignore[attr-defined]
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} holds no tokenizer that loads: copy tokenizer.json beside config.json."
        ) from error
    if len(tokenizer) > vocabulary:
        raise UserError(
            f"The tokenizer in {path} has {len(tokenizer)} tokens but the VLM embeds {vocabulary}: "
            "copy the tokenizer that belongs to it."
        )
    return tokenizer


def _expected(network: nn.Module) -> dict[str, Shape]:
    return _shapes(network.state_dict())


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


TIED = {"text_model.lm_head.weight": "text_model.model.embed_tokens.weight"}
"""The language head is the embedding table; a file may hold it once or twice."""


def _with_tied(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    present = {alias: tensors[source] for alias, source in TIED.items() if source in tensors}
    return {**present, **tensors}


def _refuse_adapters(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    wrapped = [name for name in tensors if ".base_layer." in name or ".lora_" in name]
    if wrapped:
        raise UserError(
            f"{path} was saved with LoRA in place ({len(wrapped)} tensors such as {wrapped[0]}), "
            "so its linear weights have other names: merge the adapters into the weights and "
            "save that."
        )


def _refuse(
    match: KeyMatch,
    path: Path,
    expected: Mapping[str, Shape],
    found: Mapping[str, Shape],
    allow_missing: Sequence[str],
) -> None:
    """A `UserError` unless all of the model's tensors load and no VLM tensor is left over."""
    missing = [name for name in match.missing if not matches_any(name, allow_missing)]
    left_over = [
        name
        for name in match.unexpected
        if name.startswith(("vision_model.", "image_to_text_projection.", "text_model."))
        and not matches_any(name, NOT_WEIGHTS)
    ]
    faults = []
    if missing:
        faults.append(f"{len(missing)} of {len(expected)} tensors are missing{_some(missing)}")
    if match.mismatched:
        name = match.mismatched[0]
        faults.append(
            f"{len(match.mismatched)} differ in shape (such as {name}: {found[name]} in the file, "
            f"{expected[name]} in the model)"
        )
    if left_over:
        faults.append(f"{len(left_over)} fit nothing in the model{_some(left_over)}")
    if not faults:
        return
    unused = {name: shape for name, shape in found.items() if name in match.unexpected}
    lacking = {name: shape for name, shape in expected.items() if name in match.missing}
    near = nearest_renaming(lacking, unused)
    advice = near or "give the checkpoint of this VLM, or list what may be missing"
    raise UserError(f"{path} does not fit the VLM: {'; '.join(faults)}: {advice}.")


def _some(names: Sequence[str]) -> str:
    return f" (such as {', '.join(names[:SHOWN])})"


def _refuse_nan(network: nn.Module, path: Path) -> None:
    _refuse_nan_tensors(network.state_dict(), path)


def _refuse_nan_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(f"{path} holds NaN or infinity in {name}: use another checkpoint.")


def _copy(policy: Policy, tensors: Mapping[str, torch.Tensor]) -> None:
    own = {**policy.backbone.network.state_dict(), "action_token": policy.action_token}
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)


def _source(role: str, checkpoint: Checkpoint, match: KeyMatch) -> LoadedSource:
    return LoadedSource(
        role="vlm" if role == "vlm" else "init",
        path=str(checkpoint.path),
        format=checkpoint.format,
        bytes=checkpoint.bytes,
        sha256=checkpoint.sha256,
        loaded={part: keys.count for part, keys in by_part(match.loaded).items()},
        missing=by_part(match.missing),
        unexpected=by_part(match.unexpected),
        mismatched=by_part(match.mismatched),
    )
