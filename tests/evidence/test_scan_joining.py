"""Which files belong to one run, what it is called, who made it, and what is not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en, en
from mobile_vla.cli.main import main
from mobile_vla.cli.scan_table import scan_lines
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import RunView

NAMES = ["2025-12-04_kosmos-2", "a-b_c.d", "run 7 (retry)", "20251204", "version_3", "L+R-v1.0.2"]


def log_without_blocks(name: str, losses: list[float], **changes: Any) -> str:
    """RoboVLMs as it is published prints no data-set block."""
    text = make.log(name, losses, **changes)
    lines = text.split("\n")
    return "\n".join(line for line in lines if "ataset initialized" not in line)


def checkpoints_of(run: RunView) -> int:
    assert run.foreign is not None and run.foreign.checkpoints is not None
    return len(run.foreign.checkpoints)


@pytest.mark.parametrize("key", ["log_dir", "output_dir"])
def test_a_log_names_its_folder(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "out/2025-12-04/exp_7"
    make.checkpoint(folder / "last.ckpt", 2)
    named = {"log_dir": "elsewhere", key: "out/2025-12-04/exp_7"}
    make.write(tmp_path / "logs/a.log", log_without_blocks("case_1", [0.3, 0.2, 0.1], **named))
    run = only_run(tmp_path)
    assert (run.case, run.state, checkpoints_of(run)) == ("case_1", "finished", 1)


@pytest.mark.parametrize("place", ["version_0/train.log", "train.log", "version_0/logs/x.log"])
def test_a_log_in_its_runs_own_folder(tmp_path: Path, place: str) -> None:
    make.checkpoint(tmp_path / "exp/version_0/checkpoints/last.ckpt", 2)
    make.write(tmp_path / "exp" / place, make.bar(0, 40, 40, 0.3) + "\n")
    assert checkpoints_of(only_run(tmp_path)) == 1


def test_a_log_that_saved_the_folders_checkpoints(tmp_path: Path) -> None:
    make.checkpoint(tmp_path / "a/exp_7/version_1/checkpoints/epoch=0.ckpt", 0)
    line = ("Epoch 0, global step 40: 'val_loss' reached 0.41 (best 0.41), saving model to "
            "'/srv/exp_7/version_1/checkpoints/epoch=0.ckpt' as top 1\n")  # fmt: skip
    make.write(tmp_path / "logs/x.log", make.bar(0, 40, 40, 0.41) + line)
    assert checkpoints_of(only_run(tmp_path)) == 1


def test_a_folder_of_the_logs_name_and_day(tmp_path: Path) -> None:
    make.checkpoint(tmp_path / "r/2025-12-04/case_1/last.ckpt", 2)
    make.checkpoint(tmp_path / "r/2025-12-05/case_1/last.ckpt", 2)
    log = log_without_blocks("case_1", [0.3, 0.2, 0.1], log_dir="x")
    make.write(tmp_path / "logs/case_1_20251204_101112.txt", log)
    runs = scan([tmp_path]).runs
    assert sorted((run.state, run.foreign.date) for run in runs if run.foreign) == [
        ("finished", "2025-12-04"), ("unknown", "2025-12-05")]  # fmt: skip


def test_checkpoints_whose_losses_are_the_logs(tmp_path: Path) -> None:
    for epoch, loss in ((0, "0.312"), (1, "0.221")):
        make.checkpoint(tmp_path / f"w/epoch={epoch:02d}-val_loss={loss}.ckpt", epoch)
    make.write(tmp_path / "l/a.log", log_without_blocks("case_1", [0.312, 0.221, 0.2], log_dir="x"))
    make.write(tmp_path / "l/b.log", log_without_blocks("case_2", [0.5, 0.4, 0.3], log_dir="x"))
    runs = {run.case: run for run in scan([tmp_path]).runs}
    assert checkpoints_of(runs["case_1"]) == 2 and len(runs) == 2


def test_another_runs_log_does_not_take_a_folder(tmp_path: Path) -> None:
    make.checkpoint(tmp_path / "w/exp_2/last.ckpt", 2)
    make.write(tmp_path / "l/a.log", log_without_blocks("case_1", [0.3, 0.2, 0.1], log_dir="x/y"))
    assert sorted(run.case for run in scan([tmp_path]).runs) == ["case_1", "exp_2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_as_it_is_written(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write(tmp_path / "a.log", make.log(name, [0.3, 0.2, 0.1]))
    assert only_run(tmp_path).case == name
    assert main(["scan", str(tmp_path)]) == 0
    assert name in capsys.readouterr().out
    assert main(["scan", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["case"] == name
    assert main(["status", name, "--evidence", str(tmp_path)]) == 0
    assert name in capsys.readouterr().out


def lerobot(folder: Path, weights: bytes, **config: Any) -> None:
    values = {"steps": 10, "policy": {"type": "act"}, **config}
    path = folder / "checkpoints/000010/pretrained_model"
    make.write(path / "train_config.json", json.dumps(values))
    make.write(path / "adapter_model.safetensors", weights)


def test_lerobots_default_name_gives_way_to_the_folders(tmp_path: Path, maker: Any) -> None:
    weights = maker.safetensors([1.0])
    lerobot(tmp_path / "12-12-14_act", weights, job_name="act")
    lerobot(tmp_path / "13-01-02_act", weights, job_name="aloha_act", env={"type": "aloha"})
    lerobot(tmp_path / "x", weights, job_name="left only")
    assert [(run.case, run.state) for run in scan([tmp_path]).runs] == [
        ("12-12-14_act", "finished"), ("13-01-02_act", "finished"), ("left only", "finished"),
    ]  # fmt: skip


@pytest.mark.parametrize("inside", [".", "checkpoints", "checkpoints/000010/pretrained_model"])
def test_scanning_inside_a_run_gives_it_once(
    tmp_path: Path, maker: Any, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    lerobot(tmp_path / "my_run", maker.safetensors([1.0]))
    (tmp_path / "my_run/checkpoints/last").symlink_to("000010")
    monkeypatch.chdir(tmp_path / "my_run" / inside)
    run = only_run(Path())
    assert (run.case, run.state) == ("my_run", "finished")
    assert not Path(run.path).is_absolute()


def test_a_folder_that_is_named_twice_is_scanned_once(tmp_path: Path) -> None:
    make.write(tmp_path / "a/x.log", make.log("case_1", [0.3]))
    assert len(scan([tmp_path, tmp_path / "a", tmp_path]).runs) == 1


@pytest.mark.parametrize(
    ("files", "maker_name"),
    [
        ({"x/metrics.csv": "epoch,step,val_loss\n0,9,0.5\n"}, "unknown"),
        ({"version_0/metrics.csv": "epoch,step,val_loss\n0,9,0.5\n"}, "Lightning"),
        ({"x/hparams.yaml": "lr: 0.1\n"}, "Lightning"),
        ({"a.log": "Epoch 0: 100%|██| 4/4 [00:01<00:00, 1.0it/s, v_num=0]\n"}, "Lightning"),
        ({"a.log": "Epoch 0: 100%|██| 4/4 [00:01<00:00, 1.0it/s]\n"}, "unknown"),
        ({"a.log": "{'loss': 0.5, 'epoch': 0.5}\n{'eval_loss': 0.3, 'epoch': 1.0}\n"},
         "HF Trainer"),
        ({"a.log": "{'loss': '0.5', 'epoch': '0.5'}\n{'eval_loss': '0.3', 'epoch': '1'}\n"},
         "HF Trainer"),
    ],
)  # fmt: skip
def test_a_maker_is_evidence_or_unknown(
    tmp_path: Path, files: dict[str, str], maker_name: str
) -> None:
    for name, text in files.items():
        make.write(tmp_path / name, text)
    run = only_run(tmp_path)
    assert run.foreign is not None and run.foreign.maker == maker_name


def test_a_checkpoint_folder_is_seen_and_not_read(tmp_path: Path) -> None:
    make.write(tmp_path / "r/epoch=1-step=20.ckpt/checkpoint/mp_rank_00_model_states.pt", b"x" * 99)
    make.write(tmp_path / "r/version_0.txt", "")
    run = only_run(tmp_path)
    assert "1 checkpoint, 0 of which load" in en(run.why)
    assert any("DeepSpeed" in note and "not read" in note for note in all_en(run.conflicts))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("ds/global_step5/mp_rank_00_model_states.pt", "import.seen_deepspeed"),
        ("acc/checkpoint_0/random_states_0.pkl", "import.seen_accelerate"),
    ],
)
def test_known_formats_that_are_not_read_are_named(
    tmp_path: Path, file: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write(tmp_path / file, b"x")
    scanned = scan([tmp_path])
    assert [why.code for why in scanned.unread] == [code]
    assert main(["scan", str(tmp_path)]) == 1
    assert "seen, not read: " in capsys.readouterr().out
    make.write(tmp_path / "a.log", make.log("case_1", [0.3, 0.2, 0.1]))
    assert main(["scan", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML"),
        (b"\n<html><head>", "HTML"),
    ],
)
def test_files_that_only_look_like_checkpoints(tmp_path: Path, content: bytes, word: str) -> None:
    make.write(tmp_path / "x/last.ckpt", content)
    assert any(word in note for note in all_en(only_run(tmp_path).conflicts))


def test_a_status_of_a_folder_without_any_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write(tmp_path / "notes/readme.md", "nothing here")
    assert main(["status", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "no run of any program is recognised" in printed.err and printed.out == ""
    assert main(["scan", str(tmp_path)]) == 1
    assert "No run is recognised here" in capsys.readouterr().out


def test_mlflows_file_store(tmp_path: Path) -> None:
    run = tmp_path / "mlruns/0/abc"
    meta = (
        "artifact_uri: x\nlifecycle_stage: active\nrun_id: abc\nrun_name: 2025-12-04\nstatus: 3\n"
    )
    make.write(run / "meta.yaml", meta)
    make.write(run / "metrics/val/loss", "1 0.5 0\n2 nan 1\n3 0.25 2\n")
    make.write(run / "metrics/epoch", "1 0 0\n3 1 2\n")
    make.write(run / "params/lr", "0.001")
    view = only_run(tmp_path)
    assert (view.case, view.state, view.best_val_loss) == ("2025-12-04", "unverified", 0.25)
    assert view.foreign is not None and [x.epoch for x in view.foreign.val_losses] == [0, 1]
    assert view.factors["recipe.learning_rate"].value == "0.001"
    make.write(run / "meta.yaml", meta.replace("active", "deleted"))
    assert scan([tmp_path]).runs == []


def test_a_reader_that_raises_anything_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobile_vla.evidence.importers import scan_folders

    def broken(path: Path) -> None:
        raise AssertionError("no such case")

    monkeypatch.setattr(scan_folders, "read_log", broken)
    make.write(tmp_path / "a.log", "x")
    make.write(tmp_path / "m/metrics.csv", "epoch,step,val_loss\n0,9,0.5\n")
    scanned = scan([tmp_path])
    assert [run.case for run in scanned.runs] == ["m"]
    assert any("a.log cannot be read: no such case" in line for line in scan_lines(scanned))
