"""A study on a real SLURM of one node, which `tests/cluster/slurm.sh start` sets up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mobile_vla.cluster.slurm_jobs import newest_jobs
from mobile_vla.runs.events import Checkpoint, Start
from mobile_vla.runs.folder import RunFolder
from small_lab import Lab, events_of, until

pytest.importorskip("submitit")
MINUTES = 240.0


def slurm_answers() -> bool:
    """Whether a SLURM takes jobs here."""
    if not shutil.which("sinfo"):
        return False
    return subprocess.run(["sinfo"], check=False, capture_output=True, timeout=20).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not slurm_answers(), reason="no SLURM: tests/cluster/slurm.sh start"),
]


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    subprocess.run(["scancel", "--me", "--signal=KILL"], check=False)
    subprocess.run(["scancel", "--me"], check=False)


def mvla(lab: Lab, *arguments: str) -> str:
    command = [sys.executable, "-m", "mobile_vla.cli", *arguments]
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    done = subprocess.run([*command, *where], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def submit(lab: Lab) -> str:
    return mvla(lab, "train", "--all", "--on", "slurm")


def two_cases(lab: Lab, *, epochs: int) -> None:
    """Leave Case 1, and Case 3, which waits for it."""
    lab.change(
        lab.text[lab.text.index("  - name: robovlms_10") : lab.text.index("  - {name: both_20")], ""
    )
    lab.change(lab.text[lab.text.index("  - {name: robovlms_bare") :], "")
    lab.change("data: {left: 10, right: 10}", "data: {left: 10, right: 10}, after: [left_10]")
    lab.change("epochs: 3", f"epochs: {epochs}")


def run_of(lab: Lab, case: str) -> RunFolder:
    return RunFolder(lab.path / newest_jobs(lab.path)[case].run)


def has_checkpoint(lab: Lab, case: str) -> bool:
    run = run_of(lab, case)
    return run.events.exists() and bool(events_of(run.events, Checkpoint))


def finished(lab: Lab, case: str) -> Callable[[], bool]:
    def ask() -> bool:
        view = lab.judged(case)
        return view.state == "finished" and view.rollouts is not None

    return ask


def state_of(lab: Lab, case: str) -> str:
    job = newest_jobs(lab.path)[case].job
    asked = ["squeue", "--noheader", "--array", f"--jobs={job}", "--states=all", "--format=%T"]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()


def test_a_case_begins_after_the_one_it_waits_for(lab: Lab) -> None:
    two_cases(lab, epochs=3)
    said = submit(lab)
    assert "both_20: submitted as job" in said
    assert "after left_10" in said
    assert "SLURM says PENDING of Case 3" in mvla(lab, "status")
    assert "both_20: job" in submit(lab), "a case was submitted twice"
    until(finished(lab, "both_20"), "the end of the last case", MINUTES)
    assert finished(lab, "left_10")()
    until(lambda: state_of(lab, "both_20") == "COMPLETED", "the job's end")
    assert "SLURM says" not in mvla(lab, "status")


def test_a_warned_job_is_queued_again_and_goes_on(lab: Lab) -> None:
    two_cases(lab, epochs=40)
    submit(lab)
    until(lambda: has_checkpoint(lab, "left_10"), "a checkpoint", MINUTES)
    job = newest_jobs(lab.path)["left_10"].job
    subprocess.run(["scancel", "--signal=USR2", job], check=True)
    run = run_of(lab, "left_10")
    until(lambda: len(events_of(run.events, Start)) == 2, "a second start", MINUTES)
    starts = events_of(run.events, Start)
    assert starts[1].resumed_at_step in [e.step for e in events_of(run.events, Checkpoint)]
    until(finished(lab, "left_10"), "the case's end", MINUTES)


def test_a_cancelled_job_is_a_killed_run_that_is_submitted_again(lab: Lab) -> None:
    two_cases(lab, epochs=40)
    submit(lab)
    until(lambda: has_checkpoint(lab, "left_10"), "a checkpoint", MINUTES)
    subprocess.run(["scancel", newest_jobs(lab.path)["left_10"].job.partition("_")[0]], check=True)
    until(lambda: lab.judged("left_10").state == "killed", "the run's end", MINUTES)
    first = run_of(lab, "left_10")
    until(lambda: state_of(lab, "left_10") == "CANCELLED", "the job's end")
    assert "left_10: submitted as job" in submit(lab)
    assert run_of(lab, "left_10").path == first.path
    until(finished(lab, "left_10"), "the case's end", MINUTES)


def test_sbatch_says_why_it_refuses(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    two_cases(lab, epochs=3)
    monkeypatch.setitem(os.environ, "SBATCH_PARTITION", "nowhere")
    command = [sys.executable, "-m", "mobile_vla.cli", "train", "--all", "--on", "slurm"]
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    done = subprocess.run([*command, *where], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "sbatch refused the jobs" in done.stderr
    assert "Traceback" not in done.stderr
    assert not newest_jobs(Path(lab.path))
