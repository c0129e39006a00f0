"""No content and no folder makes a scan fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en
from mobile_vla.cli.scan_table import scan_lines
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.messages.errors import UserError

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
    scanned = scan([tmp_path])
    assert all(run.state in ("unknown", "failed") for run in scanned.runs)
    scan_lines(scanned)


def test_garbage_named_metrics_csv_is_said(tmp_path: Path) -> None:
    make.write(tmp_path / "x/metrics.csv", b"\x00\xff\x80" * 999)
    run = only_run(tmp_path)
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
    run = only_run(tmp_path)
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
