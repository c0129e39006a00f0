"""The order of episodes and the learning rate: pure functions of seed, epoch and step.

Nothing needs saving, so a resumed run sees exactly what an uninterrupted run would see.
"""

from __future__ import annotations

import math

import numpy as np

from mobile_vla.messages.errors import UserError
from mobile_vla.study.models import Recipe


class NotFinite(UserError):
    """A loss or gradient that is NaN or infinite; the message names step and episodes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=1)


def epoch_groups(episodes: int, per_step: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the episodes of each optimiser step of an epoch; the last group may be short."""
    order = np.random.default_rng((seed, epoch)).permutation(episodes).tolist()
    return [order[start : start + per_step] for start in range(0, episodes, per_step)]


def steps_per_epoch(episodes: int, per_step: int) -> int:
    """Optimiser steps in one epoch."""
    return math.ceil(episodes / per_step)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """Rate of optimiser step `step` (from 0) of `total`: warm-up, then the recipe's schedule."""
    peak, warmup, final = recipe.learning_rate, recipe.warmup_steps, recipe.final_rate
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, total - warmup))
    if recipe.schedule == "constant":
        return peak
    left = 1 - share if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))
    return peak * (final + (1 - final) * left)
