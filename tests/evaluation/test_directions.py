"""What a policy was shown is what it can do: measured offline and in the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from mobile_vla.runs.results import Offline, Rollouts, read_result
from mobile_vla.simulator.simulate import simulate_dataset
from small_lab import Lab, furnish

RECIPE = """
  chunk: 10
  lora: {r: 16, alpha: 32, dropout: 0.0}
  head: {hidden: 128, layers: 1}
  learning_rate: 3e-3
  epochs: 20
  batch: 4
  accumulate: 1
  huber_delta: 0.1
  first_action_weight: 3.0
  seed: 123
"""
SCENES = 20


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, shared: Path, server: Any) -> Lab:
    """The study's laptop recipe on a hundred left episodes, and on fifty of each side."""
    lab = furnish(tmp_path_factory.mktemp("taught") / "ws", shared, server, own=True)
    for name, count, seed, split in (
        ("driven", (100, 50), 1, True),
        ("unseen", (20, 20), 2, False),
    ):
        simulate_dataset(
            lab.workspace.data(name),
            left=count[0], right=count[1], seed=seed, image_size=(128, 128), split=split,
        )  # fmt: skip
    base = lab.text[lab.text.index("  chunk: 4") : lab.text.index("profiles:")]
    lab.change(base, RECIPE.strip("\n") + "\n")
    lab.change("train: small, evaluation: small_eval", "train: driven, evaluation: unseen")
    lab.change("Case 1, vlm: tiny, data: {left: 10}", "Case 1, vlm: tiny, data: {left: 100}")
    lab.change("{left: 10, right: 10}", "{left: 50, right: 50}")
    for case in ("Case 1", "Case 3"):
        lab.run("train", case)
        assert lab.started[-1].process.exitcode == 0, lab.started[-1].stderr
        lab.run("evaluate", case, "--scenes", str(SCENES))
        assert lab.started[-1].process.exitcode == 0, lab.started[-1].stderr
    return lab


def direction(lab: Lab, case: str, side: str) -> float:
    result = read_result(lab.the_run(case).offline, Offline)
    found = [m.value for m in result.policy.by_direction[side] if m.name == "direction_accuracy"]
    return found[0]


def driven(lab: Lab, case: str, side: str) -> list[bool]:
    result = read_result(lab.the_run(case).rollouts, Rollouts)
    drives = [drive.success for drive in result.rollouts if drive.direction == side]
    assert len(drives) == SCENES
    return drives


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_offline_only_the_policy_that_saw_right_goes_right(taught: Lab) -> None:
    assert direction(taught, "left_10", "left") >= 0.9
    assert direction(taught, "left_10", "right") <= 0.2
    assert direction(taught, "both_20", "left") >= 0.9
    assert direction(taught, "both_20", "right") >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_closed_loop_the_left_policy_fails_on_the_right(taught: Lab) -> None:
    assert sum(driven(taught, "left_10", "left")) >= 0.7 * SCENES
    assert sum(driven(taught, "left_10", "right")) <= 0.1 * SCENES


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_policy_of_both_follows_the_instruction_beyond_chance(taught: Lab) -> None:
    drives = read_result(taught.the_run("both_20").rollouts, Rollouts).rollouts
    followed = sum(drive.side == drive.direction for drive in drives)
    interval = binomtest(followed, len(drives)).proportion_ci(method="wilson")
    assert interval.low > 0.5, f"{followed} of {len(drives)}"
    offline = read_result(taught.the_run("both_20").offline, Offline)
    assert offline.swap.follows > 0.8
    assert offline.swap.change > 0.2  # over all frames, of which few turn


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_beats_replay_by_step(taught: Lab) -> None:
    offline = read_result(taught.the_run("both_20").offline, Offline)
    mae = {s.name: s.metrics[0].value for s in (offline.policy, *offline.baselines)}
    assert mae["policy"] < mae["replay_by_step"]
    assert mae["policy"] < mae["mean_action"]
    assert mae["policy"] < mae["blind"]
    assert mae["policy"] < mae["deaf"]
