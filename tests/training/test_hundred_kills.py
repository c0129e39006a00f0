"""A hundred SIGKILLs at random moments, a third of them aimed at a checkpoint being written."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.runs.events import Start
from mobile_vla.runs.folder import RunFolder
from small_lab import Lab, _dismiss, events_of, furnish, require_same, until

CASE = "both_20"
RUNS = 10
KILLS = 10
"""A run's kills: RUNS × KILLS is the hundred."""
EPOCHS = "epochs: 25"
STEPS = 100


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shared: Path, server: Any) -> Any:
    lab = furnish(tmp_path_factory.mktemp("undisturbed") / "ws", shared, server)
    lab.change("epochs: 3", EPOCHS)
    assert lab.run("train", CASE).end() == 0, lab.started[-1].stderr
    yield lab.the_run(CASE)
    _dismiss(lab)


def size(run: RunFolder) -> int:
    return run.metrics.stat().st_size if run.metrics.exists() else 0


def being_written(run: RunFolder) -> bool:
    try:
        return any(name.endswith(".part") for name in os.listdir(run.checkpoints))  # noqa: PTH208
    except FileNotFoundError:
        return False


def moment(dice: random.Random, run: RunFolder) -> Callable[[], bool]:
    """Some time after it has begun to train, or within a checkpoint's write, or before either."""
    kind = dice.random()
    if kind < 0.1:
        begun, wait = time.monotonic(), dice.uniform(0.0, 1.0)
        return lambda: time.monotonic() - begun > wait
    if kind < 0.4:
        return lambda: being_written(run)
    before, rows = size(run), dice.uniform(0, 8)
    return lambda: size(run) - before > 60 * rows


def kill_once(lab: Lab, dice: random.Random, arguments: tuple[str, ...]) -> str:
    """Start or resume, kill at some moment: what the kill fell into."""
    training = lab.start("train", CASE, *arguments)
    until(lambda: lab.runs(CASE) or not training.running, "a run folder")
    run = lab.runs(CASE)[-1]
    now = moment(dice, run)
    until(lambda: now() or not training.running, "the moment")
    if not training.running:
        return "ended"
    os.kill(training.process.pid, signal.SIGKILL)
    assert training.end() in (-signal.SIGKILL, 0), training.stderr
    return "write" if being_written(run) else "step"


def kill_and_resume(path: Path, shared: Path, server: Any, undisturbed: RunFolder) -> list[str]:
    """A run killed `KILLS` times, then to its end; what the kills fell into."""
    lab = furnish(path / "ws", shared, server)
    lab.change("epochs: 3", EPOCHS)
    lab.change("rollout_scenes: 2", "rollout_scenes: 2\n    record: {checkpoint_minutes: 0.005}")
    dice = random.Random(path.name)
    try:
        fell = [kill_once(lab, dice, ("--resume",) if n else ()) for n in range(KILLS)]
        assert fell.count("ended") == 0, fell
        assert lab.run("train", CASE, "--resume").end() == 0, lab.started[-1].stderr
        run = lab.the_run(CASE)
        require_same(run, undisturbed)
        assert run.latest_step == STEPS
        assert len(events_of(run.events, Start)) <= KILLS + 1
        assert not list(run.path.rglob("*.part"))
    finally:
        _dismiss(lab)
    return fell


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_kills(tmp_path: Path, shared: Path, server: Any, undisturbed: RunFolder) -> None:
    """Two runs at a time: most of a start is waiting for one core."""
    with ThreadPoolExecutor(2) as pool:
        going = [
            pool.submit(kill_and_resume, tmp_path / str(n), shared, server, undisturbed)
            for n in range(RUNS)
        ]
        fell = [each for run in going for each in run.result()]
    assert len(fell) == RUNS * KILLS == 100
    assert fell.count("write") >= 10, fell
