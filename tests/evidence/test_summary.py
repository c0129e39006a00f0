"""The table through the index is the table without it, whatever happens to the files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_vla.cli.status_table import rows
from mobile_vla.evidence import case_listing as summary_module
from mobile_vla.evidence.case_listing import summary
from mobile_vla.evidence.model import CaseView
from mobile_vla.runs.events import Heartbeat, Start
from mobile_vla.runs.process import Process, this_process

if TYPE_CHECKING:
    from run_folders import Maker


def quick(maker: Maker) -> list[CaseView]:
    return summary(maker.workspace, maker.study, "laptop", maker.path)


def same(maker: Maker) -> None:
    """Cold or warm, the index changes nothing; asked twice, since the first may fill it."""
    wanted = rows(maker.book("laptop").cases())
    assert rows(quick(maker)) == wanted
    assert rows(quick(maker)) == wanted


def run_folder(maker: Maker, case: str = "both_20") -> Path:
    return next((maker.workspace / "runs" / case).iterdir())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "metrics": lambda run: (run / "metrics.csv").write_text(
        (run / "metrics.csv").read_text().replace(",0.1,", ",0.05,")
    ),
    "checkpoint": lambda run: flip(run / "checkpoints/best/policy.safetensors"),
    "no checkpoints": lambda run: shutil.rmtree(run / "checkpoints"),
    "evaluation": lambda run: (run / "evaluation/offline.json").unlink(),
    "broken evaluation": lambda run: (run / "evaluation/rollouts.json").write_text("{"),
    "manifest": lambda run: (run / "manifest.json").write_text("{"),
    "case": lambda run: (run / "case.yaml").write_text("- a"),
    "events": lambda run: (run / "events.jsonl").write_text("x\n"),
    "gone": shutil.rmtree,
    "orphan": lambda run: (run / "checkpoints/step-000099").mkdir(),
}


@pytest.mark.parametrize("few", [2000, 0], ids=["few runs", "many runs"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_file_is_seen(
    whole_study: Maker, change: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary_module, "FEW", few)
    same(whole_study)
    CHANGES[change](run_folder(whole_study))
    same(whole_study)


def test_a_new_run_and_one_at_another_depth(whole_study: Maker) -> None:
    same(whole_study)
    whole_study.finish("left_10")
    runs = whole_study.workspace / "runs"
    shutil.copytree(run_folder(whole_study, "both_10"), runs / "deep/er/one")
    shutil.copytree(run_folder(whole_study, "left_20"), runs / "shallow")
    (runs / "loop").symlink_to(runs)
    same(whole_study)


def test_what_may_live_is_judged_at_every_asking(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.begin("both_20", process=this_process())
    states = {case.name: case.state for case in quick(maker)}
    assert states["both_20"] == "stalled"
    gone = Process(pid=1, boot="another", started=1, host=this_process().host)
    run.log(Start(process=gone, argv=[]))
    run.log(Heartbeat(step=3, epoch=0))
    same(maker)


def test_the_index_is_used_while_nothing_changed(
    whole_study: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = rows(quick(whole_study))

    def never(*_: object) -> None:
        raise AssertionError("a run was judged anew")

    monkeypatch.setattr(summary_module, "_judged", never)
    assert rows(quick(whole_study)) == wanted


@pytest.mark.parametrize("damage", ["garbage", "empty", "another maker", "a folder", "cut"])
def test_a_doubted_index_is_made_again(whole_study: Maker, damage: str) -> None:
    same(whole_study)
    file = whole_study.workspace / "cache/status.sqlite"
    if damage == "another maker":
        with sqlite3.connect(file) as db:
            db.execute("UPDATE about SET made_by = 'x'")
            db.execute("UPDATE runs SET state = 'failed', why = 'a lie'")
        db.close()
    elif damage == "a folder":
        file.unlink()
        file.mkdir()
    else:
        whole = file.read_bytes()
        file.write_bytes({"garbage": b"\xff" * 5000, "empty": b"", "cut": whole[:5000]}[damage])
    same(whole_study)


def test_many_runs_are_judged_by_several_processes(
    whole_study: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary_module, "MANY", 2)
    same(whole_study)


def test_an_empty_workspace(tmp_path: Path) -> None:
    assert summary(tmp_path, None, None, Path("x")) == []
