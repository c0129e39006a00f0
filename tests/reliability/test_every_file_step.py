"""SIGKILL before each change to the file system from the first checkpoint to the exit."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from kill_at_step import run_killed

from mobile_vla.evidence.model import RunView
from mobile_vla.runs.events import Checkpoint, decode_events
from mobile_vla.runs.folder import RunFolder
from small_lab import DEADLINE, Lab, _dismiss, events_of, furnish, require_same

CASE = "both_20"


def start_killed(lab: Lab, last: int) -> tuple[int, Path]:
    """Train the case, killed before change `last`: its exit code, and the list of its changes."""
    folder = lab.path / f"killed-{last}"
    folder.mkdir()
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    process = lab.context.Process(target=run_killed, args=(["train", CASE, *where], folder, last))
    process.start()
    process.join(DEADLINE)
    assert process.exitcode is not None
    return process.exitcode, folder / "changes"


def told(view: RunView) -> Any:
    """What the table says of a run, but for the places of its lines."""
    kept = [(c.step, c.epoch, c.val_loss, c.problem) for c in view.checkpoints]
    return view.state, view.steps, view.epochs, kept, view.best_val_loss, view.conflicts


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shared: Path, server: Any) -> Any:
    lab = furnish(tmp_path_factory.mktemp("undisturbed") / "ws", shared, server)
    lab.change("epochs: 3", "epochs: 2")
    code, changes = start_killed(lab, -1)
    assert code == 0
    yield lab.the_run(CASE), told(lab.judged(CASE)), len(changes.read_text().splitlines())
    _dismiss(lab)


def kill_and_resume(lab: Lab, last: int, undisturbed: tuple[RunFolder, Any, int]) -> str:
    lab.change("epochs: 3", "epochs: 2")
    code, _ = start_killed(lab, last)
    assert code in (-signal.SIGKILL, 0), (lab.path / f"killed-{last}" / "stderr").read_text()
    if code == 0:
        return "ended"
    resumed = lab.run("train", CASE, "--resume")
    run = lab.the_run(CASE)
    assert resumed.end() == 0, f"change {last}: {resumed.stderr}"
    require_same(run, undisturbed[0])
    assert told(lab.judged(CASE)) == undisturbed[1], f"change {last}"
    assert not list(run.path.rglob("*.part")) and not list(run.path.rglob("*.old"))
    return "resumed"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_kill_before_every_change(
    tmp_path: Path, shared: Path, server: Any, undisturbed: tuple[RunFolder, Any, int]
) -> None:
    changes = range(1, undisturbed[2] + 1)
    labs = {n: furnish(tmp_path / str(n) / "ws", shared, server) for n in changes}
    ends = [kill_and_resume(lab, n, undisturbed) for n, lab in labs.items()]
    assert len(ends) > 20
    assert ends.count("ended") == 0


def test_a_checkpoint_whose_event_was_cut_off_is_recorded_on_resume(lab: Lab) -> None:
    assert lab.run("train", CASE).end() == 0
    run = lab.the_run(CASE)
    before = told(lab.judged(CASE))
    lines = run.events.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"event":"checkpoint"' in line)
    run.events.write_bytes(b"".join(lines[:last]))
    assert lab.run("train", CASE, "--resume").end() == 0, lab.started[-1].stderr
    recorded = events_of(run.events, Checkpoint)
    assert [event.reconciled for event in recorded].count(True) == 1
    assert told(lab.judged(CASE)) == before
    assert all(line.event is not None for line in decode_events(run.events.read_bytes()))
