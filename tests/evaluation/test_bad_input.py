"""What cannot be evaluated: one sentence each, and the results that were there stand."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.frame_store import FrameStore
from mobile_vla.episodes.manifest import Manifest, write_manifest
from mobile_vla.evaluation.offline import LoadedRun, evaluate_offline, load_run
from mobile_vla.evaluation.rollouts import evaluate_rollouts
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller
from mobile_vla.runs.results import Offline, read_result
from mobile_vla.simulator.expert import demonstrate
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import MAX_STEPS
from small_lab import Lab, furnish


@pytest.fixture
def lab(tmp_path: Path, shared: Path, finished_lab: Lab) -> Iterator[Lab]:
    """The finished run on data of its own, to spoil."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    lab = furnish(tmp_path / "ws", shared, finished_lab.context, own=True)
    shutil.copytree(finished_lab.workspace.runs, lab.workspace.runs, symlinks=True)
    yield lab
    torch.set_num_threads(threads)


@pytest.fixture
def trained(lab: Lab) -> LoadedRun:
    return load_run(lab.the_run("both_20"))


def keep(lab: Lab, chosen: Callable[[str], bool]) -> None:
    """Only those held-out episodes whose direction is chosen."""
    folder = lab.workspace.data("small_eval")
    whole = load_dataset(folder).manifest
    kept = [episode for episode in whole.episodes if chosen(episode.direction)]
    write_manifest(folder / "manifest.json", Manifest.of(whole.name, whole.step, kept))


def test_a_checkpoint_of_another_action_dimension(lab: Lab) -> None:
    run = lab.the_run("both_20")
    text = run.case_yaml.read_text()
    assert "action_dim: 2" in text
    run.case_yaml.write_text(text.replace("action_dim: 2", "action_dim: 3"))
    done = lab.run("evaluate", "Case 3")
    assert done.end() == 2
    assert "3 action dimensions but the statistics have 2" in done.sentence()


def test_episodes_recorded_without_a_dimension_that_the_policy_predicts(
    trained: LoadedRun, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("linear_x", "angular_z")
    turning = msgspec.structs.replace(trained.policy.statistics, names=names)
    monkeypatch.setattr(trained.policy, "statistics", turning)
    stored = FrameStore.actions
    monkeypatch.setattr(FrameStore, "actions", lambda store, name: stored(store, name)[:, :2])
    wanted = "2 action dimensions but both_20 predicts linear_x, angular_z"
    with pytest.raises(UserError, match=wanted):
        evaluate_offline(trained, lab.workspace)


def test_an_empty_evaluation_set(lab: Lab) -> None:
    before = lab.the_run("both_20").offline.read_bytes()
    keep(lab, lambda direction: False)
    done = lab.run("evaluate", "Case 3")
    assert done.end() == 2
    assert done.sentence() == ("The evaluation set small_eval is empty: simulate or import it.")
    assert lab.the_run("both_20").offline.read_bytes() == before


def test_an_evaluation_set_of_one_direction_is_measured_and_said_to_be_that(lab: Lab) -> None:
    keep(lab, lambda direction: direction == "right")
    done = lab.run("evaluate", "Case 3", "--scenes", "0")
    assert done.end() == 0, done.stderr
    assert "fault, evaluation_one_direction: the evaluation set goes right only" in done.stdout
    found = read_result(lab.the_run("both_20").offline, Offline)
    assert (found.set.left, found.set.right) == (0, 4)


def test_episodes_that_go_to_no_side_cannot_be_swapped(trained: LoadedRun, lab: Lab) -> None:
    folder = lab.workspace.data("small_eval")
    whole = load_dataset(folder).manifest
    straight = [msgspec.structs.replace(e, direction="straight") for e in whole.episodes]
    write_manifest(folder / "manifest.json", Manifest.of(whole.name, whole.step, straight))
    with pytest.raises(UserError, match="No evaluation episode goes left or right"):
        evaluate_offline(trained, lab.workspace)


def test_nan_in_the_recorded_actions(lab: Lab) -> None:
    file = sorted(lab.workspace.data("small_eval").glob("*.h5"))[0]
    episode = read_episode(file)
    actions = episode.actions.copy()
    actions[3] = np.nan
    file.unlink()
    write_episode(file, dataclasses.replace(episode, actions=actions))
    done = lab.run("evaluate", "Case 3")
    assert done.end() == 2
    assert str(file) in done.sentence()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_policy_that_gives_no_velocity_is_stopped_in_the_simulator(
    trained: LoadedRun, lab: Lab, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    before = trained.run.rollouts.read_bytes()
    monkeypatch.setattr(Controller, "act", lambda self, frames: np.full((len(frames), 2), bad))
    with pytest.raises(UserError, match="at step 0, which is no velocity"):
        evaluate_rollouts(trained, lab.workspace, 1)
    assert trained.run.rollouts.read_bytes() == before


def test_a_policy_that_never_stops_is_cut_off_and_has_not_reached(
    trained: LoadedRun, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = np.array([-1.0, 0.0])
    monkeypatch.setattr(Controller, "act", lambda self, frames: np.tile(back, (len(frames), 1)))
    found = evaluate_rollouts(trained, lab.workspace, 1)
    assert [drive.steps for drive in found.rollouts] == [MAX_STEPS, MAX_STEPS]
    assert not any(drive.success or drive.collision or drive.side for drive in found.rollouts)
    assert any("not_reached" in picture for picture in found.pictures)


def test_a_scene_in_which_the_expert_fails() -> None:
    scene = sample_scene(5)
    wall = dataclasses.replace(scene.box, half_y=30.0)
    with pytest.raises(UserError, match=r"cannot pass the box of scene 5 on the left: use another"):
        demonstrate(dataclasses.replace(scene, box=wall), "left", np.random.default_rng(0))
