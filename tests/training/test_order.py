"""The order of training is a pure function, and the learning rate stays within its bounds."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.study.models import Recipe
from mobile_vla.training.schedules import epoch_groups, learning_rate, steps_per_epoch

EPISODES = st.integers(1, 300)
PER_STEP = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)
EPOCHS = st.integers(0, 1000)


@given(EPISODES, PER_STEP, SEEDS, EPOCHS)
def test_an_epoch_is_a_permutation_in_groups(
    episodes: int, per_step: int, seed: int, epoch: int
) -> None:
    groups = epoch_groups(episodes, per_step, seed, epoch)
    assert sorted(index for group in groups for index in group) == list(range(episodes))
    assert all(len(group) == per_step for group in groups[:-1])
    assert 1 <= len(groups[-1]) <= per_step
    assert len(groups) == steps_per_epoch(episodes, per_step)


@given(EPISODES, PER_STEP, SEEDS, EPOCHS)
def test_the_order_follows_from_seed_and_epoch_alone(
    episodes: int, per_step: int, seed: int, epoch: int
) -> None:
    before = epoch_groups(episodes, per_step, seed, epoch)
    epoch_groups(episodes, per_step, seed, epoch + 1)
    assert epoch_groups(episodes, per_step, seed, epoch) == before


def test_epochs_and_seeds_differ() -> None:
    orders = {
        str(epoch_groups(50, 4, seed, epoch)) for seed in range(4) for epoch in range(4)
    }  # fmt: skip
    assert len(orders) == 16


def test_the_order_of_a_version_stays() -> None:
    """A run begun with this version must be resumed in this order."""
    assert epoch_groups(5, 2, 123, 0) == [[4, 0], [2, 3], [1]]


@given(
    st.integers(1, 5000), st.floats(1e-8, 1.0), st.integers(0, 200), st.integers(0, 6000)
)  # fmt: skip
def test_the_learning_rate_stays_within_bounds(
    total: int, peak: float, warmup: int, step: int
) -> None:
    rate = learning_rate(Recipe(learning_rate=peak, warmup_steps=warmup), step, total)
    assert 0 < rate <= peak * (1 + 1e-12)
    if step >= warmup:
        assert rate >= 0.02 * peak * (1 - 1e-12)


@given(st.integers(2, 2000), st.integers(0, 100))
def test_it_rises_to_the_peak_then_falls_to_two_hundredths(total: int, warmup: int) -> None:
    recipe = Recipe(learning_rate=1.0, warmup_steps=warmup)
    rates = [learning_rate(recipe, step, total + warmup) for step in range(total + warmup + 1)]
    assert max(rates) == 1.0
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert math.isclose(rates[-1], 0.02)


def test_the_other_schedules() -> None:
    line = Recipe(learning_rate=1.0, warmup_steps=2, schedule="linear", final_rate=0.5)
    assert [learning_rate(line, step, 6) for step in range(7)] == [
        0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5,
    ]  # fmt: skip
    level = Recipe(learning_rate=1.0, warmup_steps=2, schedule="constant")
    assert [learning_rate(level, step, 6) for step in range(6)] == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    to_zero = Recipe(learning_rate=1.0, schedule="cosine", final_rate=0.0)
    assert learning_rate(to_zero, 6, 6) == 0.0


def test_the_rates_of_a_version_stay() -> None:
    """A run begun before there was a choice is resumed at these rates."""
    recipe = Recipe(learning_rate=3e-3, warmup_steps=4)
    for step in range(4, 100):
        share = (step - 4) / 96
        assert learning_rate(recipe, step, 100) == 3e-3 * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))
        )
