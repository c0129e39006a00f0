"""Lightning's, TensorBoard's, MLflow's, W&B's and LeRobot's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en, en
from mobile_vla.evidence.importers.scan_folders import scan


def test_lightning_curves_hparams_and_events(tmp_path: Path) -> None:
    from tensorboardX import SummaryWriter

    folder = tmp_path / "lightning_logs/version_0"
    csv = "epoch,step,train_loss,val_loss\r\n0,9,0.5,\r\n0,9,,0.4\r\n1,19,,0.2\r\n2,29,,0.3\r\n"
    make.write(folder / "metrics.csv", csv)
    make.write(folder / "hparams.yaml", "max_epochs: 3\nlearning_rate: 0.001\nseed: 7\n")
    make.checkpoint(folder / "checkpoints/epoch=1-step=20.ckpt", 1)
    with SummaryWriter(str(tmp_path / "tb")) as writer:
        for step, loss in enumerate((0.5, 0.25)):
            writer.add_scalar("val_loss", loss, step)
    runs = {run.case: run for run in scan([tmp_path]).runs}
    run = runs["lightning_logs/version_0"]
    assert (run.state, run.best_val_loss, run.final_val_loss) == ("finished", 0.2, 0.3)
    assert run.foreign.val_losses[1].evidence.where == "line 4"  # type: ignore[union-attr]
    assert run.best is not None and run.best.val_loss == 0.2
    assert run.factors["seed"].value == "7"
    events = runs["tb"]
    assert (events.state, events.best_val_loss, events.final_val_loss) == ("unknown", 0.25, 0.25)


def test_a_corrupt_event_record_stops_the_curve_and_is_said(tmp_path: Path) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path / "tb")) as writer:
        for step in range(5):
            writer.add_scalar("val_loss", 1.0 + step, step)
    (path,) = (tmp_path / "tb").iterdir()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    run = only_run(tmp_path)
    assert run.final_val_loss == 4.0
    assert any("record 6 is cut or corrupt" in conflict for conflict in all_en(run.conflicts))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("RUNNING", "unknown"),
        ("FINISHED", "unverified"),
        ("FAILED", "failed"),
        ("KILLED", "killed"),
    ],
)
def test_mlflow_is_quoted_not_believed(tmp_path: Path, status: str, state: str) -> None:
    make.mlflow_store(tmp_path / "mlflow.db", status)
    run = only_run(tmp_path)
    assert (run.case, run.state) == ("case_m", state)
    assert status in en(run.why)
    assert (run.best_val_loss, run.final_val_loss, run.steps) == (0.1, 0.2, 2)
    assert run.factors["recipe.learning_rate"].value == "0.0001"


@pytest.mark.parametrize(
    ("code", "state"), [(0, "unverified"), (1, "failed"), (None, "unknown")]
)  # fmt: skip
def test_wandb_offline_files(tmp_path: Path, code: int | None, state: str) -> None:
    path = make.wandb_file(tmp_path / "wandb/offline-run-1/run-1.wandb", code)
    assert path.stat().st_size > 2 * 32768
    run = only_run(tmp_path)
    assert (run.case, run.state, run.steps) == ("w", state, 399)
    assert run.final_val_loss == pytest.approx(1 / 400)
    assert run.conflicts == []
    data = bytearray(path.read_bytes())
    data[40000] ^= 1
    path.write_bytes(data)
    damaged = only_run(tmp_path)
    assert any("checksum is wrong" in conflict for conflict in all_en(damaged.conflicts))
    assert damaged.steps is not None and 0 < damaged.steps < 399


@pytest.mark.parametrize(("last", "state"), [(200, "finished"), (100, "unknown")])
def test_lerobot_training_folders(
    tmp_path: Path, maker: object, last: int, state: str
) -> None:  # fmt: skip
    for step in (100, last):
        folder = tmp_path / f"act/checkpoints/{step:06d}/pretrained_model"
        text = json.dumps({"job_name": "act_left", "steps": 200, "batch_size": 8, "seed": 3})
        make.write(folder / "train_config.json", text)
        make.write(folder / "model.safetensors", maker.safetensors([1.0]))  # type: ignore[attr-defined]
    (tmp_path / "act/checkpoints/last").symlink_to(f"{last:06d}")
    runs = [run for run in scan([tmp_path / "act"]).runs if run.foreign.maker == "LeRobot"]  # type: ignore[union-attr]
    assert [(run.case, run.state, run.steps, run.total_steps) for run in runs] == [
        ("act_left", state, last, 200)]  # fmt: skip
