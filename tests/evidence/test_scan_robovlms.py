"""Runs of RoboVLMs, read from configurations, console logs and run folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en, en
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.runs.files import hash_file

MISSING = (
    'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\n'
    "FileNotFoundError: [Errno 2] No such file or directory: '.vlms/a.pt'\n"
)


def test_a_log_alone_tells_the_run(tmp_path: Path) -> None:
    path = make.write(tmp_path / "any name.txt", make.log("case_1", [0.3, 0.01, 0.0131]))
    run = only_run(tmp_path)
    foreign = run.foreign
    assert foreign is not None and foreign.train is not None and foreign.validation is not None
    assert (run.case, run.state) == ("case_1", "finished")
    assert (foreign.train.episodes, foreign.validation.episodes) == (400, 100)
    assert (foreign.train.pattern, foreign.train.frames) == (make.GLOB, 7200)
    assert run.train is None and run.train_hashes == []
    assert [(loss.epoch, loss.value) for loss in foreign.val_losses] == [
        (0, 0.3), (1, 0.01), (2, 0.0131)]  # fmt: skip
    assert (run.best_val_loss, run.final_val_loss, run.epochs) == (0.01, 0.0131, 3)
    assert (foreign.steps_per_epoch, foreign.samples_per_epoch) == (400, 400)
    assert (run.steps, run.factors["optimiser_steps"].value) == (150, "150")
    assert foreign.date == "2025-12-04"
    assert any("frozen" in c and "55.8 M" in c and "r = 32" in c for c in all_en(run.conflicts))
    line = path.read_text().splitlines()[0:]
    where = foreign.train.evidence
    assert where.blake3 == hash_file(path) and where.file == path.as_posix()
    number = int(where.where.split(",")[0].removeprefix("line "))
    assert "num_episodes: 400" in path.read_text().split("\n")[number - 1], line


def test_a_loss_before_its_epochs_validation_is_the_one_before(tmp_path: Path) -> None:
    text = make.log("case_1", [0.3], ending="") + make.bar(1, 200, 400, 0.3)
    text += make.bar(1, 400, 400, 0.3)
    make.write(tmp_path / "a.log", text)
    run = only_run(tmp_path)
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
    scanned = scan([tmp_path])
    assert [(run.case, run.state) for run in scanned.runs] == [("case_2", "failed")] * 2
    first, second = scanned.runs
    assert "Cannot import lightning module" in en(first.why) and "before any data" in en(first.why)
    assert any("by the time alone" in conflict for conflict in all_en(first.conflicts))
    assert "No such file or directory: '.vlms/a.pt'" in en(second.why)
    assert "before any data was read" in en(second.why)
    assert second.evidence[0].where == "line 5"
    assert second.factors["initial_weights"].value == ".vlms/a.pt"
    assert len(scanned.problems) == 1 and "other_2025" in en(scanned.problems[0])


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
    assert only_run(tmp_path).state == state


def test_a_folder_its_log_and_its_config_are_one_run(tmp_path: Path) -> None:
    folder = tmp_path / make.RUN.format(name="case_3")
    make.checkpoint(folder / "epoch_epoch=01-val_loss=val_loss=0.027.ckpt", 1)
    make.checkpoint(folder / "epoch_epoch=02-val_loss=val_loss=0.013.ckpt", 2)
    make.checkpoint(folder / "last.ckpt", 2)
    make.write(tmp_path / "logs/a.txt", make.log("case_3", [0.3, 0.0271, 0.0357]))
    text = json.dumps(make.config("case_3", learning_rate=2e-4), indent=1)
    make.write(tmp_path / "configs/c.json", text)
    run = only_run(tmp_path)
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
    run = only_run(tmp_path)
    assert (run.case, run.state) == ("case_3", "unknown")
    assert any("no scanned log or curve contains" in c for c in all_en(run.conflicts))


def test_a_config_alone_says_nothing_of_a_run(tmp_path: Path) -> None:
    make.write(tmp_path / "c.json", json.dumps(make.config("case_9")))
    run = only_run(tmp_path)
    assert (run.case, run.state) == ("case_9", "unknown")
    assert run.factors["recipe.lora.r"].value == "32"
    assert "initial_weights" in run.factors


@pytest.mark.parametrize("damage", ["no brace", "half", "comment"])
def test_malformed_json_is_said_and_its_readable_part_used(tmp_path: Path, damage: str) -> None:
    text = json.dumps(make.config("case_9", output_root="runs/case_1"), indent=4)
    broken = {"no brace": text[1:], "half": text[: len(text) // 2],
              "comment": text.replace('"seed"', '// seed\n"seed"')}[damage]  # fmt: skip
    make.write(tmp_path / "c.json", broken)
    run = only_run(tmp_path)
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
    assert any(
        "400 samples" in c and "250 episodes" in c for c in all_en(only_run(tmp_path).conflicts)
    )
