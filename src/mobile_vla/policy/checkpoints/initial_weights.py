"""Initial checkpoints: compared with a VLM; complete except for what the case allows to miss."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mobile_vla.messages.errors import Faults, UserError
from mobile_vla.policy.backbone import PARTS
from mobile_vla.policy.checkpoints.load_vlm import (
    fit_keys,
    refuse_nan,
    shapes_of,
    source_of,
    with_tied,
)
from mobile_vla.policy.checkpoints.lora_checkpoint import plain_tensors
from mobile_vla.policy.checkpoints.tensor_files import read_checkpoint
from mobile_vla.policy.checkpoints.training_config import require_same_inputs
from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.heads.robovlms import RoboVlmsHead
from mobile_vla.policy.key_match import Shape, part_of
from mobile_vla.policy.lora import BASE
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.load_report import LoadedSource

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ACTION_TOKEN = "action_token"
HEAD = "act_head."
LOADS = (*PARTS, ACTION_TOKEN)
"""The parts that an initial checkpoint must hold."""


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """An initial checkpoint that fits a VLM: tensors by the model's names."""

    tensors: Mapping[str, torch.Tensor]
    source: LoadedSource

    def into(self, policy: Policy) -> None:
        """Copy the tensors into a policy without adapters."""
        state = {**policy.backbone.network.state_dict(), ACTION_TOKEN: policy.action_token}
        state |= own_head_tensors(policy.head)
        with torch.no_grad():
            for name, value in self.tensors.items():
                state[name].copy_(value)


def read_init(
    network: PreTrainedModel,
    path: Path,
    *,
    may_miss: Sequence[str] = (),
    head: Head | None = None,
) -> InitialWeights:
    """Read a checkpoint to start from and compare it with a VLM's network, which may be empty.

    Every tensor of the backbone, and an action token, must be in the file, except for what
    `may_miss` lists: parts (vision, projection, text, action_token, head), or names with `*`.
    `head`: one of RoboVLMs' own, which the file must hold as well. Another head starts anew, and
    that of the file is listed among the unexpected.

    Raises:
        UserError: the file cannot be read safely, does not fit, is not finite, was trained by a
            model that computes otherwise, or `may_miss` names nothing.
    """
    expected = shapes_of(network.state_dict())
    _refuse_adapted(expected, path)
    width = network.get_input_embeddings().weight.shape[1]
    expected[ACTION_TOKEN] = (width,)
    if head is not None:
        expected |= shapes_of(own_head_tensors(head))
    faults = Faults()
    allowed = faults.of(_allowed, may_miss, expected) or frozenset()
    checkpoint = read_checkpoint(path)
    merged = plain_tensors(checkpoint)
    tensors = with_tied(merged.tensors, network)
    match = faults.of(partial(fit_keys, is_policy=True), tensors, expected, path, allowed)
    not_known = faults.of(require_same_inputs, checkpoint)
    faults.of(refuse_nan, tensors, path)
    faults.refuse()
    assert match is not None
    source = source_of(
        "init", checkpoint, match, note=merged.note, may_miss=may_miss, not_known=not_known or ()
    )
    return InitialWeights({name: tensors[name] for name in match.loaded}, source)


def own_head_tensors(head: Head) -> dict[str, torch.Tensor]:
    """The tensors of a RoboVLMs head by the names that its checkpoints give them; else none."""
    if not isinstance(head, RoboVlmsHead):
        return {}
    return {f"{HEAD}{name}": value for name, value in head.network.state_dict().items()}


def check_init(path: Path) -> None:
    """Check that an initial checkpoint can be read, is finite and was trained on like inputs.

    Whether it fits a VLM is not checked.

    Raises:
        UserError: one of these is not so.
    """
    checkpoint = read_checkpoint(path)
    require_same_inputs(checkpoint)
    refuse_nan(plain_tensors(checkpoint).tensors, path)


def _allowed(may_miss: Sequence[str], expected: Mapping[str, Shape]) -> frozenset[str]:
    """The model's names that a list of parts and patterns means."""
    allowed: set[str] = set()
    for entry in may_miss:
        matches = {n for n in expected if part_of(n) == entry or fnmatch.fnmatchcase(n, entry)}
        if not matches:
            available = sorted({part_of(name) for name in expected} | expected.keys())
            near = difflib.get_close_matches(entry, available, n=1)
            advice = f'did you mean "{near[0]}"?' if near else f"name parts ({', '.join(LOADS)})."
            raise UserError(f'may_miss lists "{entry}", which no tensor of the VLM is: {advice}')
        allowed |= matches
    return frozenset(allowed)


def _refuse_adapted(expected: Mapping[str, Shape], path: Path) -> None:
    """Refuse a network with LoRA: wrapped weights have other names and would not be loaded."""
    wrapped = sum(name.endswith(f"{BASE}weight") for name in expected)
    if wrapped:
        raise UserError(
            f"LoRA is in place already, so {wrapped} of {wrapped} wrapped linear weights would not "
            f"take those of {path}: load the initial checkpoint before the adapters are placed."
        )
