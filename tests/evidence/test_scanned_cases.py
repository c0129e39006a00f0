"""Runs that other programs made stand in the table and in comparisons beside our own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import foreign_material as make
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.model import Comparison
from mobile_vla.cli.main import main

if TYPE_CHECKING:
    from run_folders import Maker

Said = pytest.CaptureFixture[str]


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """Logs of two finished runs of the small study's cases, one of a failed one, and a stray."""
    field = tmp_path / "field"
    make.write(field / "logs/a.txt", make.log("left_10", [0.3, 0.2, 0.1], train=200, val=50))
    make.write(field / "logs/b.txt", make.log("both_20", [0.3, 0.2, 0.1]))
    dump = repr(make.config("robot_10", model_load_path=".vlms/a.pt"))
    failed = "Traceback (most recent call last):\nFileNotFoundError: no '.vlms/a.pt'\n"
    make.write(field / "logs/c.txt", f"x\n{dump}\n{failed}")
    make.write(field / "c.json", json.dumps(make.config("stray")))
    return field


def asked(maker: Maker, *arguments: str) -> int:
    return main([*arguments, "--study", str(maker.path)])


def relations(found: Comparison) -> dict[str, str]:
    return {factor.name: factor.relation for factor in found.factors}


def test_the_table_of_a_folder_of_other_programs_runs(
    maker: Maker, field: Path, capsys: Said
) -> None:
    assert asked(maker, "status", str(field), "--json") == 0
    cases = {case["name"]: case for case in json.loads(capsys.readouterr().out)}
    states = {name: case["state"] for name, case in cases.items()}
    assert states["left_10"] == states["both_20"] == "finished"
    assert (states["robot_10"], states["stray"]) == ("failed", "unknown")
    assert (states["both_10"], states["robot_20"]) == ("planned", "blocked")
    assert "after Case 2, which is failed" in cases["robot_20"]["why"]
    assert asked(maker, "status", str(field)) == 0
    assert "200+50, directions unknown" in capsys.readouterr().out


def test_all_the_evidence_of_a_scanned_case_and_of_one_run(
    maker: Maker, field: Path, capsys: Said
) -> None:
    assert asked(maker, "status", "Case 1", "--evidence", str(field)) == 0
    said = capsys.readouterr().out
    assert "200 training and 50 validation episodes by the glob" in said
    assert "validation loss 0.1 at epoch 2 (a.txt line" in said
    assert "disk space: 0 bytes" not in said
    assert asked(maker, "status", str(field / "logs/c.txt"), "--evidence", str(field)) == 0
    assert capsys.readouterr().out.startswith(f"{field}/logs/c.txt: failed.")


def test_two_scanned_runs_are_confounded_by_what_their_logs_tell(
    maker: Maker, field: Path, capsys: Said
) -> None:
    arguments = ["compare", "Case 1", "Case 3", "--evidence", str(field)]
    assert asked(maker, *arguments, "--question", "balance") == 1
    said = capsys.readouterr().out
    assert "data amount and optimiser steps moved as well" in said
    assert "unknown on one side at least: VLM, " in said
    assert "mvla evaluate" not in said
    assert "direction balance" in said and "evaluation set" in said
    assert asked(maker, "compare", "Case 1", "Case 2", "--evidence", str(field)) == 1
    assert "no '.vlms/a.pt'" in capsys.readouterr().out


def test_equal_paths_prove_no_equal_weights_and_a_path_is_not_none(
    maker: Maker, field: Path
) -> None:
    done = make.log("robot_10", [0.3, 0.2, 0.1], train=200, val=50, model_load_path=".vlms/a.pt")
    make.write(field / "logs/d.txt", done)
    book = Casebook(field, maker.study, study_path=maker.path, evidence=[field])
    found = relations(book.compare("Case 1", "Case 2"))
    assert (found["vlm"], found["initial_weights"]) == ("unknown", "moved")
    assert found["data_amount"] == "held"


def test_a_setting_that_is_no_factor_of_ours_still_moves(maker: Maker, field: Path) -> None:
    text = make.log("both_20", [0.3, 0.2, 0.1], train=200, val=50, image_size=112, log_dir="x")
    make.write(field / "logs/b.txt", text)
    make.write(
        field / "logs/a.txt", make.log("left_10", [0.3, 0.2, 0.1], train=200, image_size=224)
    )
    book = Casebook(field, maker.study, study_path=maker.path, evidence=[field])
    assert book.compare("Case 1", "Case 3").confounds == []
    assert book.compare("Case 1", "Case 3").factor == "setting.image_size"
    assert book.compare("Case 1", "Case 3", "data_amount").confounds == ["setting.image_size"]


def test_a_scanned_run_beside_our_own(maker: Maker, field: Path) -> None:
    maker.finish("left_10")
    book = Casebook(maker.workspace, maker.study, study_path=maker.path, evidence=[field])
    case = book.case("Case 1")
    assert [run.foreign is None for run in case.runs] == [False, True]
    assert case.run is not None and case.run.foreign is None
    found = relations(book.compare("Case 1", "Case 3"))
    assert found["data_amount"] == found["optimiser_steps"] == "moved"
    assert (found["vlm"], found["episodes_left"], found["code"]) == ("unknown",) * 3
    assert not any(name.startswith("setting.") for name in found)
    own = case.runs[1].path
    same_case = book.compare(case.runs[0].path, own)
    assert "data_amount" in [*same_case.confounds, same_case.factor]


def test_a_study_of_which_nothing_was_run_there_is_left_out(
    maker: Maker, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "tracker").mkdir()
    make.mlflow_store(tmp_path / "tracker/mlflow.db", "RUNNING")
    assert asked(maker, "status", str(tmp_path / "tracker"), "--json") == 0
    assert [case["name"] for case in json.loads(capsys.readouterr().out)] == ["case_m"]


def test_what_tells_of_no_run_is_said(maker: Maker, field: Path, capsys: Said) -> None:
    early = "Error: Cannot import lightning module. Please ensure it is installed.\n"
    make.write(field / "other_20251204_073630.txt", early)
    assert asked(maker, "status", str(field)) == 0
    assert "not read: " in capsys.readouterr().out
    assert asked(maker, "status", str(field), "--json") == 0
    assert "other_20251204_073630.txt" in capsys.readouterr().err


def test_a_workspace_of_our_own_is_not_scanned(maker: Maker, capsys: Said) -> None:
    maker.finish("left_10")
    make.write(maker.workspace / "runs/left_10/a.txt", make.log("stray", [0.3]))
    assert asked(maker, "status", str(maker.workspace), "--json") == 0
    assert "stray" not in capsys.readouterr().out
    shutil.rmtree(maker.workspace / "runs")
    assert asked(maker, "status", "--workspace", str(maker.workspace / "no")) == 2
