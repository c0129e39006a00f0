"""Augmented views: the same for the same episode and number, and each stored by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.training.augmentation import augment, augmentation_index
from mobile_vla.training.feature_store import Features
from mobile_vla.training.prefetch import prefetch
from mobile_vla.training.run import begin_run, train
from small_lab import Lab

CONTENT = st.text("0123456789abcdef", min_size=64, max_size=64)
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@given(CONTENT, st.integers(0, 500), st.integers(1, 9))
def test_each_view_has_its_turn(content: str, epoch: int, views: int) -> None:
    seen = [augmentation_index(content, epoch + n, views) for n in range(views)]
    assert sorted(seen) == list(range(views))


@given(CONTENT, st.integers(0, 20))
def test_a_view_is_a_function_of_content_and_number(content: str, view: int) -> None:
    shown = augment(FRAMES, content, view)
    assert (shown.dtype, shown.shape) == (np.uint8, FRAMES.shape)
    assert np.array_equal(shown, augment(FRAMES, content, view))
    assert np.array_equal(shown, FRAMES) == (view == 0)


def test_the_whole_episode_is_seen_by_one_camera_in_one_light() -> None:
    still = np.repeat(FRAMES[:1], 4, 0)
    shown = augment(still, "7" * 64, 2)
    assert all(np.array_equal(frame, shown[0]) for frame in shown)


def test_views_take_turns_and_are_stored_once(here: Lab, tmp_path: Path) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  views: 3")
    training = here.training()
    row = training.manifest.split("train")[0]
    own = Features(training.policy, training.tensors._frames, tmp_path)
    training.tensors._features = own
    latents = []
    for epoch in range(4):
        (load,) = prefetch(training.tensors, [[row]], 1, epoch)
        latents.append(load.batches[0].latents[0])
    assert len(list(tmp_path.rglob("*.npy"))) == 3
    assert (latents[0] == latents[3]).all()
    assert not (latents[0] == latents[1]).all() and not (latents[1] == latents[2]).all()
    assert (training.tensors.batch([row]).latents[0] == own.of(row.id, row.hash)).all()


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("views: 1", "augmentation: off; vision features: 1 a frame stored"),
        ("views: 3", "augmentation: 3 views of each episode, one an epoch in turn; vision features:"
                     " 3 a frame stored"),
    ],
)  # fmt: skip
def test_the_run_says_which(here: Lab, recipe: str, told: str) -> None:
    here.change("accumulate: 2", f"accumulate: 2\n  {recipe}")
    assert here.training().tensors.summary() == told


def test_a_run_with_views_trains(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  views: 2")
    run = begin_run(here.resolved("both_20"), here.workspace)
    assert train(run, here.workspace, terminal=False).outcome == "finished"
