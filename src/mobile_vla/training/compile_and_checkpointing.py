"""Gradient checkpointing and torch.compile, if the recipe asks for them, and their gains.

Both act on the layers of the network in place: names of tensors, checkpoints and hashes stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.study.models import Recipe
    from mobile_vla.training.preflight import Checklist, CheckResult

PASSES = 3


class Cost(NamedTuple):
    """A forward and backward pass: bytes kept for backward, seconds, seconds of the first."""

    held: int
    seconds: float
    first: float


def speed_up(network: nn.Module, recipe: Recipe) -> None:
    """Switch on what the recipe asks for."""
    if recipe.compile:
        compile_layers(network)
    if recipe.gradient_checkpointing:
        checkpoint_layers(network)


def measure_gains(
    checklist: Checklist, recipe: Recipe, network: nn.Module, one_pass: Callable[[], object]
) -> None:
    """Switch on what the recipe asks for, and record the cost before and after.

    `one_pass` goes forward and back over some episodes and throws the gradients away.
    """
    if recipe.compile:
        checklist.run("torch.compile", lambda: _compared(compile_layers, network, one_pass))
    if recipe.gradient_checkpointing:
        checklist.run(
            "gradient checkpointing", lambda: _compared(checkpoint_layers, network, one_pass)
        )


def compile_layers(network: nn.Module) -> None:
    """Have torch.compile compile the layers that train, for any batch size and length of text."""
    for layer in _layers(network):
        layer.forward = torch.compile(layer.forward, dynamic=True)


def checkpoint_layers(network: nn.Module) -> None:
    """Keep only the inputs of layers that train, and recompute the rest in the backward pass.

    The library's own switch does nothing here: it asks for layers in training mode, and the
    frozen ones stay in evaluation mode. Dropout draws what it drew, so the numbers are the same.
    """
    for layer in _layers(network):
        layer.forward = partial(_again, layer.forward)


def _layers(network: nn.Module) -> list[Any]:
    """The layers in which something trains; the others go forward once, for the cache."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [
        module
        for module in network.modules()
        if isinstance(module, GradientCheckpointingLayer)
        and any(parameter.requires_grad for parameter in module.parameters())
    ]


def _again(forward: Callable[..., Any], *args: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **named)
    return checkpoint(forward, *args, use_reentrant=False, **named)


def _compared(
    switch: Callable[[nn.Module], None], network: nn.Module, one_pass: Callable[[], object]
) -> CheckResult:
    from torch._dynamo.exc import TorchDynamoException

    one_pass()  # the first is slower for other reasons
    before = _cost(one_pass)
    switch(network)
    try:
        after = _cost(one_pass)
    except TorchDynamoException as error:
        raise UserError(
            f"torch.compile fails here ({str(error).strip().splitlines()[0]}): set the recipe's "
            "compile to false, or install a C++ compiler."
        ) from error
    detail = (
        f"a pass takes {after.seconds:.3g} s instead of {before.seconds:.3g} s, and holds "
        f"{after.held / 1e6:.0f} MB instead of {before.held / 1e6:.0f} MB for its way back; "
        f"the first took {after.first:.3g} s"
    )
    values = {f"{name}_before": float(value) for name, value in before._asdict().items()}
    return detail, values | {f"{name}_after": float(v) for name, v in after._asdict().items()}


def _cost(one_pass: Callable[[], object]) -> Cost:
    held: dict[int, int] = {}  # bytes by address

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    seconds = []
    for _ in range(PASSES):
        held.clear()
        start = time.perf_counter()
        with saved_tensors_hooks(note, lambda tensor: tensor):
            one_pass()
        seconds.append(time.perf_counter() - start)
    return Cost(sum(held.values()), min(seconds), seconds[0])
