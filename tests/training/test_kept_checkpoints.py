"""Which checkpoints of a run stay: the latest, the best, and one each so many epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_vla.runs.events import Preflight
from mobile_vla.runs.folder import RunFolder
from mobile_vla.training.run_checkpoints import prune
from small_lab import Lab, events_of


@pytest.mark.parametrize(
    ("keep", "stay", "resumable"),
    [(0, {10, 40}, {10, 40}), (20, {10, 20, 40}, {10, 40}), (15, {10, 30, 40}, {10, 40})],
)
def test_what_no_link_points_to_stays_at_multiples_alone(
    tmp_path: Path, keep: int, stay: set[int], resumable: set[int]
) -> None:
    run = RunFolder(tmp_path)
    for step in (10, 20, 30, 40):
        folder = run.checkpoints / f"step-{step:06d}"
        folder.mkdir(parents=True)
        for name in ("policy.safetensors", "resume.pt"):
            (folder / name).write_text("")
    run.best.symlink_to("step-000010")
    run.latest.symlink_to("step-000040")
    prune(run, keep)

    def steps(name: str) -> set[int]:
        files = run.checkpoints.glob(f"step-*/{name}")
        return {int(path.parent.name.removeprefix("step-")) for path in files}

    assert steps("policy.safetensors") == stay
    assert steps("resume.pt") == resumable


def test_a_run_keeps_one_each_so_many_epochs_and_each_loads(lab: Lab) -> None:
    lab.change("rollout_scenes: 2", "rollout_scenes: 2\n    record: {keep_epochs: 1}")
    assert lab.run("train", "Case 1").end() == 0, lab.started[-1].stderr
    views = lab.judged("left_10").checkpoints
    assert [view.epoch for view in views] == [0, 1, 2]
    assert all(view.problem is None and view.val_loss is not None for view in views)


def test_the_forecast_counts_those_that_are_kept(lab: Lab) -> None:
    def needed() -> float:
        assert lab.run("train", "Case 3", "--check").end() == 0, lab.started[-1].stderr
        (event,) = events_of(lab.runs("both_20")[-1].events, Preflight)
        return next(c.values["needed_bytes"] for c in event.checks if c.name == "disk space")

    before = needed()
    lab.change("rollout_scenes: 2", "rollout_scenes: 2\n    record: {keep_epochs: 1}")
    assert needed() - before == 3 * 4 * 14936  # epochs, bytes, trained parameters
