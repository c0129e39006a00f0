import math

import numpy as np
import pytest

from mobile_vla.simulator.geometry import GOAL_RADIUS, ROBOT_RADIUS, clearance
from mobile_vla.simulator.scene import COLOURS, colour_name, sample_scene
from mobile_vla.simulator.world import World


def test_a_step_at_full_speed_is_46_cm_in_the_robots_frame() -> None:
    world = World(sample_scene(1))
    world.place((0.0, 5.0, math.pi / 2))
    world.step((1.15, 0))
    np.testing.assert_allclose(world.pose, (0, 5.46, math.pi / 2), atol=1e-9)
    world.step((0, 1.15, 0))
    np.testing.assert_allclose(world.pose, (-0.46, 5.46, math.pi / 2), atol=1e-9)
    world.step((0, 0, -1), seconds=0.5)
    assert world.pose[2] == pytest.approx(math.pi / 2 - 0.5)


def test_driving_on_into_the_box_is_a_collision_and_stops_there() -> None:
    scene = sample_scene(3)
    world = World(scene)
    world.place((0.0, scene.box.y, 0.0))
    for _ in range(8):
        world.step((1.15, 0))
    assert world.collided
    assert not world.reached
    assert 0 <= clearance(scene, *world.pose[:2]) < 0.03
    assert world.pose[0] < scene.box.x - scene.box.half_x * 0.9 - ROBOT_RADIUS + 0.1


@pytest.mark.parametrize(("offset", "side"), [(1.2, "left"), (-1.2, "right")])
def test_the_side_passed_is_seen_from_the_start(offset, side) -> None:
    scene = sample_scene(5)
    world = World(scene)
    world.place((0.0, scene.box.y + offset, 0.0))
    for _ in range(3):
        world.step((1.15, 0))
    assert world.passed_side is None
    for _ in range(6):
        world.step((1.15, 0))
    assert world.passed_side == side
    assert not world.collided


def test_reached_is_within_the_goal_radius_and_reset_forgets() -> None:
    scene = sample_scene(5)
    world = World(scene)
    world.place((scene.basket_x - GOAL_RADIUS - 0.47, scene.basket_y, 0.0))
    world.step((1.15, 0))
    assert not world.reached
    world.step((0.1, 0))
    assert world.reached
    world.reset()
    assert not world.reached
    assert world.pose == scene.start


def test_pictures_follow_the_seed_to_the_byte_and_every_part_of_the_scene() -> None:
    one, same = World(sample_scene(7)).render(48, 64), World(sample_scene(7)).render(48, 64)
    assert one.shape == (48, 64, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)
    assert (World(sample_scene(8)).render(48, 64) != one).any()
    np.testing.assert_array_equal(World(sample_scene(7)).render(48, 64), one)


def test_the_camera_sees_the_box_where_it_stands() -> None:
    """Projected by hand: 0.8 m up, 0.1 m behind, pitched down, 90 degrees over the height."""
    scene = sample_scene(11)
    world = World(scene)
    labels = world.segment(128, 128)
    rows, columns = np.nonzero(labels == 1)
    yaw, pitch = scene.start[2], scene.appearance.pitch
    dx, dy = scene.box.x - scene.start[0], scene.box.y - scene.start[1]
    ahead = math.cos(yaw) * dx + math.sin(yaw) * dy + 0.1
    left = -math.sin(yaw) * dx + math.cos(yaw) * dy
    down = 0.8 - scene.box.half_z
    depth = ahead * math.cos(pitch) + down * math.sin(pitch)
    column = 64 - 64 * left / depth
    row = 64 + 64 * (down * math.cos(pitch) - ahead * math.sin(pitch)) / depth
    assert abs(columns.mean() - column) < 2
    assert abs(rows.mean() - row) < 2


def test_further_things_are_shown_only_in_their_scene() -> None:
    crowded, plain = sample_scene(2, distractors=True), sample_scene(2)
    world = World(crowded)
    world.place((-2.0, 0.0, 0.0))
    assert world.segment(96, 96).max() >= 3
    bare = World(plain)
    bare.place((-2.0, 0.0, 0.0))
    assert bare.segment(96, 96).max() <= 2


def test_task_scenes_keep_contrast_and_pretraining_scenes_need_not() -> None:
    def least(contrast: bool) -> float:
        scenes = [sample_scene(seed, contrast=contrast) for seed in range(200)]
        return min(math.dist(s.box.rgb, s.appearance.floor) for s in scenes)

    assert least(True) > 0.3
    assert least(False) < 0.2


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((1, 0, 0), "red"),
        ((0, 0.8, 0), "green"),
        ((0.1, 0.1, 0.9), "blue"),
        ((0.5, 0.5, 0.5), "grey"),
        ((0.95, 0.95, 0.95), "white"),
        ((0.05, 0.05, 0.05), "black"),
        ((0.4, 0.25, 0.1), "brown"),
        ((1.0, 0.5, 0.0), "orange"),
        ((0.9, 0.9, 0.1), "yellow"),
    ],
)
def test_colours_have_their_names(rgb, name) -> None:
    assert colour_name(rgb) == name
    assert name in COLOURS
