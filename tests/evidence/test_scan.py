"""Runs nobody instrumented: what their files tell, and no more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import foreign_material as make
from in_english import all_en, en
from mobile_vla.cli.scan_table import told
from mobile_vla.evidence.importers.scan_folders import Scanned, scan
from mobile_vla.evidence.model import RunView
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import hash_file

MISSING = (
    'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\n'
    "FileNotFoundError: [Errno 2] No such file or directory: '.vlms/a.pt'\n"
)


def only(root: Path) -> RunView:
    found = scan([root])
    assert len(found.runs) == 1, [run.case for run in found.runs]
    return found.runs[0]


def told_of(found: Scanned) -> str:
    return "\n".join(told(found))


def test_a_log_alone_tells_the_run(tmp_path: Path) -> None:
    path = make.write(tmp_path / "any name.txt", make.log("case_1", [0.3, 0.01, 0.0131]))
    run = only(tmp_path)
    found = run.foreign
    assert found is not None and found.train is not None and found.validation is not None
    assert (run.case, run.state) == ("case_1", "finished")
    assert (found.train.episodes, found.validation.episodes) == (400, 100)
    assert (found.train.pattern, found.train.frames) == (make.GLOB, 7200)
    assert run.train is None and run.train_hashes == []
    assert [(loss.epoch, loss.value) for loss in found.val_losses] == [
        (0, 0.3), (1, 0.01), (2, 0.0131)]  # fmt: skip
    assert (run.best_val_loss, run.final_val_loss, run.epochs) == (0.01, 0.0131, 3)
    assert (found.steps_per_epoch, found.samples_per_epoch) == (400, 400)
    assert (run.steps, run.factors["optimiser_steps"].value) == (150, "150")
    assert found.date == "2025-12-04"
    assert any("frozen" in c and "55.8 M" in c and "r = 32" in c for c in all_en(run.conflicts))
    line = path.read_text().splitlines()[0:]
    where = found.train.evidence
    assert where.blake3 == hash_file(path) and where.file == path.as_posix()
    number = int(where.where.split(",")[0].removeprefix("line "))
    assert "num_episodes: 400" in path.read_text().split("\n")[number - 1], line


def test_a_loss_before_its_epochs_validation_is_the_one_before(tmp_path: Path) -> None:
    text = make.log("case_1", [0.3], ending="") + make.bar(1, 200, 400, 0.3)
    text += make.bar(1, 400, 400, 0.3)
    make.write(tmp_path / "a.log", text)
    run = only(tmp_path)
    assert [loss.epoch for loss in run.foreign.val_losses] == [0]  # type: ignore[union-attr]
    assert run.state == "unknown"
    assert "epoch 1, step 400 of 400" in en(run.why)


def test_failed_attempts_are_runs_of_the_case_their_contents_name(tmp_path: Path) -> None:
    dump = repr(make.config("case_2", model_load_path=".vlms/a.pt"))
    make.write(tmp_path / "train_robot_20251204_073828.txt", f"x\n{dump}\n{MISSING}")
    early = "Error: Cannot import lightning module. Please ensure it is installed.\n"
    make.write(tmp_path / "train_robot_20251204_073630.txt", early)
    make.write(tmp_path / "other_20251204_073630.txt", early)
    make.write(tmp_path / "report.txt", "Analyzing 250 files\n[245 files (98.0%)] W W D\n")
    found = scan([tmp_path])
    assert [(run.case, run.state) for run in found.runs] == [("case_2", "failed")] * 2
    first, second = found.runs
    assert "Cannot import lightning module" in en(first.why) and "before any data" in en(first.why)
    assert any("by the time alone" in conflict for conflict in all_en(first.conflicts))
    assert "No such file or directory: '.vlms/a.pt'" in en(second.why)
    assert "before any data was read" in en(second.why)
    assert second.evidence[0].where == "line 5"
    assert second.factors["initial_weights"].value == ".vlms/a.pt"
    assert len(found.problems) == 1 and "other_2025" in found.problems[0]


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        ("Killed\n", "killed"),
        ("run.sh: line 3:  4242 Killed                  python main.py\n", "killed"),
        ("Detected KeyboardInterrupt, attempting graceful shutdown...\n", "killed"),
        ("Traceback (most recent call last):\n  File x\ntorch.OutOfMemoryError: CUDA out of "
         "memory. Tried to allocate\n", "failed"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_every_ending_of_a_log(tmp_path: Path, ending: str, state: str) -> None:
    make.write(tmp_path / "a.log", make.log("case_1", [0.3], ending="\n" + ending))
    assert only(tmp_path).state == state


def test_a_folder_its_log_and_its_config_are_one_run(tmp_path: Path) -> None:
    folder = tmp_path / make.RUN.format(name="case_3")
    make.checkpoint(folder / "epoch_epoch=01-val_loss=val_loss=0.027.ckpt", 1)
    make.checkpoint(folder / "epoch_epoch=02-val_loss=val_loss=0.013.ckpt", 2)
    make.checkpoint(folder / "last.ckpt", 2)
    make.write(tmp_path / "logs/a.txt", make.log("case_3", [0.3, 0.0271, 0.0357]))
    text = json.dumps(make.config("case_3", learning_rate=2e-4), indent=1)
    make.write(tmp_path / "configs/c.json", text)
    run = only(tmp_path)
    assert run.state == "finished" and run.foreign is not None
    assert [view.epoch for view in run.foreign.checkpoints or ()] == [1, 2, 2]
    assert run.best is not None and run.best.path.endswith("0.027.ckpt")
    assert run.best.val_loss == 0.0271
    joined = "\n".join(all_en(run.conflicts))
    assert "val_loss 0.013 at epoch 2" in joined and "has 0.0357" in joined
    assert "0.027.ckpt" not in joined
    assert "learning_rate differ" in joined
    assert run.foreign.checkpoints[0].step == 100  # type: ignore[index]


def test_a_folder_without_a_log(tmp_path: Path) -> None:
    folder = tmp_path / make.RUN.format(name="case_3")
    make.checkpoint(folder / "epoch_epoch=01-val_loss=val_loss=0.027.ckpt", 1)
    run = only(tmp_path)
    assert (run.case, run.state) == ("case_3", "unknown")
    assert any("no scanned log or curve contains" in c for c in all_en(run.conflicts))


def test_a_config_alone_says_nothing_of_a_run(tmp_path: Path) -> None:
    make.write(tmp_path / "c.json", json.dumps(make.config("case_9")))
    run = only(tmp_path)
    assert (run.case, run.state) == ("case_9", "unknown")
    assert run.factors["recipe.lora.r"].value == "32"
    assert "initial_weights" in run.factors


@pytest.mark.parametrize("damage", ["no brace", "half", "comment"])
def test_malformed_json_is_said_and_its_readable_part_used(tmp_path: Path, damage: str) -> None:
    text = json.dumps(make.config("case_9", output_root="runs/case_1"), indent=4)
    broken = {"no brace": text[1:], "half": text[: len(text) // 2],
              "comment": text.replace('"seed"', '// seed\n"seed"')}[damage]  # fmt: skip
    make.write(tmp_path / "c.json", broken)
    run = only(tmp_path)
    assert run.case == "case_9"
    assert run.factors["recipe.window"].value == "8"
    assert any("not valid JSON (line" in c and "readable part" in c for c in all_en(run.conflicts))


def test_right_only_is_held_against_what_was_read(tmp_path: Path) -> None:
    make.write(tmp_path / "a.txt", make.log("kosmos_right_only_1", [0.3, 0.2, 0.1]))
    make.write(tmp_path / "b.txt", make.log("kosmos_leftright_1", [0.3, 0.2, 0.1]))
    runs = {run.case: "\n".join(all_en(run.conflicts)) for run in scan([tmp_path]).runs}
    assert "says right only, but its glob episode_20251*.h5" in runs["kosmos_right_only_1"]
    assert "it read 400 + 100 episodes" in runs["kosmos_right_only_1"]
    assert "right only" not in runs["kosmos_leftright_1"]


def test_steps_that_do_not_fit_the_data_set_are_said(tmp_path: Path) -> None:
    text = make.log("case_1", [0.3, 0.2, 0.1], train=400).replace("num_episodes: 400",
                                                                 "num_episodes: 250")  # fmt: skip
    make.write(tmp_path / "a.txt", text)
    assert any("400 samples" in c and "250 episodes" in c for c in all_en(only(tmp_path).conflicts))


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
    run = only(tmp_path)
    assert run.final_val_loss == 4.0
    assert any("record 6 is cut or corrupt" in conflict for conflict in all_en(run.conflicts))


def test_a_pickle_with_code_is_listed_and_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    make.checkpoint(tmp_path / "x/last.ckpt", 1, evil=Evil())
    run = only(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert any("posix.system" in conflict for conflict in all_en(run.conflicts))
    view = run.foreign.checkpoints[0]  # type: ignore[index,union-attr]
    assert (view.problem, view.step) == (None, 100)


def in_zip(data: bytes, flags: int = 0, method: int = 0) -> bytes:
    """An archive whose members say that they are encrypted, or compressed in another way."""
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(head)
        told = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
        data = head.join([parts[0], *(p[: place - 4] + told + p[place:] for p in parts[1:])])
    return data


@pytest.mark.parametrize("damage", ["cut", "nan", "garbage", "bare", "empty", "locked", "packed"])
def test_checkpoints_that_do_not_load(tmp_path: Path, damage: str) -> None:
    import pickle

    path = make.checkpoint(tmp_path / "x/last.ckpt", 1, float("nan") if damage == "nan" else 1.0)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-200], "nan": whole, "garbage": b"\x00\xff" * 500,
                      "bare": pickle.dumps({"a": 1}), "empty": b"",
                      "locked": in_zip(whole, flags=1), "packed": in_zip(whole, method=99),
                      }[damage])  # fmt: skip
    view = only(tmp_path).foreign.checkpoints[0]  # type: ignore[index,union-attr]
    word = {"cut": "truncated", "nan": "NaN", "garbage": "no torch", "bare": "bare pickle",
            "empty": "no torch", "locked": "encrypted", "packed": "compression",
            }[damage]  # fmt: skip
    assert view.problem is not None and word in en(view.problem)


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
    run = only(tmp_path)
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
    run = only(tmp_path)
    assert (run.case, run.state, run.steps) == ("w", state, 399)
    assert run.final_val_loss == pytest.approx(1 / 400)
    assert run.conflicts == []
    data = bytearray(path.read_bytes())
    data[40000] ^= 1
    path.write_bytes(data)
    damaged = only(tmp_path)
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


GARBAGE = ["metrics.csv", "hparams.yaml", "events.out.tfevents.1", "last.ckpt", "run-1.wandb",
           "mlflow.db", "train_config.json", "a.log", "c.json"]  # fmt: skip


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\x80" * 999, b'{"exp_name": ' + b"[" * 100_000, b"- " * 50_000, b"{'exp_name'",
     b"Traceback (most recent call last):\nE\xff\xe9rror\n", b":W&B\x00\x00\x00" + b"\x07" * 99,
     b"SQLite format 3\x00" + b"\xff" * 200, b"val_loss\n\x00\n", b"a: !!python/object:os.x {}"],
)  # fmt: skip
def test_no_content_crashes_the_scan(tmp_path: Path, name: str, content: bytes) -> None:
    make.write(tmp_path / "x" / name, content)
    found = scan([tmp_path])
    assert all(run.state in ("unknown", "failed") for run in found.runs)
    told_of(found)


def test_garbage_named_metrics_csv_is_said(tmp_path: Path) -> None:
    make.write(tmp_path / "x/metrics.csv", b"\x00\xff\x80" * 999)
    run = only(tmp_path)
    assert any("metrics.csv cannot be read" in conflict for conflict in all_en(run.conflicts))


def test_a_loop_of_links(tmp_path: Path) -> None:
    make.write(tmp_path / "a.txt", make.log("case_1", [0.3]))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.ckpt").symlink_to("self.ckpt")
    assert [run.case for run in scan([tmp_path]).runs] == ["case_1"]


@pytest.mark.slow
def test_a_huge_log_is_read_in_seconds_for_its_whole_epochs(tmp_path: Path) -> None:
    start = make.log("case_1", [0.3], ending="").encode()
    middle = make.log("case_1", [0.3, 0.25], ending="").encode().split(b"reached")[0]
    middle = middle[middle.rindex(b"\rEpoch 1:   0%") :]
    end = b"\rValidation DataLoader 0: 100%|" + make.bar(2, 400, 400, 0.2).encode()
    path = tmp_path / "a.log"
    with open(path, "wb") as file:
        file.write(start)
        file.seek(1_000_000_000)
        file.write(b"\n" + middle + b"\n")
        file.seek(2_000_000_000)
        file.write(b"\n" + end + b"\n`Trainer.fit` stopped: `max_epochs=3` reached.\n")
    run = only(tmp_path)
    assert run.state == "finished"
    assert [loss.value for loss in run.foreign.val_losses] == [0.3, 0.25, 0.2]  # type: ignore[union-attr]


def test_two_runs_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for where in ("a", "b"):
        folder = tmp_path / where / make.RUN.format(name="case_3")
        make.checkpoint(folder / "last.ckpt", 1)
    assert [run.case for run in scan([tmp_path]).runs] == ["case_3", "case_3"]


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        scan([tmp_path / "no"])


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mobile_vla.cli.main import main

    make.write(tmp_path / "a.txt", make.log("case_1", [0.3, 0.2, 0.0131]))
    assert main(["scan", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "400+100, directions unknown" in text and "final 0.0131 (epoch 2)" in text
    assert main(["scan", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["case"] == "case_1"
    (tmp_path / "empty").mkdir()
    assert main(["scan", str(tmp_path / "empty")]) == 1
