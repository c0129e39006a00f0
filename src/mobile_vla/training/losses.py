"""The training loss of episodes, and the validation metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from mobile_vla.episodes.manifest import ManifestEpisode
from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.loss import weighted_sums
from mobile_vla.policy.policy import Policy, Windows
from mobile_vla.study.models import Recipe
from mobile_vla.training.data import Batch, EpisodeTensors
from mobile_vla.training.rank_group import ALONE, RankGroup


class Validation(NamedTuple):
    """What the policy scores on the run's validation episodes, named as in `metrics.csv`."""

    val_loss: float
    val_mae: float


def validate(
    module: Any,
    policy: Policy,
    recipe: Recipe,
    tensors: EpisodeTensors,
    episodes: Sequence[ManifestEpisode],
    *,
    world: RankGroup = ALONE,
) -> Validation:
    """The training loss, and the first actions' error, on these episodes; no dropout.

    Each rank scores its share of them; every rank returns the scores of all.

    `module` is `policy`, as Fabric wraps it where it trains.
    """
    module.eval()
    sums = torch.zeros(4, dtype=torch.float64)
    mine = world.share(episodes)
    with torch.inference_mode():
        for start in range(0, len(mine), recipe.batch):
            batch = tensors.batch(mine[start : start + recipe.batch])
            predicted = _predict(module, recipe, batch)
            loss = _loss(policy.head, recipe, predicted)
            sums += torch.stack([*loss, *_mae(policy, predicted)]).cpu()
    total, weight, error, count = world.total(sums).tolist()
    return Validation(total / weight, error / count)


class Predicted(NamedTuple):
    """The head's output (N, W, …) beside the recorded chunks (N, W, C, A), and where they are."""

    output: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor


def _predict(module: Any, recipe: Recipe, batch: Batch) -> Predicted:
    output, windows = module(batch.latents, batch.instructions, recipe.window)
    return Predicted(output, windows.of(batch.targets), _mask(batch, windows))


def _mask(batch: Batch, windows: Windows) -> torch.Tensor:
    """Which actions of the windows' chunks were recorded, (windows, W, C)."""
    return windows.of(batch.mask) & windows.valid.unsqueeze(-1)


def loss_sums(module: Any, recipe: Recipe, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch's weighted sum of losses and sum of weights; see `weighted_sums`."""
    return _loss(module.head, recipe, _predict(module, recipe, batch))


def _loss(head: Head, recipe: Recipe, predicted: Predicted) -> tuple[torch.Tensor, torch.Tensor]:
    error = head.error(predicted.output, predicted.targets, recipe.huber_delta)
    return weighted_sums(error, predicted.mask, recipe.first_action_weight)


def _mae(policy: Policy, predicted: Predicted) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the first actions' absolute errors, m/s and rad/s, and how many were summed."""
    mask, real = predicted.mask[..., 0], policy.statistics.denormalise
    actions = policy.head.actions(predicted.output)
    error = real(actions[..., 0, :]) - real(predicted.targets[..., 0, :])
    chosen = error[mask].abs()
    return chosen.sum(), torch.tensor(chosen.numel(), device=chosen.device)
