"""Baselines without learning, computed from the training split alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mobile_vla.evaluation.predictions import RecordedEpisode

Baseline = Callable[[RecordedEpisode], np.ndarray]
"""A recorded episode to actions (T, A), in m/s (rad/s)."""


def mean_action(training: Sequence[RecordedEpisode]) -> Baseline:
    """The mean training action at every frame."""
    mean = np.concatenate([episode.actions for episode in training]).mean(0)
    return lambda episode: np.tile(mean, (len(episode.actions), 1))


def replay_by_step(training: Sequence[RecordedEpisode]) -> Baseline:
    """At each step the median training action of that step; past the longest, its last."""
    tape = _tape(training)
    return lambda episode: _played(tape, len(episode.actions))


def replay_by_step_and_instruction(training: Sequence[RecordedEpisode]) -> Baseline:
    """As `replay_by_step`, from the training episodes of the same direction.

    For a direction never trained, from all of them.
    """
    sides = {episode.direction for episode in training}
    tapes = {s: _tape([e for e in training if e.direction == s]) for s in sides}
    tape_of_all = _tape(training)
    return lambda episode: _played(tapes.get(episode.direction, tape_of_all), len(episode.actions))


def nearest_neighbour(training: Sequence[RecordedEpisode]) -> Baseline:
    """The action of the nearest training frame (L2 of the frozen latents) of that direction.

    For a direction never trained, the nearest of all.
    """

    def act(episode: RecordedEpisode) -> np.ndarray:
        same = [neighbour for neighbour in training if neighbour.direction == episode.direction]
        features = episode.latents.flatten(1)
        least = torch.full((len(features),), torch.inf, device=features.device)
        actions = np.zeros_like(episode.actions)
        for neighbour in same or training:
            distance, index = torch.cdist(features, neighbour.latents.flatten(1)).min(1)
            nearer = (distance < least).cpu().numpy()
            actions[nearer] = neighbour.actions[index.cpu().numpy()[nearer]]
            least = torch.minimum(least, distance)
        return actions

    return act


def _tape(training: Sequence[RecordedEpisode]) -> np.ndarray:
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
