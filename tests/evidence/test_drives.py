"""Drives are counted for the run whose checkpoint drove, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobile_vla.cli.print_case import dossier
from mobile_vla.cli.status_table import rows
from mobile_vla.evidence.case_listing import summary
from mobile_vla.runs.drive_log import DriveBegin, DriveEnd, DriveStep

if TYPE_CHECKING:
    from run_folders import Maker, RunMaker


def write_drive(maker: Maker, run: RunMaker, name: str, **changes: Any) -> Path:
    """Five steps, of which the last had no fresh action."""
    path = maker.workspace / "drives" / run.case.case / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    server = {"case": run.case.case, "run": f"{run.case.case}/{run.folder.path.name}",
              "checkpoint_blake3": changes.get("blake3", run.hash)}  # fmt: skip
    entries: list[Any] = [
        DriveBegin(time=datetime.now(UTC), server=server, instruction="go", deadman=0.5,
                   robot=changes.get("robot", "rosbridge"), address="ws://robot:9090"),
        *(DriveStep(step=n, seconds=0.4 * n, action=[0.1, 0.0] if n < 4 else None, latency_ms=9.0,
                    problem=None if n < 4 else "late") for n in range(5)),
        DriveEnd(why="arrived", steps=5, fresh=4, problems={"late": 1}, deadman_stops=1,
                 limited={}, stop_acknowledged=True),
    ]  # fmt: skip
    entries = entries[: changes.get("lines")]
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    return path


def test_drives_are_counted_in_the_table_and_the_dossier(maker: Maker) -> None:
    run = maker.finish("both_20")
    write_drive(maker, run, "1")
    write_drive(maker, run, "2", robot="simulator", lines=4)
    cases = maker.book("laptop").cases()
    case = next(case for case in cases if case.name == "both_20")
    assert case.run is not None
    drives = case.run.drives
    assert drives is not None
    assert (drives.robots, drives.steps, drives.fresh) == ({"rosbridge": 1, "simulator": 1}, 8, 7)
    assert (drives.deadman_stops, drives.unfinished) == (1, 1)
    assert all(log.blake3 for log in drives.evidence)
    text = "drove 2 times (1 on a robot, 1 in the simulator, 0 over a recording): 7 of 8 steps"
    assert any(text in line for line in dossier(case, maker.workspace))
    quick = summary(maker.workspace, maker.study, "laptop", maker.path)
    assert rows(quick) == rows(cases)
    assert text in "".join(row["drives"][0] for row in rows(quick) if row["name"] == "both_20")
    assert not any(row["drives"] for row in rows(quick) if row["name"] != "both_20")


def test_a_drive_of_another_checkpoint_is_a_conflict_and_counts_nothing(maker: Maker) -> None:
    run = maker.finish("both_20")
    path = write_drive(maker, run, "1", blake3="0" * 64)
    case = maker.book("laptop").case("both_20")
    assert case.run is not None
    assert case.run.drives is None
    (why,) = case.run.conflicts
    assert why.code == "drive.other_checkpoint"
    assert str(why.fields["file"]).endswith(path.name)


def test_a_damaged_log_is_a_conflict_beside_the_others(maker: Maker) -> None:
    run = maker.finish("both_20")
    write_drive(maker, run, "1")
    path = write_drive(maker, run, "2")
    for damage in (b"", b"{}\n", b"\xff\n", path.read_bytes().partition(b"\n")[2]):
        path.write_bytes(damage)
        case = maker.book("laptop").case("both_20")
        assert case.run is not None
        assert [why.code for why in case.run.conflicts] == ["drive.unreadable"]
        assert case.run.drives is not None
        assert case.run.drives.robots == {"rosbridge": 1}


def test_the_half_written_last_line_of_a_killed_driver_is_left_out(maker: Maker) -> None:
    run = maker.finish("both_20")
    path = write_drive(maker, run, "1")
    path.write_bytes(path.read_bytes()[:-20])
    drives = maker.book("laptop").case("both_20").runs[-1].drives
    assert drives is not None
    assert (drives.unfinished, drives.steps) == (1, 5)
