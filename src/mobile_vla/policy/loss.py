"""The training loss: weighted over all frames of a window and all steps of their chunks."""

from __future__ import annotations

import torch


def chunk_targets(actions: torch.Tensor, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The next `chunk` actions of every frame.

    `actions` (T, A) to targets (T, chunk, A) and mask (T, chunk), True where the episode still
    has an action. Frame t's chunk begins with its own action t; past the end targets are zero.
    """
    steps = torch.arange(chunk, device=actions.device)
    index = torch.arange(len(actions), device=actions.device).unsqueeze(1) + steps
    mask = index < len(actions)
    targets = actions[index.clamp(max=len(actions) - 1)]
    return targets * mask.unsqueeze(-1), mask


def loss_weights(mask: torch.Tensor, first_weight: float) -> torch.Tensor:
    """How much each action of a chunk counts, float32 (…, C): 0 where `mask` (…, C) is False."""
    weights = mask.to(torch.float32)
    weights[..., 0] *= first_weight
    return weights


def weighted_sums(
    error: torch.Tensor, mask: torch.Tensor, first_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted sum of the actions' losses and sum of weights, two scalars.

    `error` and `mask` (…, C). The chunk's first action, the one that is executed, weighs
    `first_weight`, the others 1. Sums add over batches and devices; their quotient is the loss.
    """
    weights = loss_weights(mask, first_weight)
    return (error * weights).sum(), weights.sum()
