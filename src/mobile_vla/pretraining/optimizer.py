"""The optimiser loop of the pretraining lessons: AdamW, warm-up, cosine, clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

LEARNING_RATE = 2e-3
WARM_UP = 60
FLOOR = 0.02


def train_steps(
    parameters: list[torch.nn.Parameter],
    loss: Callable[[], torch.Tensor],
    steps: int,
    progress: Callable[[int, int], None],
) -> None:
    """Minimise `loss()` over `steps` steps; `parameters` are set to require gradients."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    for step in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        progress(step + 1, steps)
    for parameter in parameters:
        parameter.requires_grad_(False)


def _rate(step: int, steps: int) -> float:
    """The share of the learning rate: linear warm-up, then a cosine down to `FLOOR`."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    way = (step - WARM_UP) / max(1, steps - WARM_UP)
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * way))
