"""Load a VLM from its folder, completely or not at all, and report what was loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from mobile_vla.messages.errors import Faults, UserError
from mobile_vla.policy.backbone import PARTS, Backbone
from mobile_vla.policy.checkpoints.suggest_path import require_path
from mobile_vla.policy.checkpoints.tensor_files import CheckpointTensors, is_finite, read_checkpoint
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
from mobile_vla.policy.lora import hash_base
from mobile_vla.policy.memory import available_bytes
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.vlm_registry import (
    build_backbone,
    load_tokenizer,
    network_class,
    read_config,
)
from mobile_vla.runs.load_report import LoadedSource, LoadReport

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

SHOWN = 3


@dataclass(frozen=True, slots=True)
class VlmWeights:
    """A complete VLM folder in memory, before its network is built."""

    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    checkpoint: CheckpointTensors
    dtype: torch.dtype
    source: LoadedSource

    def build(self) -> Backbone:
        """The network with these weights, frozen and in evaluation mode, behind its family."""
        path = self.checkpoint.path
        network = network_class(self.config).from_pretrained(
            None, config=self.config, state_dict=dict(self.checkpoint.tensors), dtype=self.dtype
        )
        if self.dtype == torch.float16:  # whose largest number is 65,504
            refuse_nan(network.state_dict(), path, "float16")
        return build_backbone(network.eval().requires_grad_(False), self.tokenizer, path)


def load_vlm(path: Path, *, dtype: torch.dtype = torch.float32) -> tuple[Backbone, LoadedSource]:
    """`read_vlm`, and the network built."""
    weights = read_vlm(path, dtype=dtype)
    return weights.build(), weights.source


def read_vlm(path: Path, *, dtype: torch.dtype = torch.float32) -> VlmWeights:
    """A VLM from its Hugging Face folder, to be held as `dtype`.

    Every weight of the model must be in the folder with its shape and be finite, the tokenizer
    must be its own, and the machine must have room; the `UserError` holds all that is wrong.
    The files are read once.
    """
    require_path(path)
    config = read_config(path)
    empty = _empty(config)
    faults = Faults()
    tokenizer = faults.of(load_tokenizer, path, config)
    faults.of(_require_room, empty, path, dtype)
    checkpoint = faults.of(read_checkpoint, path)
    match = None
    if checkpoint is not None:
        tensors = with_tied(checkpoint.tensors, empty)
        match = faults.of(fit_keys, tensors, shapes_of(empty.state_dict()), path, frozenset())
        faults.of(refuse_nan, checkpoint.tensors, path)
    faults.refuse()
    assert tokenizer is not None and checkpoint is not None and match is not None
    return VlmWeights(config, tokenizer, checkpoint, dtype, source_of("vlm", checkpoint, match))


def empty_network(path: Path) -> PreTrainedModel:
    """The network of a VLM's folder with names and shapes and no weights (torch's meta device)."""
    return _empty(read_config(path))


def _empty(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        network: PreTrainedModel = network_class(config)(config)
    return network


def _require_room(empty: PreTrainedModel, path: Path, dtype: torch.dtype) -> None:
    need = sum(p.numel() for p in empty.parameters()) * dtype.itemsize
    have = available_bytes()
    if need > have:
        raise UserError(
            f"{path} takes {need / 2**30:.1f} GiB as {str(dtype).removeprefix('torch.')} but "
            f"{have / 2**30:.1f} GiB of memory are free: end other programs, set frozen_dtype to "
            "bfloat16, or use a larger machine."
        )


def load_report(policy: Policy, sources: Sequence[LoadedSource]) -> LoadReport:
    """The load report of a policy: sources, hash of the frozen tensors, trainable parameters."""
    return LoadReport(
        sources=tuple(sources),
        tensors_hash=hash_base(policy.backbone),
        trainable=policy.trainable(),
    )


def shapes_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    """Every tensor's shape by its name."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def with_tied(
    tensors: Mapping[str, torch.Tensor], network: PreTrainedModel
) -> dict[str, torch.Tensor]:
    """With the language head, which is the embedding table: a file may hold it once or twice."""
    tied = network.all_tied_weights_keys
    present = {alias: tensors[source] for alias, source in tied.items() if source in tensors}
    return {**present, **tensors}


def fit_keys(
    tensors: Mapping[str, torch.Tensor],
    expected: Mapping[str, Shape],
    path: Path,
    allowed: Collection[str],
    *,
    is_policy: bool = False,
) -> KeyMatch:
    """Match a file's tensors with a model's.

    `allowed`: model names that the file may lack. `is_policy`: the file is a policy's, where every
    tensor but the head's lies before the action token.

    Raises:
        UserError: a tensor of the model is missing or differs in shape, or a tensor of the file
            that the VLM computes with is left over.
    """
    shapes = shapes_of(tensors)
    match = match_keys(expected, shapes)
    missing = [name for name in match.missing if name not in allowed]
    unused = [name for name in match.unexpected if not matches_any(name, NOT_WEIGHTS)]
    left_over = [name for name in unused if part_of(name) in PARTS]
    before_token = [name for name in unused if is_policy and part_of(name) == "other"]
    faults = []
    if missing:
        faults.append(f"{len(missing)} of {len(expected)} tensors are missing{_some(missing)}")
    if match.mismatched:
        name = match.mismatched[0]
        faults.append(
            f"{len(match.mismatched)} differ in shape (such as {name}: {shapes[name]} in the file, "
            f"{expected[name]} in the model)"
        )
    if left_over:
        faults.append(f"{len(left_over)} fit nothing in the model{_some(left_over)}")
    if before_token:
        faults.append(
            f"{len(before_token)} lie before the action token and would not be used"
            f"{_some(before_token)}, so the policy would compute otherwise"
        )
    if faults:
        raise UserError(
            f"{path} does not fit the VLM: {'; '.join(faults)}: {_advice(match, shapes, expected)}."
        )
    return match


def _advice(match: KeyMatch, shapes: Mapping[str, Shape], expected: Mapping[str, Shape]) -> str:
    """What to do about a file that does not fit."""
    unused = {name: shape for name, shape in shapes.items() if name in match.unexpected}
    lacking = {name: shape for name, shape in expected.items() if name in match.missing}
    if near := nearest_renaming(lacking, unused):
        return near
    if not match.missing and not match.mismatched:
        return "give a checkpoint of a model without them"
    return "give the checkpoint of this VLM, or list in the case what it `may_miss`"


def _some(names: Sequence[str]) -> str:
    return f" (such as {', '.join(names[:SHOWN])})"


def refuse_nan(tensors: Mapping[str, torch.Tensor], path: Path, as_type: str = "") -> None:
    """Check that all values are finite, also after conversion to `as_type`.

    Raises:
        UserError: a value is NaN or infinite.
    """
    bad = [name for name, tensor in tensors.items() if not is_finite(tensor)]
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        where = f", held as {as_type}," if as_type else ""
        raise UserError(
            f"{path}{where} holds NaN or infinity in {bad[0]}{more}: use another "
            f"{'type' if as_type else 'checkpoint'}."
        )


def source_of(
    role: Literal["vlm", "init"],
    checkpoint: CheckpointTensors,
    match: KeyMatch,
    *,
    note: str = "",
    may_miss: Sequence[str] = (),
    not_known: Sequence[str] = (),
) -> LoadedSource:
    """The load report of one source."""
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
        may_miss=tuple(may_miss),
        not_known=tuple(not_known),
    )
