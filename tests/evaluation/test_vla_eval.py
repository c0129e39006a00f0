"""Another's harness drives our task with our policy, and finds what our own rollouts found."""

from __future__ import annotations

from typing import Any

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.results import Rollouts, read_result
from small_lab import Lab

vla_eval = pytest.importorskip("vla_eval")

BENCHMARK = "mobile_vla.evaluation.vla_eval:LeftRightBenchmark"


def test_it_finds_what_our_own_rollouts_found(finished_lab: Lab, tmp_path: Any) -> None:
    from mobile_vla.evaluation.vla_eval import PolicyServer

    run = finished_lab.the_run("both_20")
    config = {
        "render": "cpu",
        "benchmarks": [
            {"benchmark": BENCHMARK, "mode": "sync", "episodes_per_task": 2,
             "params": {"image_size": [64, 64]}},
        ],
    }  # fmt: skip
    (found,) = vla_eval.evaluate(
        PolicyServer(str(run.path)), config, no_save=True, output_dir=tmp_path
    )
    assert found["num_errors"] == 0
    own = read_result(run.rollouts, Rollouts).rollouts
    for task, side in zip(found["tasks"], ("left", "right"), strict=True):
        drives = [drive for drive in own if drive.direction == side]
        assert task["num_episodes"] == len(drives) == 2
        assert task["mean_success"] == sum(drive.success for drive in drives) / 2
        assert task["mean_collision"] == sum(drive.collision for drive in drives) / 2
        lengths = sum(drive.path_length for drive in drives) / 2
        assert task["mean_path_length"] == pytest.approx(lengths, abs=1e-3)
        assert task["avg_steps"] == sum(drive.steps for drive in drives) / 2


def test_two_sessions_of_one_server_are_refused(finished_lab: Lab) -> None:
    import numpy as np
    from vla_eval.model_servers.base import SessionContext

    from mobile_vla.evaluation.vla_eval import PolicyServer

    server = PolicyServer(str(finished_lab.the_run("both_20").path))
    seen = {
        "images": {"front": np.zeros((64, 64, 3), np.uint8)},
        "task_description": "go around the box on the left, to the basket",
    }
    one, other = SessionContext("one", "a"), SessionContext("other", "a")
    assert server.predict(seen, one)["actions"].shape == (2,)
    other._increment_step()
    with pytest.raises(UserError, match="start a server for each"):
        server.predict(seen, other)
