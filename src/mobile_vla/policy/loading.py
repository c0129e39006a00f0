"""VLMs and initial checkpoints into the model, whole or not at all, with a report of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from mobile_vla.policy.adapters_in_file import plain_tensors
from mobile_vla.policy.backbone import PARTS, Backbone
from mobile_vla.policy.families import build_backbone, load_tokenizer, network_class, read_config
from mobile_vla.policy.formats import Checkpoint, read_checkpoint
from mobile_vla.policy.key_match import (
    NOT_WEIGHTS,
    KeyMatch,
    Shape,
    by_part,
    match_keys,
    matches_any,
    nearest_renaming,
    part_of,
)
from mobile_vla.policy.lora import BASE, hash_base
from mobile_vla.policy.paths import require_path
from mobile_vla.policy.policy import Policy
from mobile_vla.record.errors import UserError
from mobile_vla.record.load_report import LoadedSource, LoadReport

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

SHOWN = 3


def load_vlm(
    path: Path, *, roots: Sequence[Path] = (), dtype: torch.dtype = torch.float32
) -> tuple[Backbone, LoadedSource]:
    """A VLM from its Hugging Face folder, frozen and in evaluation mode, in `dtype`.

    Every weight of the model must be in the folder with its shape and be finite; anything else
    is a `UserError`. The files are read once. `roots` are searched for a path to suggest.
    """
    require_path(path, roots)
    config, checkpoint, match = _checked(path)
    tokenizer = load_tokenizer(path, config.get_text_config().vocab_size)
    network = network_class(config).from_pretrained(
        None, config=config, state_dict=dict(checkpoint.tensors), dtype=dtype
    )
    backbone = build_backbone(network.eval().requires_grad_(False), tokenizer, path)
    return backbone, _source("vlm", checkpoint, match)


def check_init(path: Path) -> str:
    """Whether an initial checkpoint can be read and is finite; what it is. Errors as `load_init`.

    Whether it fits a VLM is not told.
    """
    checkpoint = read_checkpoint(path)
    tensors = plain_tensors(checkpoint).tensors
    _refuse_nan_tensors(tensors, path)
    return f"{checkpoint.format}, {len(tensors)} tensors, {checkpoint.bytes / 1e6:.0f} MB"


def _checked(path: Path) -> tuple[PreTrainedConfig, Checkpoint, KeyMatch]:
    """A VLM's configuration and weights, which fit each other and are finite."""
    config = read_config(path)
    with torch.device("meta"):
        empty = network_class(config)(config)
    checkpoint = read_checkpoint(path)
    tensors = _with_tied(checkpoint.tensors, empty)
    expected = _expected(empty)
    match = match_keys(expected, _shapes(tensors))
    _refuse(match, checkpoint.path, expected, _shapes(tensors), ())
    _refuse_nan_tensors(checkpoint.tensors, path)
    return config, checkpoint, match


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
    expected = _expected(policy.backbone.network)
    _refuse_adapted(expected, path)
    checkpoint = read_checkpoint(path, roots)
    merged = plain_tensors(checkpoint)
    tensors = _with_tied(merged.tensors, policy.backbone.network)
    if "action_token" in tensors:
        expected["action_token"] = tuple(policy.action_token.shape)
    match = match_keys(expected, _shapes(tensors))
    _refuse(match, path, expected, _shapes(tensors), allow_missing)
    loaded = {name: tensors[name] for name in match.loaded}
    _refuse_nan_tensors(loaded, path)
    _copy(policy, loaded)
    return _source("init", checkpoint, match, note=merged.note)


def load_report(policy: Policy, sources: Sequence[LoadedSource]) -> LoadReport:
    """The report of a policy as it stands: its sources, its tensors' hash, what trains."""
    return LoadReport(
        sources=tuple(sources),
        tensors_hash=hash_base(policy.backbone),
        trainable=policy.trainable(),
    )


def _expected(network: nn.Module) -> dict[str, Shape]:
    return _shapes(network.state_dict())


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _with_tied(
    tensors: Mapping[str, torch.Tensor], network: PreTrainedModel
) -> dict[str, torch.Tensor]:
    """With the language head, which is the embedding table: a file may hold it once or twice."""
    tied = network.all_tied_weights_keys
    present = {alias: tensors[source] for alias, source in tied.items() if source in tensors}
    return {**present, **tensors}


def _refuse_adapted(expected: Mapping[str, Shape], path: Path) -> None:
    """The trap: with LoRA in place every wrapped weight has another name and would be left out."""
    wrapped = sum(name.endswith(f"{BASE}weight") for name in expected)
    if wrapped:
        raise UserError(
            f"LoRA is in place already, so {wrapped} of {wrapped} wrapped linear weights would not "
            f"take those of {path}: load the initial checkpoint before the adapters are placed."
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
        if part_of(name) in PARTS and not matches_any(name, NOT_WEIGHTS)
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


def _refuse_nan_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(f"{path} holds NaN or infinity in {name}: use another checkpoint.")


def _copy(policy: Policy, tensors: Mapping[str, torch.Tensor]) -> None:
    own = {**policy.backbone.network.state_dict(), "action_token": policy.action_token}
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)


def _source(
    role: Literal["vlm", "init"], checkpoint: Checkpoint, match: KeyMatch, note: str = ""
) -> LoadedSource:
    return LoadedSource(
        role=role,
        path=str(checkpoint.path),
        format=f"{checkpoint.format}, {note}" if note else checkpoint.format,
        bytes=checkpoint.bytes,
        sha256=checkpoint.sha256,
        loaded={part: keys.count for part, keys in by_part(match.loaded).items()},
        missing=by_part(match.missing),
        unexpected=by_part(match.unexpected),
        mismatched=by_part(match.mismatched),
    )
