"""Heads look back and never ahead; targets end with the episode; statistics go and come."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.loss import chunk_targets, weighted_sums
from mobile_vla.policy.normalisation import ACTION_NAMES, ActionStatistics, action_statistics


@pytest.mark.parametrize(
    ("kind", "layers"),
    [("lstm", 1), ("lstm", 3), ("mlp", 1), ("gpt", 2), ("discrete", 1), ("flow", 1)],
)
@pytest.mark.parametrize("action_dim", [2, 3])
def test_a_frame_sees_its_window_up_to_itself(kind: str, layers: int, action_dim: int) -> None:
    torch.manual_seed(0)
    head = make_head(kind, 8, hidden=16, layers=layers, chunk=4, action_dim=action_dim)
    states = torch.randn(3, 6, 8)
    whole = head.actions(head(states))
    assert whole.shape == (3, 6, 4, action_dim)
    last = [head.actions(head(states[:, : seen + 1]))[:, -1] for seen in range(6)]
    torch.testing.assert_close(torch.stack(last, 1), whole, atol=1e-6, rtol=0)


def test_recipe_head_has_the_recipes_size() -> None:
    head = make_head("lstm", 64, hidden=128, layers=1, chunk=10, action_dim=2)
    assert sum(p.numel() for p in head.parameters()) == 118_420


def test_unknown_head_and_idle_option_are_refused() -> None:
    with pytest.raises(UserError, match="lstm"):
        make_head("gru", 8, hidden=4, layers=1, chunk=1, action_dim=2)
    with pytest.raises(UserError, match="layers to 1"):
        make_head("mlp", 8, hidden=4, layers=2, chunk=1, action_dim=2)


def test_chunk_targets_end_with_the_episode() -> None:
    actions = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    targets, mask = chunk_targets(actions, 2)
    assert targets.tolist() == [[[1, 10], [2, 20]], [[2, 20], [3, 30]], [[3, 30], [0, 0]]]
    assert mask.tolist() == [[True, True], [True, True], [True, False]]


def loss_sums(
    predicted: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    head = make_head("mlp", 8, hidden=4, layers=1, chunk=1, action_dim=2)
    return weighted_sums(head.error(predicted, targets, 0.1), mask, 3.0)


def test_loss_is_the_weighted_huber_written_out() -> None:
    predicted = torch.tensor([[[0.05], [0.0], [9.0]]])
    targets = torch.tensor([[[0.0], [1.0], [0.0]]])
    mask = torch.tensor([[True, True, False]])
    total, weight = loss_sums(predicted, targets, mask)
    first, second = 0.5 * 0.05**2, 0.1 * (1.0 - 0.05)
    assert float(total / weight) == pytest.approx((3 * first + second) / 4)


def test_loss_sums_add_up_over_batches() -> None:
    torch.manual_seed(0)
    predicted, targets = torch.randn(6, 4, 2), torch.randn(6, 4, 2)
    mask = torch.rand(6, 4) > 0.3
    whole, weight = loss_sums(predicted, targets, mask)
    halves = (slice(0, 2), slice(2, 6))
    parts = [loss_sums(predicted[s], targets[s], mask[s]) for s in halves]
    total = sum(p[0] for p in parts) / sum(p[1] for p in parts)
    torch.testing.assert_close(total, whole / weight)


def statistics() -> ActionStatistics:
    speeds = np.array([[1.15, -1.15, 0.0], [0.0, 0.7, 0.0], [-1.15, 0.0, 0.0]], np.float32)
    return action_statistics([speeds, speeds[:1]], ACTION_NAMES)


def test_full_speed_comes_back_as_itself() -> None:
    speeds = torch.tensor([[1.15, -1.15, 0.0]])
    normalised = statistics().normalise(speeds)
    assert normalised.tolist() == [[1.0, -1.0, 0.0]]
    assert torch.equal(statistics().denormalise(normalised), speeds)


@given(st.floats(-5, 5, width=32))
def test_round_trip_of_any_speed_without_clipping(speed: float) -> None:
    speeds = torch.full((1, 3), speed)
    normalised = statistics().normalise(speeds)
    torch.testing.assert_close(statistics().denormalise(normalised), speeds, rtol=2e-7, atol=1e-37)
    if abs(speed) > 1.15:
        assert normalised[0, 0].abs() > 1


def test_statistics_hold_what_training_held() -> None:
    found = statistics()
    assert found.frames == 4
    assert found.scale == (pytest.approx(1.15), pytest.approx(1.15), 1.0)
    assert found.mean[0] == pytest.approx(1.15 / 4)
    assert found.min[1] == pytest.approx(-1.15)


@pytest.mark.parametrize(
    ("episodes", "reason"),
    [([], "no actions"), ([np.full((2, 3), np.nan)], "NaN"), ([np.zeros((2, 1))], "fewer than")],
)
def test_statistics_refuse_what_they_cannot_come_from(
    episodes: list[np.ndarray], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        action_statistics(episodes)


def test_missing_statistics_are_refused() -> None:
    with pytest.raises(UserError, match="compute them again"):
        ActionStatistics(
            names=("linear_x", "linear_y"),
            frames=1, mean=(0.0,), std=(1.0, 1.0), min=(0.0, 0.0), max=(0.0, 0.0), scale=(1.0, 1.0),
        )  # fmt: skip
    with pytest.raises(UserError, match="3 dimensions"):
        action_statistics([np.ones((2, 2))]).normalise(torch.zeros(4, 3))
