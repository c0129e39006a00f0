import math

import numpy as np
import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.expert import KEYS, demonstrate, film
from mobile_vla.simulator.labelled_views import label_view, sample_view
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import DriveEnv
from mobile_vla.simulator.world import World


@pytest.mark.parametrize("direction", ["left", "right"])
def test_the_expert_passes_every_scene_on_both_sides(direction) -> None:
    keys = set()
    for seed in range(150):
        drive = demonstrate(sample_scene(seed), direction, np.random.default_rng(seed))
        assert drive.actions.shape == (18, 3)
        assert drive.actions.dtype == np.float32
        assert not drive.actions[0].any()
        assert set(np.unique(drive.actions)) <= {0, np.float32(1.15), np.float32(-1.15)}
        assert set(drive.keys) <= set(KEYS)
        keys.add(drive.keys)
    assert len(keys) > 100


@pytest.mark.parametrize("direction", ["left", "right"])
def test_the_experts_keys_drive_the_environment_to_success(direction) -> None:
    scene = sample_scene(4)
    drive = demonstrate(scene, direction, np.random.default_rng(0), slip=0.0)
    env = DriveEnv(scene, direction, (16, 16))
    assert env.reset().shape == (16, 16, 3)
    for action in drive.actions:
        _, done = env.step(action)
        if done:
            break
    outcome = env.outcome()
    assert outcome.success
    assert outcome.side == direction
    assert outcome.steps == len(outcome.path) - 1
    moved = sum(math.hypot(*a[:2]) * 0.4 for a in drive.actions[: outcome.steps])
    assert outcome.path_length == pytest.approx(moved, rel=1e-5)
    other = DriveEnv(scene, "left" if direction == "right" else "right", (16, 16))
    other.reset()
    for action in drive.actions[: outcome.steps]:
        other.step(action)
    assert other.outcome().reached
    assert not other.outcome().success


def test_frames_show_what_the_robot_saw() -> None:
    scene = sample_scene(4)
    drive = demonstrate(scene, "left", np.random.default_rng(0))
    frames = film(scene, drive.poses, (24, 32))
    assert frames.shape == (18, 24, 32, 3)
    world = World(scene)
    world.place(tuple(drive.poses[7]))
    np.testing.assert_array_equal(frames[7], world.render(24, 32))


def test_standing_still_ends_at_25_steps_without_success() -> None:
    env = DriveEnv(sample_scene(4), "left", (16, 16))
    env.reset()
    done = False
    while not done:
        _, done = env.step(np.zeros(2))
    outcome = env.outcome()
    assert (outcome.steps, outcome.success, outcome.side, outcome.path_length) == (
        25,
        False,
        None,
        0,
    )


def test_the_base_limits_its_speed_and_says_so() -> None:
    env = DriveEnv(sample_scene(4), "left", (16, 16))
    env.reset()
    env.step(np.array([3.0, 0.0]))
    assert env.outcome().path_length == pytest.approx(0.46)
    assert env.outcome().limited == 1


def test_an_action_that_is_no_number_is_refused() -> None:
    env = DriveEnv(sample_scene(4), "left", (16, 16))
    env.reset()
    with pytest.raises(UserError, match="no velocity"):
        env.step(np.array([np.nan, 0]))


def test_views_are_labelled_from_the_picture_and_the_pose() -> None:
    views = [sample_view(seed, 64) for seed in range(60)]
    assert sum(view.box_pixels is not None for view in views) > 30
    assert {view.box_left_of_basket for view in views} == {True, False, None}
    for view in views:
        if view.box_pixels is None:
            continue
        x0, y0, x1, y1 = (round(64 * edge) for edge in view.box_pixels)
        mask = view.segmentation == 1
        assert mask[y0:y1, x0:x1].sum() == mask.sum()
        assert mask[y0:y1, x0].any()
        assert mask[y1 - 1, x0:x1].any()


def test_view_distances_are_in_the_robots_frame() -> None:
    scene = sample_scene(9)
    world = World(scene)
    world.place((scene.basket_x, scene.basket_y - 1.0, math.pi / 2))
    view = label_view(world, 32)
    assert (view.basket_ahead, view.basket_left) == pytest.approx((1.0, 0.0))
    assert view.box_left_edge > view.box_right_edge > 0
    world.place((scene.box.x - 1.5, scene.box.y, scene.box.yaw))
    turned = label_view(world, 32)
    assert turned.box_left_edge - turned.box_right_edge == pytest.approx(2 * scene.box.half_y)


def test_a_view_is_a_function_of_its_seed() -> None:
    one, same = sample_view(5, 32), sample_view(5, 32)
    np.testing.assert_array_equal(one.image, same.image)
    assert one.pose == same.pose
