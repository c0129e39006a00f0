"""What needs no learning: made from the training split alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mobile_vla.evaluation.predictions import Recorded

Baseline = Callable[[Recorded], np.ndarray]
"""A recorded episode to actions (T, A), in m/s (rad/s)."""


def mean_action(training: Sequence[Recorded]) -> Baseline:
    """The mean training action at every frame."""
    mean = np.concatenate([episode.actions for episode in training]).mean(0)
    return lambda episode: np.tile(mean, (len(episode.actions), 1))


def replay_by_step(training: Sequence[Recorded]) -> Baseline:
    """At each step the median training action of that step; past the longest, its last."""
    tape = _tape(training)
    return lambda episode: _played(tape, len(episode.actions))


def replay_by_step_and_instruction(training: Sequence[Recorded]) -> Baseline:
    """As `replay_by_step`, from the training episodes of the same direction.

    For a direction never trained, from all of them.
    """
    sides = {episode.direction for episode in training}
    tapes = {s: _tape([e for e in training if e.direction == s]) for s in sides}
    whole = _tape(training)
    return lambda episode: _played(tapes.get(episode.direction, whole), len(episode.actions))


def nearest_neighbour(training: Sequence[Recorded]) -> Baseline:
    """The action of the nearest training frame (L2 of the frozen latents) of that direction.

    For a direction never trained, the nearest of all.
    """

    def act(episode: Recorded) -> np.ndarray:
        same = [known for known in training if known.direction == episode.direction]
        features = episode.latents.flatten(1)
        least = torch.full((len(features),), torch.inf, device=features.device)
        actions = np.zeros_like(episode.actions)
        for known in same or training:
            distance, index = torch.cdist(features, known.latents.flatten(1)).min(1)
            nearer = (distance < least).cpu().numpy()
            actions[nearer] = known.actions[index.cpu().numpy()[nearer]]
            least = torch.minimum(least, distance)
        return actions

    return act


def _tape(training: Sequence[Recorded]) -> np.ndarray:
    """Median action of each step, (longest T, A)."""
    longest = max(len(episode.actions) for episode in training)
    steps = []
    for step in range(longest):
        present = [e.actions[step] for e in training if step < len(e.actions)]
        steps.append(np.median(present, axis=0))
    return np.array(steps)


def _played(tape: np.ndarray, length: int) -> np.ndarray:
    played: np.ndarray = tape[np.minimum(np.arange(length), len(tape) - 1)]
    return played
