"""Checkpoints of the trained tensors: adapters, action token, head, statistics.

A file holds tensors `adapters.…`, `head.…` and `action_token`, and in its header, as JSON under
`mobile_vla`, a `CheckpointInfo`. The frozen weights are not in it but their hash is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record
from mobile_vla.policy.backbone import Backbone
from mobile_vla.policy.checkpoints.suggest_path import require_path
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.lora import adapter_settings, adapter_state, add_lora, hash_base
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import write_atomic

HEADER = "mobile_vla"
ADAPTERS = "adapters."
HEAD = "head."
ACTION_TOKEN = "action_token"


class CheckpointInfo(Record, frozen=True, kw_only=True):
    """The header of a checkpoint.

    `base_hash`: blake3 of the frozen weights; `lora`: arguments of `add_lora`, None where no
    adapters were placed; `head`: arguments of `make_head`; `metadata`: the caller's (case, step).
    """

    version: int = 1
    base_hash: str
    statistics: ActionStatistics
    lora: dict[str, Any] | None
    head: dict[str, Any]
    metadata: dict[str, Any]


def save_policy(path: Path, policy: Policy, metadata: dict[str, Any]) -> None:
    """Write the trained tensors as safetensors, atomically; `metadata` is plain JSON."""
    from safetensors.torch import save

    info = CheckpointInfo(
        base_hash=hash_base(policy.backbone),
        statistics=policy.statistics,
        lora=adapter_settings(policy.backbone),
        head=policy.head.settings(),
        metadata=metadata,
    )
    header = {HEADER: msgspec.json.encode(info).decode()}
    write_atomic(path, save(trained_tensors(policy), metadata=header))


def trained_tensors(policy: Policy) -> dict[str, torch.Tensor]:
    """Adapters, head and action token by the names that a checkpoint gives them."""
    adapters = adapter_state(policy.backbone.network)
    named = {f"{ADAPTERS}{name}": value for name, value in adapters.items()}
    named |= {f"{HEAD}{name}": value for name, value in policy.head.state_dict().items()}
    named[ACTION_TOKEN] = policy.action_token
    return {name: value.detach().cpu().contiguous() for name, value in named.items()}


def read_info(path: Path) -> CheckpointInfo:
    """Read the header of a checkpoint without its tensors."""
    from safetensors import SafetensorError, safe_open

    require_path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(HEADER)
        if header is None:
            raise UserError(f"{path} is no policy checkpoint of this program: give one it wrote.")
        return msgspec.json.decode(header, type=CheckpointInfo)
    except (SafetensorError, msgspec.DecodeError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): use another checkpoint.") from error


def load_policy(path: Path, backbone: Backbone) -> Policy:
    """A policy from its checkpoint onto a backbone without adapters, in evaluation mode.

    The backbone must hold the frozen weights the policy was trained on (the VLM and, where the
    case has one, its initial checkpoint); a different hash is a `UserError`.
    """
    info = read_info(path)
    require_base(backbone, path)
    if info.lora is not None:
        add_lora(backbone, **info.lora)
    policy = Policy(backbone, make_head(width=backbone.hidden_size, **info.head), info.statistics)
    load_trained(policy, path)
    policy.eval()
    return policy


def require_base(backbone: Backbone, path: Path) -> None:
    """A `UserError` unless the frozen weights in the model are those a checkpoint was trained on.

    The hash is computed from the tensors in memory.
    """
    expected, actual = read_info(path).base_hash, hash_base(backbone)
    if actual != expected:
        raise UserError(
            f"{path} was trained on other frozen weights (blake3 {expected[:12]}…) than those in "
            f"the model ({actual[:12]}…): load the VLM and the initial checkpoint of its run, or "
            "train again."
        )


def load_trained(policy: Policy, path: Path) -> None:
    """Tensors of a checkpoint into a policy that already has its adapters and head.

    The names must be exactly the policy's; otherwise it stays as it was and a `UserError` says so.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): use another checkpoint.") from error
    current = trained_tensors(policy)
    differ = sorted(
        n for n in current.keys() | tensors.keys() if _shape(current, n) != _shape(tensors, n)
    )
    if differ:
        raise UserError(
            f"{path} does not fit the policy: {len(differ)} tensors differ, such as {differ[0]}: "
            "use the case file that trained it."
        )
    _copy(policy, tensors)


def _shape(tensors: dict[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def _copy(policy: Policy, tensors: dict[str, torch.Tensor]) -> None:
    targets = {f"{ADAPTERS}{n}": v for n, v in policy.backbone.network.state_dict().items()}
    targets |= {f"{HEAD}{n}": v for n, v in policy.head.state_dict().items()}
    targets[ACTION_TOKEN] = policy.action_token
    with torch.no_grad():
        for name, value in tensors.items():
            targets[name].copy_(value)
