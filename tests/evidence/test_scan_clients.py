"""Stores written by the real clients: a run that finished, one that raised, one that was killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import RunView
from small_lab import until

END = """
import os, signal
def end(how):
    if how == "raise":
        raise RuntimeError("stopped on purpose")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""

LIGHTNING = """
import lightning as L, torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
class Net(L.LightningModule):
    def __init__(self): super().__init__(); self.layer = torch.nn.Linear(2, 2)
    def training_step(self, batch, index):
        if self.current_epoch == 1: end(how)
        return self.layer(batch[0]).square().mean()
    def validation_step(self, batch, index):
        self.log("val_loss", self.layer(batch[0]).square().mean(), prog_bar=True)
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.1)
def data():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)))
loggers = [CSVLogger(out, name="csv"), TensorBoardLogger(out, name="tb")]
L.Trainer(max_epochs=2, accelerator="cpu", logger=loggers, num_sanity_val_steps=0,
          enable_model_summary=False, log_every_n_steps=1,
          callbacks=[ModelCheckpoint(monitor="val_loss", save_top_k=-1)]).fit(Net(), data(), data())
"""

TRAINER = """
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
class Net(torch.nn.Module):
    def __init__(self): super().__init__(); self.layer = torch.nn.Linear(2, 2)
    def forward(self, x, labels=None): return {"loss": (self.layer(x) - labels).square().mean()}
class Stop(TrainerCallback):
    def on_epoch_begin(self, arguments, state, control, **more):
        if state.epoch >= 1: end(how)
rows = [{"x": torch.ones(2), "labels": torch.zeros(2)}] * 4
arguments = TrainingArguments(out + "/my_run", num_train_epochs=2, per_device_train_batch_size=2,
    eval_strategy="epoch", save_strategy="epoch", logging_steps=1, report_to=[], use_cpu=True)
Trainer(Net(), arguments, train_dataset=rows, eval_dataset=rows, callbacks=[Stop()]).train()
"""

MLFLOW = """
import mlflow
mlflow.set_tracking_uri("sqlite:///" + out + "/mlflow.db")
mlflow.start_run(run_name="left-1")
mlflow.log_param("lr", 0.001)
for step, loss in enumerate((0.5, 0.25)):
    mlflow.log_metric("val_loss", loss, step=step)
    if step: end(how)
"""

WANDB = """
import wandb
run = wandb.init(project="p", name="left-1", mode="offline", dir=out, config={"lr": 0.001})
for step, loss in enumerate((0.5, 0.25)):
    run.log({"epoch": step, "val": {"loss": loss}})
if how == "kill": signal.pause()  # W&B's own process writes the file: it is killed after that
if how != "none": end(how)
"""

TRACKIO = """
import os; os.environ["TRACKIO_DIR"] = out + "/store"
import trackio
trackio.init(project="p", name="left-1", config={"lr": 0.001})
for step, loss in enumerate((0.5, 0.25)):
    trackio.log({"epoch": step, "val_loss": loss})
if how == "kill": signal.pause()  # a thread writes the rows: it is killed after that
if how != "none": end(how)
trackio.finish()
"""

AIM = """
from aim import Run
run = Run(repo=out, experiment="left-1")
for step, loss in enumerate((0.5, 0.25)):
    run.track(loss, name="val_loss", step=step, epoch=step)
if how != "none": end(how)
"""


def train(script: str, how: str, out: Path, written: Callable[[], bool] | None = None) -> None:
    """Run a script that ends in the given way; its console is `out/train.log`.

    `written`: a script to be killed waits, and is killed once this is true.
    """
    out.mkdir()
    text = f"how, out = {how!r}, {str(out)!r}\n{END}\n{script}"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with open(out / "train.log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-c", text], stdout=log, stderr=log,
                                   cwd=out, env=environment)  # fmt: skip
        try:
            if written is not None and how == "kill":
                until(lambda: written() or process.poll() is not None, "the client's file")
                process.kill()
            ended = process.wait(timeout=240)
        finally:
            process.kill()  # where it neither wrote nor ended
    expected = {"none": 0, "raise": 1, "kill": -signal.SIGKILL}[how]
    assert ended == expected, (out / "train.log").read_text()[-3000:]


ENDS = [("none", "finished"), ("raise", "failed"), ("kill", "unknown")]


def made_by(out: Path, maker: str) -> list[RunView]:
    return [run for run in scan([out]).runs if run.foreign and run.foreign.maker == maker]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "state"), ENDS)
def test_lightning(tmp_path: Path, how: str, state: str) -> None:
    out = tmp_path / "exp-1"
    train(LIGHTNING, how, out)
    runs = {run.case: run for run in scan([out]).runs}
    if how == "kill":  # what the console had not yet written out is lost with the process
        assert {run.state for run in runs.values()} == {state}
    else:
        assert runs["exp-1"].state == state, runs["exp-1"].why
    makers = {run.foreign.maker for run in runs.values() if run.foreign}
    assert makers <= {"Lightning", "unknown"}
    curves = [run for run in scan([out]).runs if run.foreign and run.foreign.val_losses]
    assert curves
    for run in curves:
        assert run.foreign is not None
        epochs = [loss.epoch for loss in run.foreign.val_losses]
        assert epochs in ([0, 1] if how == "none" else [0], [None] * len(epochs))
        assert all(view.problem is None for view in run.checkpoints)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["none", "raise", "kill"])
def test_hugging_faces_trainer(tmp_path: Path, how: str) -> None:
    out = tmp_path / "exp-1"
    train(TRAINER, how, out)
    runs = {run.case: run for run in made_by(out, "HF Trainer")}
    folder, console = runs["my_run"], runs["exp-1"]
    assert (folder.state, console.state) == {
        "none": ("finished", "finished"), "raise": ("unknown", "failed"),
        "kill": ("unknown", "unknown")}[how]  # fmt: skip
    for run in (folder, console):
        assert run.foreign is not None
        assert [loss.epoch for loss in run.foreign.val_losses] == ([0, 1] if how == "none" else [0])
    assert all(view.problem is None for view in folder.checkpoints)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("mlflow"), reason="MLflow is not installed")
@pytest.mark.parametrize(("how", "state"), [("none", "unverified"), ("raise", "unverified"),
                                            ("kill", "unknown")])  # fmt: skip
def test_mlflow(tmp_path: Path, how: str, state: str) -> None:
    train(MLFLOW, how, tmp_path / "m")
    (run,) = made_by(tmp_path / "m", "MLflow")
    assert (run.case, run.best_val_loss) == ("left-1", 0.25)
    assert run.state in (state, "failed") if how == "raise" else run.state == state


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("wandb"), reason="W&B is not installed")
@pytest.mark.parametrize(("how", "state"), [("none", "unverified"), ("raise", "failed"),
                                            ("kill", "unknown")])  # fmt: skip
def test_wandb_offline(tmp_path: Path, how: str, state: str) -> None:
    out = tmp_path / "w"
    train(WANDB, how, out, lambda: any(b"0.25" in f.read_bytes() for f in out.rglob("*.wandb")))
    (run,) = made_by(tmp_path / "w", "W&B")
    assert run.state == state
    assert run.case == "left-1" or (how == "kill" and run.case.startswith("run-"))
    if how != "kill":
        assert run.best_val_loss == 0.25


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("trackio"), reason="trackio is not installed")
@pytest.mark.parametrize("how", ["none", "raise", "kill"])
def test_trackio(tmp_path: Path, how: str) -> None:
    out = tmp_path / "t"
    train(TRACKIO, how, out, lambda: any(b"0.25" in f.read_bytes() for f in out.rglob("*.db*")))
    (run,) = made_by(out, "trackio")
    assert (run.case, run.state, run.best_val_loss) == ("left-1", "unknown", 0.25)
    assert run.foreign is not None
    assert [(loss.epoch, loss.step) for loss in run.foreign.val_losses] == [(0, 0), (1, 1)]
    assert run.foreign.settings["lr"].value == "0.001"


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("aim"), reason="Aim is not installed")
@pytest.mark.parametrize("how", ["none", "raise", "kill"])
def test_aim_is_seen_and_not_read(tmp_path: Path, how: str) -> None:
    out = tmp_path / "a"
    train(AIM, how, out)
    scanned = scan([out])
    assert [seen.code for seen in scanned.unread] == ["import.seen_aim"]
    assert not made_by(out, "Aim")
