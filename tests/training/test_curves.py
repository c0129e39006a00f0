"""MetricsLogger reach the trackers as `metrics.csv` has them; checkpoints within long epochs."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Checkpoint
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import MetricsFile, read_metrics
from mobile_vla.training.loggers import MetricsLogger, TensorBoard
from mobile_vla.training.run import begin_run, train
from small_lab import Lab, events_of, furnish

CASE = "both_20"
CURVES = {
    "epoch", "train_loss", "val_loss", "val_mae", "learning_rate", "grad_norm", "frames_per_second",
    "data_wait_share", "memory_mb",
}  # fmt: skip


def keep(lab: Lab, record: str) -> None:
    lab.change("rollout_scenes: 2", f"rollout_scenes: 2\n    record: {record}")


def trained(lab: Lab, *, resume: bool = False) -> RunFolder:
    run = lab.the_run(CASE) if resume else begin_run(lab.resolved(CASE), lab.workspace)
    assert train(run, lab.workspace, resume=resume, terminal=False).outcome == "finished"
    return run


def events(folder: Path) -> list[Any]:
    """Every event of a folder's TensorBoard files: frames of length, check, message, check."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(folder.glob("events.*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + length]))
            at += 16 + length
    return found


def board(run: RunFolder) -> dict[str, dict[int, float]]:
    """TensorBoard's curves: tag, then step, then value."""
    found: dict[str, dict[int, float]] = {}
    for event in events(run.path / "tensorboard"):
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_has_what_the_csv_has(here: Lab) -> None:
    run = trained(here)
    curves, csv = board(run), read_metrics(run.metrics)
    assert curves.keys() == CURVES
    steps = dict(csv["step"])
    for name in CURVES - {"epoch"}:
        wanted = {int(steps[line]): value for line, value in csv[name]}
        assert curves[name].keys() == wanted.keys(), name
        assert all(curves[name][s] == pytest.approx(v, rel=1e-5) for s, v in wanted.items()), name


def test_a_tracker_that_cannot_be_opened_is_refused_before_training(here: Lab) -> None:
    run = begin_run(here.resolved(CASE), here.workspace)
    (run.path / "tensorboard").write_text("in the way")
    with pytest.raises(UserError, match="The tracker tensorboard cannot be opened"):
        train(run, here.workspace, terminal=False)
    assert not run.checkpoints.exists()


def test_a_tracker_that_fails_is_said_once_and_the_rows_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = TensorBoard(tmp_path / "board", purge_from=None)
    curves = MetricsLogger(MetricsFile(tmp_path / "metrics.csv"), [board])
    board.finalize("failed")  # what it writes to is closed
    for step in (1, 2):
        curves.append(epoch=0, step=step, train_loss=0.5)
    curves.sync()
    curves.close("success")
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("TensorBoard failed and is left; metrics.csv goes on: ValueError(")
    assert len(read_metrics(tmp_path / "metrics.csv")["train_loss"]) == 2


def test_what_a_resumed_run_repeats_is_purged(tmp_path: Path) -> None:
    """Two files, though both were opened within a second; the later one begins with the step."""
    from tensorboardX.proto.event_pb2 import SessionLog

    for purge_from in (None, 4):
        board = TensorBoard(tmp_path, purge_from=purge_from)
        board.log_metrics({"train_loss": 0.5}, step=5)
        board.finalize("success")
        board_name = Path(board.experiment._file_name)
        board_name.rename(tmp_path / f"events.{purge_from}")
    starts = [e.step for e in events(tmp_path) if e.session_log.status == SessionLog.START]
    assert starts == [5]


def test_no_tracker_where_none_is_named(here: Lab) -> None:
    keep(here, "{loggers: []}")
    run = trained(here)
    assert not (run.path / "tensorboard").exists()


def test_an_unknown_tracker_is_an_error_that_names_the_key(here: Lab) -> None:
    keep(here, "{loggers: [tensorbored]}")
    with pytest.raises(UserError, match="tensorbored"):
        here.resolved(CASE)


def test_mlflow(here: Lab) -> None:
    pytest.importorskip("mlflow")
    keep(here, "{loggers: [mlflow]}")
    run = trained(here)
    trained(here, resume=True)
    store = sqlite3.connect(here.path / "mlflow.db")
    ((name, status),) = store.execute("select name, status from runs").fetchall()
    assert (name, status) == (f"{CASE}/{run.path.name}", "FINISHED")
    steps = store.execute("select step, value from metrics where key = 'train_loss' order by step")
    wanted = [value for _, value in read_metrics(run.metrics)["train_loss"]]
    assert [value for _, value in steps.fetchall()] == pytest.approx(wanted, rel=1e-5)
    (told,) = store.execute("select value from params where key = 'recipe/window'").fetchone()
    assert told == "8"


def test_wandb_offline(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    keep(here, "{loggers: [wandb]}")
    run = trained(here)
    (file,) = (run.path / "wandb").glob("offline-run-*/*.wandb")
    assert file.stat().st_size > 1000


def same_weights(one: RunFolder, other: RunFolder) -> None:
    for link in ("latest", "best"):
        ours = load_file(one.checkpoints / link / "policy.safetensors")
        theirs = load_file(other.checkpoints / link / "policy.safetensors")
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_checkpoints_within_an_epoch(tmp_path: Path, shared: Path) -> None:
    usual, often = (furnish(tmp_path / name, shared, None) for name in ("usual", "often"))
    keep(often, "{checkpoint_minutes: 1e-9}")
    every_epoch, every_step = trained(usual), trained(often)
    assert [e.step for e in events_of(every_epoch.events, Checkpoint)] == [4, 8, 12]
    written = events_of(every_step.events, Checkpoint)
    assert [event.step for event in written] == list(range(1, 13))
    assert [event.step for event in written if event.val_loss is not None] == [4, 8, 12]
    assert all(not event.best for event in written if event.val_loss is None)
    kept = {path.name for path in every_step.checkpoints.iterdir()}
    best = every_step.best.resolve().name
    assert kept == {"latest", "best", "step-000012", best}
    same_weights(every_step, every_epoch)


def test_a_checkpoint_of_another_version_is_said(here: Lab) -> None:
    from mobile_vla.training.run_checkpoints import RESUME, read_resume

    run = trained(here)
    folder, state = read_resume(run)
    del state["scaler"]
    torch.save(state, folder / RESUME)
    with pytest.raises(UserError, match="lacks scaler, so another version"):
        read_resume(run)
