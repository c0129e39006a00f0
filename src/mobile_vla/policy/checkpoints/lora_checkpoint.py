"""Merge the adapters of checkpoints that were saved with LoRA in place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.tensor_files import CheckpointTensors
from mobile_vla.policy.key_match import DOWN, UP, plain_names
from mobile_vla.policy.lora import ADAPTER, BASE

SCALE_KEY = "lora_alpha"
STABLE_KEY = "use_rslora"
OTHER_KEYS = ("use_dora", "alpha_pattern", "rank_pattern")
"""peft's settings under which a layer's weight is not `W + scale · B A` with one scale for all."""


@dataclass(frozen=True, slots=True)
class PlainTensors:
    """Tensors by plain name, without adapters; `note` says what was merged, empty where nothing."""

    tensors: dict[str, torch.Tensor]
    note: str


def plain_tensors(checkpoint: CheckpointTensors) -> PlainTensors:
    """A checkpoint's tensors by their plain names (`plain_names`), adapters merged.

    A merged weight is `W + scale · B A` in float32, the scale `alpha / r`, or `alpha / √r` where
    the configuration says `use_rslora` (Kalajdzievski 2023). A `UserError` where a tensor is
    saved twice with two values, an adapter or its scale is missing, or it is not plain LoRA.
    """
    path = checkpoint.path
    if checkpoint.format.startswith("peft adapter"):
        raise UserError(
            f"{path} is a peft adapter, which holds no weights of a whole model: give its base "
            "folder with it, merged by peft's `merge_and_unload`."
        )
    named = _once(checkpoint)
    if not any(BASE in name or ADAPTER in name for name in named):
        return PlainTensors(named, "")
    downs = {name.split(DOWN)[0]: name for name in named if DOWN in name}
    _refuse_half(named, downs, path)
    scale = _scale(checkpoint) if _any_effect(named, downs) else None
    tensors = {n.replace(BASE, "."): v for n, v in named.items() if ADAPTER not in n}
    rank = 0
    for layer, name in downs.items():
        down, up = named[name].float(), named[name.replace(DOWN, UP)].float()
        rank = len(down)
        if scale is not None:
            weight = tensors[f"{layer}.weight"].float()
            tensors[f"{layer}.weight"] = weight + scale.of(rank) * (up @ down)
    return PlainTensors(
        tensors, f"{len(downs)} LoRA layers (r {rank}, {scale or 'no effect'}) merged"
    )


def _once(checkpoint: CheckpointTensors) -> dict[str, torch.Tensor]:
    """Each plain name once; RoboVLMs saves a backbone with LoRA under two names."""
    plain: dict[str, torch.Tensor] = {}
    for name, bare in plain_names(checkpoint.tensors).items():
        tensor = checkpoint.tensors[name]
        if bare in plain and not torch.equal(plain[bare], tensor):
            raise UserError(
                f"{checkpoint.path} holds {bare} twice with different values (once as {name}): "
                "save the checkpoint again from one model."
            )
        plain[bare] = tensor
    return plain


def _refuse_half(named: Mapping[str, torch.Tensor], downs: Mapping[str, str], path: Path) -> None:
    """Refuse wrapped weights without adapters: they would not be loaded, without any message."""
    wrapped = {name.split(BASE)[0] for name in named if name.endswith(f"{BASE}weight")}
    bare = sorted(wrapped - downs.keys())
    if bare:
        raise UserError(
            f"{path} was saved with LoRA in place but {len(bare)} of {len(wrapped)} wrapped linear "
            f"weights (such as {bare[0]}{BASE}weight) have no adapter in it: save the checkpoint "
            "again with its adapters, or merged."
        )
    lone = sorted(n for n in downs.values() if n.replace(DOWN, UP) not in named)
    lone += sorted(layer for layer in downs if layer not in wrapped)
    if lone:
        raise UserError(
            f"{path} holds {len(lone)} halves of LoRA layers (such as {lone[0]}): save the "
            "checkpoint again with its base layers and whole adapters, or merged."
        )
    strange = sorted(n for n in named if ADAPTER in n and DOWN not in n and UP not in n)
    if strange or len(downs) != sum(DOWN in name for name in named):
        raise UserError(
            f"{path} holds adapters that are not one plain LoRA a layer "
            f"({(strange or sorted(downs.values()))[0]}): merge them with peft and save that."
        )


def _any_effect(named: Mapping[str, torch.Tensor], downs: Mapping[str, str]) -> bool:
    return any(bool(named[name.replace(DOWN, UP)].any()) for name in downs.values())


@dataclass(frozen=True, slots=True, order=True)
class _Scale:
    """How a configuration scales its adapters."""

    alpha: float
    stable: bool

    def of(self, rank: int) -> float:
        return self.alpha / (math.sqrt(rank) if self.stable else rank)

    def __str__(self) -> str:
        return f"alpha {self.alpha:g}{', rank-stabilised' if self.stable else ''}"


def _scale(checkpoint: CheckpointTensors) -> _Scale:
    """The adapters' scale, which no tensor holds: from the file, or a JSON beside it."""
    settings = list(_settings(checkpoint.other))
    if not settings:
        for file in sorted(checkpoint.path.parent.glob("*.json")):
            settings += _settings(_json(file))
    if other := sorted({key for entry in settings for key in OTHER_KEYS if entry.get(key)}):
        raise UserError(
            f"{checkpoint.path} was saved with LoRA in place, and its configuration sets "
            f"{', '.join(other)}, so it is not plain LoRA: merge it with peft and save that."
        )
    scales = {_Scale(float(s[SCALE_KEY]), bool(s.get(STABLE_KEY))) for s in settings}
    if len(scales) == 1:
        return scales.pop()
    values = "; ".join(map(str, sorted(scales)))
    problem = f"scales that differ ({values}) stand" if scales else f"no `{SCALE_KEY}` stands"
    raise UserError(
        f"{checkpoint.path} was saved with LoRA in place, and {problem} in it or in a JSON file "
        "beside it: put the configuration of its run, and no other, beside it."
    )


def _settings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping with a `lora_alpha` among nested plain values."""
    if isinstance(value, Mapping):
        if isinstance(value.get(SCALE_KEY), int | float):
            yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _settings(inner)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return None  # some other file that happens to lie there
