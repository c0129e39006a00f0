"""All the evidence of one case, and its metrics computed again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mobile_vla.cli.print_case import disk_bytes, dossier
from mobile_vla.runs.files import hash_file
from small_lab import Lab

if TYPE_CHECKING:
    from run_folders import Maker


def text_of(maker: Maker, case: str) -> str:
    return "\n".join(dossier(maker.book().case(case), maker.workspace))


def test_everything_of_a_finished_case(maker: Maker) -> None:
    run = maker.finish("robot_10")
    text = text_of(maker, "robot_10")
    for said in (
        "recipe.learning_rate: 0.0001 (case.yaml key recipe.learning_rate",
        "training + validation episodes: 8+2 left",
        "initial_weights: robovlms",
        "trained parameters: 10 (text 10)",
        "40 of 40 optimiser steps",
        "[best, latest]",
        "step 40, validation loss 0.1: loads",
        "own validation episodes",
        "mae_linear_x: 0.1 m/s, n = 40 (mean |error|)",
        "rollouts: 40 of 40 succeed",
    ):
        assert said in text, said
    assert hash_file(run.folder.events)[:12] in text
    assert "disk space:" in text


def test_truncated_and_orphan_checkpoints_are_listed_with_the_disk_they_take(maker: Maker) -> None:
    run = maker.finish("left_10")
    before = disk_bytes(run.folder.path)
    orphan = run.folder.checkpoints / "step-000099"
    orphan.mkdir()
    (orphan / "policy.safetensors").write_bytes(maker.safetensors([1.0])[:-1])
    text = text_of(maker, "left_10")
    assert "step-000099: " in text and "bytes where its header says" in text
    assert disk_bytes(run.folder.path) > before


def test_a_case_without_a_run_and_two_attempts(maker: Maker) -> None:
    assert "It has no run." in text_of(maker, "both_20")
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    maker.finish("robot_10", attempt=1)
    text = text_of(maker, "robot_10")
    assert text.index("refused in preflight") < text.index("checkpoints:")


@pytest.mark.slow
def test_metrics_computed_again_agree_with_the_log(finished_lab: Lab) -> None:
    done = finished_lab.run("status", "Case 3", "--verify-metrics", "--json")
    assert done.end() == 0, done.stderr
    checked = json.loads(done.stdout)["verified"]
    assert checked and all(found["agrees"] for found in checked)
    assert finished_lab.run("status", "--verify-metrics").end() == 2


@pytest.mark.slow
def test_a_loss_that_is_not_the_checkpoints_is_found(lab: Lab) -> None:
    assert lab.run("train", "left_10").end() == 0
    run = lab.the_run("left_10")
    for path in (run.events, run.metrics):
        text = path.read_text()
        for view in lab.judged("left_10").checkpoints:
            text = text.replace(f"{view.val_loss!r}", "0.001").replace(
                f"{view.val_loss:.6g}", "0.001"
            )
        path.write_text(text)
    done = lab.run("status", "left_10", "--verify-metrics")
    assert done.end() == 1
    assert "does not agree with the 0.001 of its log" in done.stdout
