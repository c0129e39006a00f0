"""The queue killed whole and started again: it goes on, and nothing is trained twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_vla.casebook.casebook import Casebook
from mobile_vla.record.events import Checkpoint, Exit, Start
from mobile_vla.record.folder import find_runs
from mobile_vla.study.load import load_study
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
