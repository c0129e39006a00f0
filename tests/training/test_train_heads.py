"""Each head trains, stopped and resumed to the same bits, and drives in closed loop."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from mobile_vla.runs.events import Start
from small_lab import Lab, events_of, json_of, require_same, until

CASE = "both_20"
HEAD = "head: {hidden: 16, layers: 1}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mlp", "gpt", "discrete", "flow"])
def test_resumes_bit_for_bit_and_drives(own_lab: Lab, tmp_path: Path, kind: str) -> None:
    own_lab.change(HEAD, f"head: {{kind: {kind}, hidden: 16, layers: 1}}")
    training = own_lab.start("train", CASE)
    until(lambda: own_lab.runs(CASE) and own_lab.the_run(CASE).latest.exists(), "a checkpoint")
    training.send(signal.SIGTERM)
    assert training.end() == 1, training.stderr
    assert own_lab.run("train", CASE, "--resume").end() == 0, own_lab.started[-1].stderr
    stopped = own_lab.the_run(CASE)
    assert len(events_of(stopped.events, Start)) == 2
    shutil.move(stopped.path, tmp_path / "stopped")
    assert own_lab.run("train", CASE).end() == 0, own_lab.started[-1].stderr
    require_same(type(stopped)(tmp_path / "stopped"), own_lab.the_run(CASE))
    assert own_lab.run("evaluate", CASE).end() == 0, own_lab.started[-1].stderr
    rollouts = json_of(own_lab.the_run(CASE).rollouts.read_text())
    assert len(rollouts["rollouts"]) == 4
