import numpy as np
import pytest

from mobile_vla.episodes.direction import (
    direction_evidence,
    direction_in_text,
    direction_of_motion,
    path_from_above,
)


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("go around the box on the left, to the basket", "left"),
        ("Pass RIGHT of it", "right"),
        ("episode_20251203_042905_1box_hori_left_core_medium", "left"),
        ("episode_20251203_042905_1box_hori_right_core_medium_evening", "right"),
        ("상자의 왼쪽으로 돌아 바구니까지 가라", "left"),
        ("오른쪽으로 돌아 가세요", "right"),
        ("drive straight on", "straight"),
        ("straighten the leftover frightened boxes", None),
        ("left, then right", None),
        ("", None),
    ],
)
def test_direction_in_text(text, direction) -> None:
    assert direction_in_text(text) == direction


def test_motion_is_told_by_the_first_departure_and_not_the_sum() -> None:
    actions = np.zeros((18, 2), np.float32)
    actions[:, 0] = 1.15
    assert direction_of_motion(actions, 0.4) == "straight"
    actions[3:5, 1] = 1.15
    actions[9:15, 1] = -1.15
    assert direction_of_motion(actions, 0.4) == "left"
    assert direction_of_motion(actions * [1, -1], 0.4) == "right"


def test_turning_counts_as_motion_aside() -> None:
    actions = np.zeros((10, 3))
    actions[:, 0] = 1.0
    actions[:3, 2] = -0.8
    assert direction_of_motion(actions, 0.4) == "right"


def told(episode):
    return direction_evidence(
        episode.instruction, f"{episode.id}.h5", episode.actions, episode.step
    )


def test_witnesses_must_agree(make_episode) -> None:
    evidence = told(make_episode(direction="right"))
    assert evidence.agreed == "right"
    assert list(evidence.by_source) == ["instruction", "file name", "motion"]
    lied = told(make_episode(direction="right", instruction="keep left"))
    assert (lied.instruction, lied.file_name, lied.motion, lied.agreed) == (
        "left",
        "right",
        "right",
        None,
    )
    silent = told(make_episode(direction="left", instruction=""))
    assert silent.agreed == "left"
    assert list(silent.by_source) == ["file name", "motion"]


def test_trajectories_path_from_above() -> None:
    actions = np.array([[1, 0, 0], [0, 1, 0], [0, 0, np.pi / 2 / 0.4], [1, 0, 0]], np.float32)
    metres = path_from_above(actions, 0.4)
    np.testing.assert_allclose(metres[-1], [0.4, 0.8], atol=1e-6)
    np.testing.assert_allclose(metres[2], [0.4, 0.4], atol=1e-6)
