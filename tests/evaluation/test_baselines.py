"""What needs no learning, against computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.evaluation.baselines import (
    mean_action,
    nearest_neighbour,
    replay_by_step,
    replay_by_step_and_instruction,
)
from mobile_vla.evaluation.predictions import RecordedEpisode


def recorded(actions: list[list[float]], direction: str = "left") -> RecordedEpisode:
    latents = torch.zeros(len(actions), 4, 8)
    array = np.array(actions, np.float32)
    return RecordedEpisode("id", "hash", direction, "go", array, latents)


TRAINING = [
    recorded([[0, 0], [1, 1], [1, 0]]),
    recorded([[0, 0], [1, 1]]),
    recorded([[0, 0], [1, 1]]),
    recorded([[0, 0], [1, -1], [1, -3], [1, -9]], "right"),
]


def test_the_mean_action_by_hand() -> None:
    act = mean_action(TRAINING)(recorded([[9, 9]] * 3))
    assert act.tolist() == [[pytest.approx(7 / 11), pytest.approx(-10 / 11)]] * 3


def test_replay_is_the_median_of_each_step_by_hand() -> None:
    act = replay_by_step(TRAINING)
    tape = [[0, 0], [1, 1], [1, -1.5], [1, -9]]
    assert act(recorded([[9, 9]] * 4)).tolist() == tape
    assert act(recorded([[9, 9]] * 2)).tolist() == tape[:2]
    assert act(recorded([[9, 9]] * 6)).tolist() == [*tape, tape[-1], tape[-1]]


def test_replay_by_instruction_takes_its_own_side() -> None:
    act = replay_by_step_and_instruction(TRAINING)
    assert act(recorded([[9, 9]] * 3, "left")).tolist() == [[0, 0], [1, 1], [1, 0]]
    assert act(recorded([[9, 9]] * 3, "right")).tolist() == [[0, 0], [1, -1], [1, -3]]
    never = act(recorded([[9, 9]] * 4, "straight"))
    assert never.tolist() == [[0, 0], [1, 1], [1, -1.5], [1, -9]]


def seen(latents: list[float], actions: list[list[float]], direction: str) -> RecordedEpisode:
    frames = torch.tensor(latents).view(-1, 1, 1).expand(-1, 2, 3)
    return RecordedEpisode("id", "hash", direction, "go", np.array(actions, np.float32), frames)


def test_the_nearest_neighbour_is_sought_among_frames_of_the_same_direction() -> None:
    training = [
        seen([0.0, 1.0], [[1, 0], [2, 0]], "left"),
        seen([3.0, 4.0], [[3, 0], [4, 0]], "left"),
        seen([0.4, 3.6], [[9, 9], [8, 8]], "right"),
    ]
    act = nearest_neighbour(training)
    asked = [[0, 0]] * 4
    told = act(seen([0.4, 1.3, 2.9, 9.0], asked, "left"))
    assert told.tolist() == [[1, 0], [2, 0], [3, 0], [4, 0]]
    assert act(seen([3.0] * 4, asked, "right")).tolist() == [[8, 8]] * 4
    assert act(seen([0.4, 3.1, 0.9, 3.6], asked, "straight")).tolist() == [
        [9, 9], [3, 0], [2, 0], [8, 8],
    ]  # fmt: skip


@given(st.integers(1, 6), st.integers(1, 20))
def test_replaying_one_sequence_repeats_it_exactly(copies: int, length: int) -> None:
    """Where all demonstrations are one sequence, replay is perfect: the trap of the lab's data."""
    sequence = np.random.default_rng(length).choice([0, 1.15], (length, 2)).tolist()
    act = replay_by_step([recorded(sequence)] * copies)
    assert np.allclose(act(recorded(sequence)), sequence)
