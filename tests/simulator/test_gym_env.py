"""The Gymnasium environment under Gymnasium's own tools, and what its options change."""

from __future__ import annotations

import hashlib
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator import gym_env
from mobile_vla.simulator.expert import demonstrate
from mobile_vla.simulator.scenarios import SCENARIOS, read_scenario, scenario_scene
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import DriveEnv
from mobile_vla.simulator.world import World

ID = "mobile_vla/LeftRight-v0"
SMALL = {"image_size": (32, 48)}


def test_the_environment_passes_gymnasiums_checks() -> None:
    assert gym_env.LeftRightEnv.__name__ in gymnasium.spec(ID).entry_point
    env = gymnasium.make(ID, render_mode="rgb_array", **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # Actions are in m/s, as everywhere here, and not normalised as the checker recommends.
        warnings.filterwarnings("ignore", ".*symmetric and normalized", UserWarning)
        check_env(env.unwrapped, skip_render_check=True)
    env.reset(seed=1)
    assert env.render().shape == (32, 48, 3)


def test_a_vector_of_them_takes_a_random_agent() -> None:
    envs = gymnasium.make_vec(
        ID, num_envs=3, vectorization_mode="sync", slip=0.05, latency=1, **SMALL
    )
    observation, _ = envs.reset(seed=5)
    envs.action_space.seed(5)
    assert observation["image"].shape == (3, 32, 48, 3)
    ended = 0
    for _ in range(60):
        observation, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        ended += int((terminated | truncated).sum())
    assert ended >= 3
    assert len(observation["instruction"]) == 3
    assert set(reward) <= {0.0, 1.0}


def drive(**options: object) -> str:
    """A hash of all that a seeded drive shows."""
    env = gym_env.LeftRightEnv(**{**SMALL, **options})  # type: ignore[arg-type]
    seen = hashlib.sha256()
    observation, _ = env.reset(seed=11)
    rng = np.random.default_rng(1)
    for _ in range(8):
        seen.update(observation["image"].tobytes() + observation["instruction"].encode())
        observation, reward, *_, info = env.step(rng.uniform(-1, 1, 3).astype(np.float32))
        seen.update(repr((reward, info)).encode())
    return seen.hexdigest()


def test_a_seed_gives_the_same_bytes_and_every_option_shows() -> None:
    plain = drive()
    assert drive() == plain
    changed = [
        drive(slip=0.1), drive(latency=2), drive(goal="cup"), drive(goal="bottle"),
        drive(varied_camera=True), drive(wording="lab_ko"),
        *(drive(scenario=name) for name in SCENARIOS[2:]),
    ]  # fmt: skip
    assert len({plain, *changed}) == 1 + len(changed)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_expert_drives_the_labs_eight_scenarios(name: str) -> None:
    scenario = read_scenario(name)
    for seed in range(12):
        scene = scenario_scene(seed, scenario)
        assert len(scene.distractors) == scenario.boxes - 1
        assert (scene.box.half_z > scene.box.half_y) == scenario.standing or not scenario.standing
        shown = demonstrate(scene, scenario.direction, np.random.default_rng(seed))
        assert shown.actions.shape == (18, 3)


def test_one_lying_box_is_the_studys_own_scene() -> None:
    for seed in range(20):
        assert scenario_scene(seed, read_scenario("1box_hori_left")) == sample_scene(seed)


def test_a_cup_leaves_the_basket_as_it_was() -> None:
    before = World(sample_scene(7)).render(48, 64)
    World(
        scenario_scene(7, read_scenario("2box_vert_left"), goal="cup", varied_camera=True)
    ).render(48, 64)
    np.testing.assert_array_equal(World(sample_scene(7)).render(48, 64), before)


def test_latency_rests_first_and_then_does_what_it_was_told() -> None:
    now, late = (DriveEnv(sample_scene(3), "left", (8, 8), latency=steps) for steps in (0, 2))
    for env in (now, late):
        env.reset()
        for action in ([0.5, 0.0], [0.0, 0.5], [0.0, 0.0], [0.0, 0.0]):
            env.step(np.array(action))
    assert late.outcome().path[:3] == [late.outcome().path[0]] * 3
    assert late.world.pose == pytest.approx(now.world.pose)


def test_what_cannot_be_is_a_sentence() -> None:
    for options, words in (
        ({"scenario": "3box"}, "no scenario"), ({"goal": "table"}, "no goal"),
        ({"wording": "fr"}, "no wording"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words):
            gym_env.LeftRightEnv(**options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no negative latency"):
        DriveEnv(sample_scene(3), "left", (8, 8), latency=-1)
    env = gym_env.LeftRightEnv(**SMALL)
    with pytest.raises(UserError, match="call reset before step"):
        env.step(np.zeros(3))
    env.reset(seed=1)
    with pytest.raises(UserError, match="which is no velocity"):
        env.step(np.array([np.nan, 0, 0]))


def test_a_policy_that_never_stops_is_cut_off() -> None:
    env = gym_env.LeftRightEnv(max_steps=5, **SMALL)  # type: ignore[arg-type]
    env.reset(seed=2)
    ended = [env.step(np.array([-1.0, 0, 0]))[2:4] for _ in range(5)]
    assert ended == [(False, False)] * 4 + [(False, True)]
