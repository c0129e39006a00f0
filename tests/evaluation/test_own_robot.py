"""A robot that steers by turning, its own step, and a policy trained on recordings."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pytest

from mobile_vla.analysis.diagnostics import diagnose
from mobile_vla.evaluation.metrics import definitions, sideways
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.normalisation import action_statistics, base_velocities, select_columns
from mobile_vla.runs.results import Rollouts, read_result
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import DriveEnv, steps_of_drive
from small_lab import Lab, furnish

TURNING = ("linear_x", "angular_z")


def test_a_differential_drive_is_trained_on_its_turns() -> None:
    actions = np.array([[0.2, 0.0, 0.4], [0.1, 0.0, -0.8]], np.float32)
    statistics = action_statistics([actions], TURNING)
    assert statistics.names == TURNING
    assert statistics.scale == pytest.approx((0.2, 0.8))
    chosen = select_columns(actions, TURNING)
    assert base_velocities(chosen, TURNING).tolist() == actions.tolist()


def test_actions_without_a_turn_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="it lacks angular_z: import it with a map"):
        action_statistics([np.ones((3, 2))], TURNING)


def test_turning_says_the_direction() -> None:
    speeds = np.array([0.22, 0.4])
    recorded = np.array([[0.2, 0.0], [0.2, 0.3], [0.2, 0.1]])
    assert sideways(np.array([[0, 0], [0, 0.2], [0, -1]]), recorded, speeds) == pytest.approx(0.2)
    assert sideways(np.array([[0, 0], [0, 0.2], [0, -1]]), -recorded, speeds) < 0
    assert "angular_z" in definitions(TURNING, speeds)["direction_accuracy"][0]


def test_a_step_and_the_limits_of_the_robot_hold_in_the_simulator() -> None:
    drive = DriveEnv(
        sample_scene(4), "left", (8, 8), step_seconds=0.1, limits=(0.5, 0.5, 2.0), max_steps=100
    )
    start = drive.world.pose
    drive.step(np.array([9.0, 0.0, 0.0]))
    assert np.hypot(*np.subtract(drive.world.pose[:2], start[:2])) == pytest.approx(0.05)
    drive.step(np.array([0.0, 0.0, 1.5]))
    assert drive.world.pose[2] - start[2] == pytest.approx(0.15)
    assert (steps_of_drive(0.4), steps_of_drive(0.1)) == (25, 100)


def test_drives_of_a_policy_trained_on_recordings_are_marked(finished_lab: Lab, tmp_path) -> None:
    lab = furnish(tmp_path / "lab", finished_lab.path, finished_lab.context, own=True)
    shutil.copytree(finished_lab.workspace.runs, lab.workspace.runs, symlinks=True)
    run = lab.the_run("both_20")
    before = run.rollouts.read_bytes()
    assert lab.run("evaluate", "Case 3", "--scenes", "0").end() == 0
    assert run.rollouts.read_bytes() == before, "no scene replaces no drives"
    assert not read_result(run.rollouts, Rollouts).out_of_world
    (lab.workspace.data("small") / "simulation.json").unlink()
    assert lab.run("evaluate", "Case 3", "--scenes", "1").end() == 0
    drives = read_result(run.rollouts, Rollouts)
    assert drives.out_of_world
    view = lab.judged("both_20")
    assert "diagnostic.out_of_world" in [fault.code for fault in diagnose(view)]
    none = msgspec.structs.replace(view, rollouts=msgspec.structs.replace(drives, rollouts=[]))
    assert "diagnostic.out_of_world" not in [fault.code for fault in diagnose(none)]
