"""One writer a folder, and workers that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from mobile_vla.messages.errors import UserError
from mobile_vla.runs import locks
from mobile_vla.runs.events import Checkpoint, Start
from mobile_vla.runs.files import folder_beside, recover, sweep_parts, write_atomic, written_beside
from mobile_vla.runs.locks import sole_writer
from small_lab import Lab, events_of, until

WORKER = """
import os, signal, sys, multiprocessing
from mobile_vla.runs.process import end_with_parent
def work(path):
    end_with_parent()
    open(path, "w").write(str(os.getpid()))
    signal.pause()
if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1],)).start()
    signal.pause()
"""


def holds(path: Path, ready: Any, leave: Any) -> None:
    with sole_writer(path, "testing"):
        ready.set()
        leave.wait(60)


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    holder = context.Process(target=holds, args=(tmp_path / "run", ready, leave))
    holder.start()
    assert ready.wait(60)
    refused = pytest.raises(UserError, match=f"process {holder.pid} on .* \\(testing: ")
    with refused, sole_writer(tmp_path / "run", "testing"):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with sole_writer(tmp_path / "run", "testing"):
        pass


def test_a_holder_that_is_about_to_say_who_it_is_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, look = tmp_path / "run", locks._holder
    said: list[str] = []

    def look_and_write(of: Path) -> locks.Holder | None:
        found = look(of)
        locks._write_holder(of, "testing")
        return found

    monkeypatch.setattr(locks, "_holder", look_and_write)
    with FileLock(tmp_path / ".run.lock"):
        with pytest.raises(UserError) as refused, sole_writer(path, "second"):
            pass
        said += refused.value.faults
    assert f"process {os.getpid()} on" in said[0]


def test_two_resumes_at_one_moment_are_one(lab: Lab) -> None:
    training = lab.start("train", "both_20")
    run = lab.when("both_20", Checkpoint)
    os.kill(training.process.pid, signal.SIGKILL)
    training.end()
    ends = [lab.start("train", "both_20", "--resume") for _ in range(2)]
    codes = sorted(end.end() for end in ends)
    assert codes == [0, 2] or codes == [0, 0], [end.stderr for end in ends]
    assert lab.judged("both_20").state == "finished"
    for end in ends:
        assert "Traceback" not in end.stderr
    assert len(events_of(run.events, Start)) <= 1 + codes.count(0)


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "worker.py", tmp_path / "pid"
    script.write_text(WORKER)
    parent = subprocess.Popen([sys.executable, str(script), str(told)])
    pid = int(until(lambda: told.exists() and told.read_text(), "the worker"))
    parent.kill()
    parent.wait()
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid), "the worker's end")


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_in_one_step(
    tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:
        monkeypatch.setattr("mobile_vla.runs.files._exchange", lambda new, path: False)
    for content in ("first", "second"):
        with folder_beside(tmp_path / "out") as beside:
            (beside / "file").write_text(content)
        assert (tmp_path / "out" / "file").read_text() == content
        assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("failing", range(8))
def test_a_failing_rename_leaves_the_old_folder_or_the_new(
    tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobile_vla.runs.files._exchange", lambda new, path: False)
    out = tmp_path / "out"
    with folder_beside(out) as beside:
        (beside / "file").write_text("old")
    count = 0

    def fails(function: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == failing + 1:
                raise OSError(5, "Input/output error")
            return function(*arguments)

        return wrapped

    for name in ("replace", "fsync"):
        monkeypatch.setattr(os, name, fails(getattr(os, name)))
    try:
        with folder_beside(out) as beside:
            (beside / "file").write_text("new")
    except UserError:
        pass
    monkeypatch.undo()
    recover(out)
    assert (out / "file").read_text() in ("old", "new")


def test_left_overs_of_dead_processes_are_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = f".out.{os.getpid()}-0123abcd.part"
    for name in (f".out.{dead.pid}-0123abcd.part", mine, ".out.1-0123abcd.part", "out.part"):
        (tmp_path / name).mkdir()
    sweep_parts(tmp_path)
    assert names(tmp_path) == sorted([mine, ".out.1-0123abcd.part", "out.part"])


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    write_atomic(tmp_path / "link", b"ours")
    assert (tmp_path / "outside").read_text() == "precious"
    assert (tmp_path / "link").read_bytes() == b"ours"
    with pytest.raises(UserError, match="is a link"), written_beside(tmp_path / "new") as beside:
        beside.symlink_to(tmp_path / "outside")
