"""Killed anywhere and resumed: the same weights, bit for bit, and one row for each step."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mobile_vla.runs.events import Checkpoint, Epoch, Exit, Start
from mobile_vla.runs.folder import RunFolder
from small_lab import Lab, Started, events_of, require_same, until

CASE = "both_20"
STEPS = 12

Moment = Callable[[RunFolder], bool]


def kill_at(lab: Lab, moment: Moment, *arguments: str) -> Started:
    """Start training and kill it as soon as `moment` has come (or let it end, if it never does)."""
    known = len(lab.runs(CASE))
    training = lab.start("train", CASE, *arguments)
    until(lambda: len(lab.runs(CASE)) >= max(1, known), "a run folder")
    run = lab.runs(CASE)[-1]
    until(lambda: moment(run) or not training.running, "the moment")
    if training.running:
        os.kill(training.process.pid, signal.SIGKILL)
    training.end()
    return training


def rows(run: RunFolder) -> list[list[str]]:
    if not run.metrics.exists():
        return []
    with open(run.metrics, newline="") as file:
        return list(csv.reader(file))[1:]


def after_rows(count: int) -> Moment:
    return lambda run: len(rows(run)) >= count


def writes_checkpoint(run: RunFolder) -> bool:
    return any(name.endswith(".part") for name in _names(run.checkpoints))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # the quickest look
    except FileNotFoundError:
        return []


def resume_to_the_end(lab: Lab, finished_lab: Lab) -> None:
    assert lab.run("train", CASE, "--resume").end() == 0, lab.started[-1].stderr
    run = lab.the_run(CASE)
    undisturbed = finished_lab.the_run(CASE)
    require_same(run, undisturbed)
    losses = {e.epoch: (e.train_loss, e.val_loss) for e in events_of(run.events, Epoch)}
    wanted = events_of(undisturbed.events, Epoch)
    assert losses == {e.epoch: (e.train_loss, e.val_loss) for e in wanted}
    lab.nothing_half_written()
    judged = lab.judged(CASE)
    assert (judged.state, judged.conflicts) == ("finished", [])


@pytest.mark.parametrize("count", [0, 2, 6, 13])
def test_killed_between_steps(lab: Lab, finished_lab: Lab, count: int) -> None:
    """Before the first checkpoint, after the first, in a later epoch, near the end."""
    assert kill_at(lab, after_rows(count)).end() == -signal.SIGKILL
    resume_to_the_end(lab, finished_lab)


def test_killed_while_it_writes_a_checkpoint(lab: Lab, finished_lab: Lab) -> None:
    """Again and again, until the kill has fallen into a write."""
    for attempt in range(20):
        arguments = ("--resume",) if attempt else ()
        kill_at(lab, writes_checkpoint, *arguments)
        run = lab.the_run(CASE)
        if writes_checkpoint(run):
            break
    else:
        pytest.fail("no kill of 20 fell into a write")
    resume_to_the_end(lab, finished_lab)


def test_stopped_in_an_epoch_it_goes_on_from_that_step(lab: Lab, finished_lab: Lab) -> None:
    training = lab.start("train", CASE)
    until(lambda: lab.runs(CASE) and after_rows(2)(lab.the_run(CASE)), "two steps")
    training.send(signal.SIGTERM)
    assert training.end() in (0, 1)
    stopped = events_of(lab.the_run(CASE).events, Exit)[-1].step
    resume_to_the_end(lab, finished_lab)
    starts = events_of(lab.the_run(CASE).events, Start)
    assert [start.resumed_at_step for start in starts] == [None, stopped]


def test_resuming_a_finished_run_changes_nothing(lab: Lab, finished_lab: Lab) -> None:
    assert lab.run("train", CASE).end() == 0
    before = (lab.the_run(CASE).latest / "policy.safetensors").read_bytes()
    resume_to_the_end(lab, finished_lab)
    assert (lab.the_run(CASE).latest / "policy.safetensors").read_bytes() == before
    checkpoints = events_of(lab.the_run(CASE).events, Checkpoint)
    assert [event.step for event in checkpoints] == [4, 8, STEPS]


def test_other_data_than_it_began_with_are_refused(own_lab: Lab) -> None:
    from mobile_vla.simulator.simulate import simulate_dataset

    kill_at(own_lab, lambda run: run.latest.exists())
    run = own_lab.the_run(CASE)
    manifest, steps = run.manifest.read_bytes(), len(rows(run))
    episode = sorted((own_lab.path / "data" / "small").glob("*left*.h5"))[0]
    data = own_lab.path / "data" / "small"
    for file in data.iterdir():
        file.unlink()
    simulate_dataset(data, left=10, right=10, seed=7, image_size=(64, 64))
    assert not episode.exists()
    resumed = own_lab.run("train", CASE, "--resume")
    assert resumed.end() == 1
    assert "The data set changed since" in resumed.sentence()
    assert run.manifest.read_bytes() == manifest
    assert len(rows(run)) == steps


def test_nothing_to_resume_is_said(lab: Lab) -> None:
    resumed = lab.run("train", CASE, "--resume")
    assert resumed.end() == 2
    where = f"--study {lab.study} --workspace {lab.path}"
    assert resumed.sentence() == (
        f"{CASE} has no run to resume: train it with `mvla train {CASE} {where}`."
    )
    assert not lab.workspace.runs.exists()


def test_a_run_that_lives_is_not_trained_twice(lab: Lab) -> None:
    lab.change("epochs: 3", "epochs: 2000")
    training = lab.start("train", CASE)
    lab.when(CASE, Start)
    for arguments in ((), ("--resume",)):
        second = lab.run("train", CASE, *arguments)
        assert second.end() == 2
        assert "is being trained already" in second.sentence()
    assert training.running
    assert len(lab.runs(CASE)) == 1
