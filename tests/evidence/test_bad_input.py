"""Status never crashes and never guesses, whatever lies in the folders that it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import foreign_material as make
from in_english import en
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.evidence.case_listing import summary
from mobile_vla.evidence.importers.scan_folders import Scanned, scan
from mobile_vla.evidence.model import CaseView, RunView

if TYPE_CHECKING:
    from run_folders import Maker

NOBODY = 65534
LOG = make.log("case_1", [0.3])


@pytest.fixture
def open_folder(maker: Maker) -> Iterator[Path]:
    """A workspace with a finished run that other users may enter (pytest's own they may not)."""
    maker.finish("left_10")
    maker.finish("both_20")
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(maker.workspace / "runs", Path(name) / "runs", symlinks=True)
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(ask: Callable[[], object]) -> bytes:
    """What `ask` gives, as JSON, in a process that no permission is waived for."""
    ask()  # what it imports late is imported now, while it may be read
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            if not os.geteuid():
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(there, msgspec.json.encode(ask()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(there)
    with open(here, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.parametrize(
    "closed", ["runs/left_10/*", "runs/left_10", "runs/left_10/*/events.jsonl"]
)
def test_what_may_not_be_read_is_unknown_and_never_not_begun(
    maker: Maker, open_folder: Path, closed: str
) -> None:
    def ask() -> list[list[CaseView]]:
        book = Casebook(open_folder, maker.study, study_path=maker.path)
        return [book.cases(), summary(open_folder, maker.study, "laptop", maker.path)]

    ask()
    (path,) = open_folder.glob(closed)
    path.chmod(0)
    for cases in msgspec.json.decode(as_nobody(ask), type=list[list[CaseView]]):
        states = {case.name: case.state for case in cases}
        assert (states["left_10"], states["both_20"]) == ("unknown", "finished")
        (run,) = next(case.runs for case in cases if case.name == "left_10")
        assert run.state == "unknown"
    path.chmod(0o755)
    assert {case.state for case in ask()[1] if case.run} == {"finished"}


def test_a_scanned_folder_without_permission_is_said(open_folder: Path) -> None:
    make.write(open_folder / "a.txt", LOG)
    make.write(open_folder / "closed/b.txt", LOG)
    make.write(open_folder / "listed/d.txt", LOG)
    make.write(open_folder / "c.txt", LOG)
    (open_folder / "closed").chmod(0)
    (open_folder / "listed").chmod(0o444)
    (open_folder / "c.txt").chmod(0)
    found = msgspec.json.decode(as_nobody(lambda: scan([open_folder])), type=Scanned)
    assert [run.case for run in found.runs] == ["case_1"]
    names = sorted(Path(str(problem.fields["file"])).name for problem in found.problems)
    assert names == ["c.txt", "closed", "d.txt"]
    (open_folder / "closed").chmod(0o755)
    (open_folder / "listed").chmod(0o755)


ASK = """
import resource, sys, time
from pathlib import Path
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.messages.catalogue import sentence
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
began = time.process_time()
folder = Path(sys.argv[1])
for run in Casebook(folder).runs() or scan([folder]).runs:
    print(run.state, *(sentence(why, "en") for why in (run.why, *run.conflicts)), sep="; ")
print(time.process_time() - began)
"""


def sparse(path: Path, start: bytes, ending: bytes) -> None:
    """A file of 2 GB: zeros between its first and its last words, so one line without end."""
    with open(path, "wb") as file:
        file.write(start)
        file.seek(2_000_000_000)
        file.write(ending)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["console.log", "events.jsonl", "metrics.csv", "manifest.json"])
def test_a_file_of_two_gigabytes_in_a_run_folder(maker: Maker, name: str) -> None:
    run = maker.finish("left_10") if name != "console.log" else maker.begin("left_10")
    path = run.folder.path / name
    told = b"\nTraceback (most recent call last):\n  File x\nValueError: at the end\n"
    first, _, rest = path.read_bytes().partition(b"\n") if path.exists() else (b"", b"", b"")
    sparse(path, first + b"\n", told if name == "console.log" else b"\n" + rest)
    said = asked(maker.workspace)
    states = {"console.log": "failed", "events.jsonl": "unverified"}  # the chain breaks there
    assert said.startswith(states.get(name, "finished")), said
    expected = {"console.log": "ValueError: at the end", "events.jsonl": "line 2 of"}
    assert expected.get(name, "it is too large") in said


@pytest.mark.slow
def test_a_scanned_log_of_two_gigabytes_of_lines(tmp_path: Path) -> None:
    bars = "".join(make.bar(0, n, 400) for n in range(400)).encode() + b"\n"
    with open(tmp_path / "a.txt", "wb") as file:
        file.write(make.log("case_1", [0.3], ending="").encode())
        while file.tell() < 2_000_000_000:
            file.write(bars * 200)
        file.write(b"\n`Trainer.fit` stopped: `max_epochs=3` reached.\n")
    assert asked(tmp_path).startswith("finished")


def asked(folder: Path) -> str:
    """State, reason and conflicts, told within a gigabyte of address space and a minute."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)], capture_output=True, text=True, check=True
    )
    said, _, seconds = done.stdout.strip().rpartition("\n")
    assert float(seconds) < 60
    return said


COME_AND_GO = """
import shutil, sys
from pathlib import Path
kept, runs = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while True:
    shutil.copytree(kept, runs / "case/one", symlinks=True)
    shutil.rmtree(runs / "case")
"""


def test_runs_that_are_deleted_while_they_are_read(maker: Maker) -> None:
    kept = maker.finish("left_10").folder.path.rename(maker.workspace / "kept")
    make.write(kept / "a.txt", LOG)
    make.checkpoint(kept / "last.ckpt", 1)
    runs = maker.workspace / "runs"
    shutil.rmtree(runs)
    runs.mkdir()
    command = [sys.executable, "-c", COME_AND_GO, str(kept), str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        seen: set[str] = set()
        for _ in range(30):
            seen |= {case.name for case in summary(maker.workspace, None, None, maker.path)}
            seen |= {run.case for run in Casebook(maker.workspace).runs()}
            scan([runs])
        child.kill()
    assert seen <= {"left_10", "case"}


def test_a_console_that_is_not_utf_8(maker: Maker) -> None:
    run = maker.begin("left_10")
    text = "왼쪽\nTraceback (most recent call last):\n  File x\nRuntimeError: 디스크\n"
    run.folder.console.write_bytes(text.encode("cp949"))
    (view,) = maker.book().runs()
    assert view.state == "failed"
    assert "RuntimeError: " in en(view.why) and "\ufffd" in en(view.why)


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
def test_a_scanned_log_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    make.write(tmp_path / "a.txt", ("학습 시작\n" + LOG).encode(encoding, "replace"))
    (run,) = scan([tmp_path]).runs
    assert (run.case, run.state) == ("case_1", "finished")


def test_two_runs_of_one_name(maker: Maker) -> None:
    run = maker.finish("left_10")
    shutil.copytree(run.folder.path, run.folder.path.parent / "copy", symlinks=True)
    views: list[RunView] = maker.book().case("Case 1").runs
    assert [view.state for view in views] == ["finished", "finished"]
    assert len({view.path for view in views}) == 2


def test_a_pickle_with_code_in_a_run_folder_is_not_opened(maker: Maker) -> None:
    run = maker.finish("left_10")
    ran = maker.workspace / "ran"
    evil = b"cposix\nsystem\n(S'touch " + str(ran).encode() + b"'\ntR."
    for path in (run.folder.best / "resume.pt", run.folder.path / "events.pkl"):
        path.write_bytes(evil)
    (view,) = maker.book().runs()
    assert view.state == "finished" and not ran.exists()
