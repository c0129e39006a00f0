"""Two of everything at one moment: one gets it or both agree, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.runs.events import Checkpoint
from mobile_vla.runs.results import Offline, Rollouts, read_result
from small_lab import Lab, Started

pytestmark = pytest.mark.slow
TIMES = range(int(os.environ.get("PAIRS", "3")))


def both(lab: Lab, *commands: tuple[str, ...]) -> list[Started]:
    started = [lab.start(*command) for command in commands]
    for process in started:
        process.end()
        process.faults()  # no traceback
    return started


@pytest.mark.parametrize("time", TIMES)
def test_two_reports(finished_lab: Lab, time: int) -> None:
    ended = both(finished_lab, ("report", "--html"), ("report", "--html"))
    assert [process.end() for process in ended] == [0, 0]
    for name in ("report.md", "report.ko.md", "report.html", "report.ko.html"):
        assert (finished_lab.path / name).stat().st_size > 1000
    finished_lab.nothing_half_written()


@pytest.mark.parametrize("time", TIMES)
def test_two_evaluations_of_two_checkpoints(finished_lab: Lab, time: int) -> None:
    ended = both(finished_lab, ("evaluate", "Case 3"), ("evaluate", "Case 3"))
    codes = sorted(process.end() for process in ended)
    assert codes in ([0, 0], [0, 2])
    if 2 in codes:
        (refused,) = [process for process in ended if process.end() == 2]
        assert "is being written by process" in refused.sentence()
    run = finished_lab.the_run("both_20")
    offline, rollouts = read_result(run.offline, Offline), read_result(run.rollouts, Rollouts)
    assert offline.checkpoint_blake3 == rollouts.checkpoint_blake3
    finished_lab.nothing_half_written()


@pytest.mark.parametrize("time", TIMES)
def test_two_queues(lab: Lab, time: int) -> None:
    lab.change("epochs: 3", "epochs: 1")
    ended = both(lab, ("train", "--all"), ("train", "--all"))
    assert 2 in [process.end() for process in ended]
    for case in ("left_10", "both_20"):
        assert lab.judged(case).state == "finished"


@pytest.mark.parametrize("time", TIMES)
def test_two_resumes(lab: Lab, time: int) -> None:
    training = lab.start("train", "both_20")
    run = lab.when("both_20", Checkpoint)
    os.kill(training.process.pid, signal.SIGKILL)
    training.end()
    ended = both(lab, *[("train", "both_20", "--resume")] * 2)
    assert sorted(process.end() for process in ended) in ([0, 2], [0, 0])
    assert lab.judged("both_20").state == "finished"
    assert run.latest.exists()


@pytest.mark.parametrize("time", TIMES)
def test_two_imports(lab: Lab, shared: Path, time: int) -> None:
    out = lab.path / "imported"
    source = str(shared / "data" / "small")
    command = ("episodes", "import", source, str(out), "--size", "64", "--jobs", "1")
    ended = [lab.start_bare(*command, "--workspace", str(lab.path)) for _ in range(2)]
    codes = sorted(process.end() for process in ended)
    assert codes in ([0, 0], [0, 2])
    assert len(read_manifest(out).episodes) == 20
    load_dataset(out)
    lab.nothing_half_written()


@pytest.mark.parametrize("time", TIMES)
def test_two_exports(lab: Lab, shared: Path, time: int) -> None:
    out = lab.path / "exported"
    for name in ("small", "small_eval"):
        assert (shared / "data" / name).is_dir()
    ended = [
        lab.start_bare("episodes", "export", str(shared / "data" / name), str(out), "--images")
        for name in ("small", "small_eval")
    ]
    assert sorted(process.end() for process in ended) == [0, 2]
    (refused,) = [process for process in ended if process.end() == 2]
    assert "exists already" in refused.sentence()
    assert (out / "meta" / "info.json").is_file()
    shutil.rmtree(out)
    lab.nothing_half_written()


@pytest.mark.parametrize("time", TIMES)
def test_two_corrections_of_one_page(finished_lab: Lab, tmp_path: Path, time: int) -> None:
    page = tmp_path / "page.md"
    page.write_text("# both_20\n\n- epochs: 99\n- batch: 2\n")
    ended = both(finished_lab, *[("audit", str(page), "--fix")] * 2)
    assert {process.end() for process in ended} <= {0, 1, 2}
    assert page.read_text().startswith("# both_20\n")
    assert "batch: 2" in page.read_text()
    assert not list(tmp_path.glob(".*.part"))
