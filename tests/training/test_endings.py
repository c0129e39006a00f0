"""How each way to end is told: by real processes, and the casebook that reads what they left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from in_english import en
from mobile_vla.runs.events import Checkpoint, Epoch, Exit, Preflight, Start
from mobile_vla.runs.folder import RunFolder
from small_lab import Lab, events_of, json_of

LONG = ("epochs: 3", "epochs: 2000")


def told(lab: Lab, case: str) -> tuple[str, str]:
    """State and reason by the casebook, and the same by the command."""
    run = lab.judged(case)
    command = lab.run("status", case, "--json")
    assert command.end() == 0
    said = json_of(command.stdout)
    assert (said["state"], said["run"]["state"]) == (run.state, run.state)
    return run.state, en(run.why)


def test_success(finished_lab: Lab) -> None:
    state, why = told(finished_lab, "both_20")
    assert state == "finished"
    assert why == "finished 12 of 12 steps, and its checkpoint loads"
    run = finished_lab.the_run("both_20")
    (ended,) = events_of(run.events, Exit)
    assert (ended.outcome, ended.step) == ("finished", 12)
    assert [event.epoch for event in events_of(run.events, Epoch)] == [0, 1, 2]
    assert finished_lab.judged("both_20").conflicts == []


def test_the_same_run_while_it_lives_and_after_sigkill(lab: Lab) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    lab.when("left_10", Epoch)
    assert lab.judged("left_10").state == "running"
    training.send(signal.SIGKILL)
    assert training.end() == -signal.SIGKILL
    state, why = told(lab, "left_10")
    assert state == "killed"
    assert f"its process {training.process.pid} is gone and left no exit event" in why
    assert events_of(lab.the_run("left_10").events, Exit) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_after_a_checkpoint(lab: Lab, number: int) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    run = lab.when("left_10", Epoch)
    training.send(number)
    assert training.end() == 1
    assert "Traceback" not in training.stderr
    (ended,) = events_of(run.events, Exit)
    assert ended.outcome == "interrupted"
    assert ended.step == run.latest_step == events_of(run.events, Checkpoint)[-1].step
    state, why = told(lab, "left_10")
    assert state == "killed"
    assert f"step {ended.step} of 4000 is saved" in why
    lab.nothing_half_written()


def test_a_signal_before_the_first_step_claims_no_checkpoint(lab: Lab) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    run = lab.when("left_10", Start)
    training.send(signal.SIGTERM)
    assert training.end() == 1
    (ended,) = events_of(run.events, Exit)
    saved = run.latest_step is not None
    assert ("is saved" in ended.reason, "is not saved" in ended.reason) == (saved, not saved)
    assert told(lab, "left_10")[0] == "killed"


def latents(lab: Lab) -> list[Path]:
    return sorted((lab.path / "cache" / "latents").rglob("*.npy"))


def test_an_exception_in_the_loop(own_lab: Lab) -> None:
    """What it has cached is cut off under its hands."""
    own_lab.change(*LONG)
    training = own_lab.start("train", "left_10")
    run = own_lab.when("left_10", Epoch)
    for file in latents(own_lab):
        os.truncate(file, 40)
    assert training.end() == 2
    assert "is damaged" in training.sentence()
    (ended,) = events_of(run.events, Exit)
    assert (ended.outcome, ended.exception) == ("exception", "UserError")
    state, why = told(own_lab, "left_10")
    assert state == "failed"
    assert "stored vision features, is damaged" in why


def test_an_exception_that_nobody_foresaw_keeps_its_traceback(own_lab: Lab) -> None:
    """A cached array of another shape is one that no code of this project can have written."""
    own_lab.change(*LONG)
    training = own_lab.start("train", "left_10")
    run = own_lab.when("left_10", Epoch)
    for file in latents(own_lab):
        _replace(file, np.load(file)[:, :, :5])
    assert training.end() == 1
    (ended,) = events_of(run.events, Exit)
    assert (ended.outcome, ended.exception) == ("exception", "RuntimeError")
    assert run.console.read_text().count("Traceback (most recent call last)") == 1
    state, why = told(own_lab, "left_10")
    assert state == "failed"
    assert "RuntimeError: " in why


def test_features_that_are_no_numbers_end_it_and_name_the_episodes(own_lab: Lab) -> None:
    own_lab.change(*LONG)
    training = own_lab.start("train", "left_10")
    run = own_lab.when("left_10", Epoch)
    for file in latents(own_lab):
        _replace(file, np.full_like(np.load(file), 0x7FC0))  # NaN in bfloat16
    assert training.end() == 1
    assert training.sentence() == _nan_of(run).reason
    names = {path.stem for path in (own_lab.path / "data" / "small").glob("*.h5")}
    assert sum(name in _nan_of(run).reason for name in names) >= 2
    state, why = told(own_lab, "left_10")
    assert state == "failed"
    assert "value that is no number" in why


def test_a_learning_rate_beyond_all_bounds_ends_in_nan(lab: Lab) -> None:
    lab.change("learning_rate: 3e-3", "learning_rate: 1e30")
    training = lab.run("train", "left_10")
    assert training.end() == 1
    run = lab.the_run("left_10")
    assert "episode_" in _nan_of(run).reason
    assert not run.checkpoints.exists() or all(_finite(run, link) for link in ("latest", "best"))
    assert told(lab, "left_10")[0] == "failed"


def _nan_of(run: RunFolder) -> Exit:
    (ended,) = events_of(run.events, Exit)
    assert ended.outcome == "nan"
    return ended


def _finite(run: RunFolder, link: str) -> bool:
    from safetensors.numpy import load_file

    file = run.checkpoints / link / "policy.safetensors"
    return not file.exists() or all(np.isfinite(value).all() for value in load_file(file).values())


def _replace(file: Path, array: np.ndarray) -> None:
    beside = file.with_suffix(".new")
    with open(beside, "wb") as opened:
        np.save(opened, array)
    beside.replace(file)


def test_a_check_alone_trains_nothing(lab: Lab) -> None:
    done = lab.run("train", "left_10", "--check", "--json")
    assert done.end() == 0
    run = lab.the_run("left_10")
    assert lab.path / json_of(done.stdout)["path"] == run.path
    assert "preflight: VLM path" in done.stderr
    (found,) = events_of(run.events, Preflight)
    assert all(check.passed for check in found.checks)
    assert not run.checkpoints.exists()
    assert lab.judged("left_10").state == "queued"
