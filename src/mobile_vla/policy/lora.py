"""Low-rank adapters by part, and the list of trainable parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import PARTS, Backbone
from mobile_vla.policy.key_match import part_of

ADAPTER = ".lora_"
BASE = ".base_layer."


def add_lora(
    backbone: Backbone,
    *,
    parts: Collection[str] = ("text",),
    rank: int,
    alpha: float,
    dropout: float = 0.0,
    rslora: bool = False,
    dora: bool = False,
) -> None:
    """Freeze the backbone and place LoRA adapters on the linear layers of `parts`, in place.

    Without parts none are placed.
    `B` starts at zero, so the outputs are unchanged until training; `A` is drawn from torch's
    default generator.
    """
    from peft import LoraConfig, inject_adapter_in_model

    if rank < 1:
        raise UserError(f"The LoRA rank is {rank}: give a rank of at least 1.")
    freeze(backbone)
    if not parts:
        return
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, use_rslora=rslora, use_dora=dora,
        target_modules=backbone.lora_pattern(parts),
    )  # fmt: skip
    inject_adapter_in_model(config, backbone.network)
    for name, parameter in backbone.network.named_parameters():
        if ADAPTER in name:  # peft gives them the type of a half-precision base; they train in full
            parameter.data = parameter.data.float()


def freeze(backbone: Backbone) -> None:
    """Let no parameter of the backbone train, and switch its dropout off for good."""
    backbone.network.requires_grad_(False)
    backbone.network.eval()


def train_adapters(network: nn.Module, mode: bool) -> None:
    """Switch the adapters' dropout on or off; the frozen layers stay in evaluation mode."""
    network.eval()
    for name, module in network.named_modules():
        if "lora_dropout" in name:
            module.train(mode)


def merge_adapters(network: nn.Module) -> int:
    """Add every adapter's product to the weight it adapts and take it out; how many there were."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [(n, m) for n, m in network.named_modules() if isinstance(m, BaseTunerLayer)]
    for name, layer in adapted:
        layer.merge()
        network.set_submodule(name, layer.get_base_layer())
    if adapted:
        del network.peft_config
    return len(adapted)


def adapter_settings(backbone: Backbone) -> dict[str, Any] | None:
    """The arguments of `add_lora` that placed the backbone's adapters; None without adapters."""
    configs = getattr(backbone.network, "peft_config", None)
    if not configs:
        return None
    config = configs["default"]
    adapted = {part_of(name) for name in adapter_state(backbone.network)}
    variants = {"rslora": config.use_rslora, "dora": config.use_dora}
    return {
        "parts": [part for part in PARTS if part in adapted],
        "rank": config.r,
        "alpha": config.lora_alpha,
        "dropout": config.lora_dropout,
        **{name: True for name, chosen in variants.items() if chosen},
    }


def adapter_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The adapters' tensors by name."""
    return {name: value for name, value in network.state_dict().items() if ADAPTER in name}


def base_tensors(network: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The network's own tensors, named as they were before any adapter, sorted by name."""
    named = ((n.replace(BASE, "."), v) for n, v in network.state_dict().items() if ADAPTER not in n)
    return iter(sorted(named))


def hash_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """blake3 over names, types, shapes and bytes, as 64 hex digits.

    Adapters do not enter the hash of `base_tensors`, so it is the same before and after.
    """
    from blake3 import blake3

    hasher = blake3()
    for name, tensor in tensors:
        plain = tensor.detach().to("cpu").contiguous()
        hasher.update(f"{name}|{plain.dtype}|{tuple(plain.shape)}|".encode())
        hasher.update(memoryview(plain.reshape(-1).view(torch.uint8).numpy()))
    return hasher.hexdigest()


def hash_base(backbone: Backbone) -> str:
    """Hash of the frozen weights in the model's memory."""
    return hash_tensors(base_tensors(backbone.network))
