"""The table, the cases and the plan follow the evidence, and nothing else."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from in_english import all_en, en
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.cli.status_table import data_text, print_table, rows
from mobile_vla.runs.process import this_process
from mobile_vla.study.models import Counts

if TYPE_CHECKING:
    from run_folders import Maker


def table(maker: Maker) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in rows(maker.book().cases())}


def items(maker: Maker) -> dict[str, object]:
    return {item.case: item for item in maker.book().plan().items}


def test_the_table_of_a_whole_study(whole_study: Maker) -> None:
    found = table(whole_study)
    assert list(found) == [case.name for case in whole_study.study.cases]
    row = found["both_20"]
    assert row["data"] == "8+2 left, 8+2 right"
    assert (row["checkpoint"], row["val_loss"], row["state"]) == (True, 0.1, "finished")
    assert (found["robot_10"]["init"], found["robot_10"]["runs"]) == ("robovlms", 2)
    assert (row["success_left"].k, row["success_left"].n) == (10, 20)
    assert (row["beats_replay"], found["left_10"]["beats_replay"]) == (False, True)
    assert row["mae"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("name", "column", "before", "after"),
    [
        ("manifest.json", "data", "8+2 left", None),
        ("checkpoints/step-000040/policy.safetensors", "checkpoint", True, False),
        ("events.jsonl", "state", "finished", "queued"),
        ("evaluation/offline.json", "mae", 0.1, None),
        ("evaluation/rollouts.json", "success_left", 20, None),
    ],
)
def test_taking_one_file_away_changes_the_table(
    maker: Maker, name: str, column: str, before: object, after: object
) -> None:
    run = maker.finish("left_10")
    cell = table(maker)["left_10"][column]
    assert getattr(cell, "k", cell) == (pytest.approx(before) if before == 0.1 else before)
    (run.folder.path / name).unlink()
    assert table(maker)["left_10"][column] == after


def test_changing_one_manifest_changes_the_data(maker: Maker) -> None:
    run = maker.finish("left_10")
    run.case = msgspec.structs.replace(run.case, data=Counts(left=5, right=5))
    run.write_inputs()
    assert table(maker)["left_10"]["data"] == "4+1 left, 4+1 right"


def test_the_latest_finished_run_speaks_else_the_latest(maker: Maker) -> None:
    maker.finish("left_10", good=0.5)
    good = maker.finish("left_10")
    maker.begin("left_10").exit("exception", "x", "ValueError: x", step=1)
    case = maker.book().case("Case 1")
    assert len(case.runs) == 3
    assert case.run is not None
    assert case.run.path == good.folder.path.relative_to(maker.workspace).as_posix()
    shutil.rmtree(good.folder.path)
    shutil.rmtree(maker.workspace / maker.book().case("Case 1").runs[0].path)
    assert maker.book().case("Case 1").state == "failed"


def test_a_run_of_another_profile_is_listed_and_does_not_speak(maker: Maker) -> None:
    run = maker.finish("left_10")
    run.case = msgspec.structs.replace(run.case, profile="full")
    run.write_inputs()
    case = maker.book().case("Case 1")
    assert (len(case.runs), case.run, case.state) == (1, None, "planned")


def test_a_case_that_only_a_run_knows_is_in_the_table(maker: Maker) -> None:
    run = maker.finish("left_10")
    run.case = msgspec.structs.replace(run.case, case="stray")
    run.write_inputs()
    assert list(table(maker))[-1] == "stray"
    alone = Casebook(maker.workspace).cases()
    assert [(case.name, case.state) for case in alone] == [("stray", "finished")]


def test_an_empty_workspace_has_no_runs_and_no_error(maker: Maker) -> None:
    assert Casebook(maker.workspace / "nothing").cases() == []
    assert {case.state for case in maker.book().cases()} == {"planned", "blocked"}


def test_printed_lines_are_equally_wide_with_hangul(maker: Maker) -> None:
    maker.finish("left_10")
    cases = [msgspec.structs.replace(case, label="왼쪽 사례") for case in maker.book().cases()]
    out = io.StringIO()
    print_table(rows(cases), Console(file=out, width=100))
    lines = [line for line in out.getvalue().splitlines() if line[:1] in "┏┃│└┡"]
    first = [cell_len(line) for line in lines[:9]]
    assert len(set(first)) == 1
    assert "8+2 left" in out.getvalue()
    assert "왼쪽 사례: after" in out.getvalue()


def test_markup_in_names_is_printed_as_it_stands(maker: Maker) -> None:
    cases = [msgspec.structs.replace(maker.book().cases()[0], name="[red]x[/red]", label=None)]
    out = io.StringIO()
    print_table(rows(cases), Console(file=out))
    assert "[red]x[/red]" in out.getvalue()


def test_rows_become_json(whole_study: Maker) -> None:
    plain = msgspec.json.decode(msgspec.json.encode(rows(whole_study.book().cases())))
    assert plain[0]["success_left"]["k"] == 20
    msgspec.json.encode(whole_study.book().comparisons())
    msgspec.json.encode(whole_study.book().cases())


def test_data_text() -> None:
    assert data_text(None, None) is None
    assert data_text(Counts(left=4, straight=2), None) == "4+0 left, 2+0 straight"


def test_the_plan_before_anything(maker: Maker) -> None:
    plan = items(maker)
    assert plan["left_10"].command == 'mvla train "Case 1"'
    assert plan["left_10"].seconds is None
    assert "attempt 1 of 2 will be refused" in en(plan["robot_10"].why)
    assert (plan["robot_20"].state, plan["robot_20"].command) == ("blocked", None)
    assert "after Case 2" in en(plan["robot_20"].why)


def test_a_refused_attempt_leaves_the_next_to_do(maker: Maker) -> None:
    maker.finish("left_10")
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    item = items(maker)["robot_10"]
    assert (item.state, item.command) == ("to_do", 'mvla train "Case 2"')
    assert "attempt 2 remains" in en(item.why)
    assert item.seconds == pytest.approx(40 * 0.5)


def test_missing_weights_block(maker: Maker) -> None:
    (maker.workspace / "robovlms.pt").unlink()
    item = items(maker)["robot_10"]
    assert item.state == "blocked"
    assert "robovlms" in en(item.why)


def test_a_running_case_has_progress_and_time_to_go(maker: Maker) -> None:
    from datetime import UTC, datetime, timedelta

    maker.now = datetime.now(UTC) - timedelta(seconds=90)
    run = maker.begin("left_10", process=this_process())
    run.now = datetime.now(UTC) - timedelta(seconds=10)
    run.train(epochs=3)
    item = items(maker)["left_10"]
    assert (item.state, item.progress, item.seconds) == ("running", 0.3, pytest.approx(14.0))


def test_a_killed_case_resumes(maker: Maker) -> None:
    maker.begin("left_10").train(epochs=3)
    item = items(maker)["left_10"]
    assert (item.state, item.command) == ("to_do", 'mvla train "Case 1" --resume')
    assert item.seconds == pytest.approx(14.0)


def test_a_finished_case_without_results_is_to_be_evaluated(maker: Maker) -> None:
    run = maker.finish("left_10")
    shutil.rmtree(run.folder.evaluation)
    assert items(maker)["left_10"].command == 'mvla evaluate "Case 1"'


def test_the_plan_of_a_done_study_is_to_compare(whole_study: Maker) -> None:
    plan = whole_study.book().plan()
    assert {item.state for item in plan.items} == {"done"}
    assert [step.split(" (")[0] for step in all_en(plan.next_steps)] == [
        'mvla compare "Case 1" both_10 --question balance',
        'mvla compare "Case 1" "Case 2" --question vlm',
        'mvla compare "Case 1" left_20 --question amount',
    ]


def test_a_control_says_what_it_parts(maker: Maker) -> None:
    maker.finish("left_10")
    maker.finish("both_20")
    item = items(maker)["both_10"]
    assert item.state == "to_do"
    assert "it parts direction balance from data amount and optimiser steps" in en(item.why)


def test_the_casebook_starts_without_heavy_imports() -> None:
    code = "import sys, mobile_vla.analysis.casebook; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "torch",
        "transformers",
        "scipy",
        "statsmodels",
        "numpy",
        "rich",
        "h5py",
    }
    assert not heavy & set(done.stdout.split())


def test_status_of_an_empty_workspace_needs_no_numbers_library(tmp_path: Path) -> None:
    code = (
        "import sys; from mobile_vla.cli.main import main; "
        f"main(['status', '--workspace', {str(tmp_path)!r}]); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.rpartition("\n")[0].rpartition("\n")[2].split())
    assert "mobile_vla.evidence.case_listing" in modules
    assert not {"numpy", "scipy", "pandas", "statsmodels", "torch"} & modules
