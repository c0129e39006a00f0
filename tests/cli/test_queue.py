"""The queue killed whole and started again: it goes on, and nothing is trained twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.runs.events import Checkpoint, Exit, Start
from mobile_vla.runs.folder import find_runs
from mobile_vla.study.load_study import load_study
from small_lab import Lab, events_of, until

CASES = ("left_10", "both_20", "right_10")


@pytest.fixture
def three(lab: Lab) -> Lab:
    """Three cases that can all be trained, long enough to be killed."""
    robot = lab.text[lab.text.index("  - name: robovlms_10") : lab.text.index("  - {name: both_20")]
    lab.change(robot, "")
    lab.change(
        "robovlms_bare, vlm: tiny, data: {left: 10}", "right_10, vlm: tiny, data: {right: 10}"
    )
    lab.change("epochs: 3", "epochs: 30")
    return lab


def start(lab: Lab, log: Path) -> subprocess.Popen[bytes]:
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    with open(log, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "mobile_vla.cli", "train", "--all", "--jobs", "2", *where],
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip


def training(lab: Lab) -> int:
    """Runs with a checkpoint and no end yet."""
    runs = [run for run in find_runs(lab.workspace.runs) if run.events.exists()]
    return sum(
        bool(events_of(run.events, Checkpoint)) and not events_of(run.events, Exit) for run in runs
    )


@pytest.mark.slow
def test_killed_midway_and_started_again(three: Lab, tmp_path: Path) -> None:
    first = start(three, tmp_path / "first.log")
    until(lambda: training(three) == 2 or first.poll() is not None, "two cases in training")
    assert first.poll() is None, (tmp_path / "first.log").read_text()
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    study = load_study(three.study)
    book = Casebook(three.path, study, "laptop", study_path=three.study)
    until(lambda: not [c for c in book.cases() if c.state == "running"], "the jobs' deaths")
    killed = list(find_runs(three.workspace.runs))
    done = {run.path: run.latest_step for run in killed}

    second = start(three, tmp_path / "second.log")
    assert second.wait(240) == 0, (tmp_path / "second.log").read_text()
    said = (tmp_path / "second.log").read_text()
    told = [line.split(" in ")[0] for line in said.splitlines() if " in " in line]
    assert sorted(told) == ["resuming Case 1", "resuming Case 3", "training right_10"]
    for case in CASES:
        run = three.the_run(case)
        view = three.judged(case)
        assert (view.state, view.conflicts) == ("finished", [])
        assert view.offline is not None
        assert view.rollouts is not None
        starts = events_of(run.events, Start)
        assert len(starts) == (2 if run.path in done else 1)
        if run.path in done:
            assert starts[1].resumed_at_step == done[run.path]
        steps = [event.step for event in events_of(run.events, Checkpoint)]
        assert steps == sorted(set(steps)), "an epoch was trained twice"

    third = start(three, tmp_path / "third.log")
    assert third.wait(120) == 0
    assert (tmp_path / "third.log").read_text() == ""
    assert all(len(events_of(three.the_run(case).events, Exit)) == 1 for case in CASES)


@pytest.mark.slow
def test_a_failure_stops_no_other_case_and_what_is_finished_is_left(
    lab: Lab, tmp_path: Path
) -> None:
    """Case 1 ends in NaN; Case 3 is finished and evaluated already."""
    lab.change(
        lab.text[lab.text.index("  - name: robovlms_10") : lab.text.index("  - {name: both")], ""
    )
    rate = "recipe: {learning_rate: 1e30}"
    lab.change(
        "Case 1, vlm: tiny, data: {left: 10}", f"Case 1, vlm: tiny, data: {{left: 10}}, {rate}"
    )
    lab.change("robovlms_bare, vlm: tiny, data: {left", "right_10, vlm: tiny, data: {right")
    for command in ("train", "evaluate"):
        assert lab.run(command, "both_20").end() == 0, lab.started[-1].stderr
    finished = lab.the_run("both_20").events.read_bytes()

    log = tmp_path / "queue.log"
    assert start(lab, log).wait(240) == 1, log.read_text()
    said = log.read_text().splitlines()
    told = [line.split(" in ")[0] for line in said if f" in {lab.workspace.runs}" in line]
    assert sorted(told) == ["training Case 1", "training right_10"]
    assert "right_10: finished and evaluated" in said
    (why,) = [line for line in said if line.startswith("Case 1: ")]
    assert "lower the learning rate" in why
    assert lab.the_run("both_20").events.read_bytes() == finished
    view = lab.judged("right_10")
    assert (view.state, view.conflicts) == ("finished", [])
    assert view.offline is not None and view.rollouts is not None

    before = {run.path: run.events.read_bytes() for run in find_runs(lab.workspace.runs)}
    again = tmp_path / "again.log"
    assert start(lab, again).wait(240) == 1, "the failed case is tried anew, and nothing else"
    (told,) = [
        line for line in again.read_text().splitlines() if f" in {lab.workspace.runs}" in line
    ]
    assert told.startswith("training Case 1 in ")
    assert len(lab.runs("left_10")) == 2
    after = {run.path: run.events.read_bytes() for run in find_runs(lab.workspace.runs)}
    assert {path: after[path] for path in before} == before
