"""The exit-state table: each row by a real process that ends so, told by the casebook.

`tests/training/test_endings.py` has the rows of success, SIGKILL, SIGTERM, Ctrl-C, exception and
NaN of whole trainings; here are the others, and every row that needs a privilege.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_vla.casebook.view import view_run
from mobile_vla.record.events import Checkpoint, Epoch
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.process import Process, boot_id, this_process
from small_lab import Lab, until

if TYPE_CHECKING:
    from conftest import Maker

LONG = ("epochs: 3", "epochs: 2000")

CHILD = """
import sys
from pathlib import Path
from mobile_vla.record.events import Heartbeat, Start
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.process import this_process
from mobile_vla.record.workspace import Workspace
from mobile_vla.training import run as machinery

def work(session):
    session.events.append(Start(process=this_process(), argv=sys.argv, total_steps=40))
    session.events.append(Heartbeat(step=7, epoch=1))
    sys.__stdout__.flush()
    Path(sys.argv[2]).touch()
    {then}

machinery._work = work
machinery.train(RunFolder(Path(sys.argv[1])), Workspace(Path(sys.argv[1])), terminal=False)
"""


def child(maker: Maker, folder: Path, then: str) -> subprocess.Popen[bytes]:
    """A process under training's own record and signal handlers that does `then` at step 7."""
    sign = maker.workspace / f"begun-{len(list(maker.workspace.glob('begun-*')))}"
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(then=then), str(folder), str(sign)],
        stderr=subprocess.DEVNULL,
    )
    until(sign.exists, "its start")
    return process


def fresh(maker: Maker) -> Path:
    run = maker.begin("left_10")
    run.folder.events.unlink()
    return run.folder.path


def told(maker: Maker) -> tuple[str, str]:
    (run,) = maker.book().runs()
    return run.state, run.why


@pytest.mark.parametrize(
    ("then", "state", "words"),
    [
        ("sys.exit(1)", "failed", "SystemExit: 1"),
        ("sys.exit(0)", "failed", "SystemExit: 0"),
        ("__import__('os')._exit(0)", "killed", "left no exit event"),
        ("__import__('os')._exit(1)", "killed", "left no exit event"),
        ("raise ValueError('broken')", "failed", "ValueError: broken"),
        ("__import__('os').abort()", "killed", "left no exit event"),
    ],
)
def test_leaving_early_is_never_success(maker: Maker, then: str, state: str, words: str) -> None:
    child(maker, fresh(maker), then).wait()
    found = told(maker)
    assert found[0] == state
    assert words in found[1]


def test_out_of_memory_as_python_tells_it(maker: Maker) -> None:
    """A limit of address space, and an allocation beyond it."""
    limit = f"__import__('resource').setrlimit({resource.RLIMIT_AS}, (1 << 33, 1 << 33)); "
    child(maker, fresh(maker), limit + "_ = bytearray(1 << 40)").wait()
    state, why = told(maker)
    assert state == "failed"
    assert "MemoryError" in why


def cgroup(limit: int) -> Path | None:
    """A fresh memory group with a limit in bytes; None where this machine gives none."""
    for base, name in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = base / f"mvla-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        return group
    return None


def test_out_of_memory_as_the_kernel_ends_it(maker: Maker) -> None:
    group = cgroup(256 << 20)
    if group is None:
        pytest.skip("no memory group can be made here")
    then = "sys.stdin.read(1); _ = b'x' * (1 << 30); sys.stdin.read()"
    sign = maker.workspace / "begun"
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(then=then), str(fresh(maker)), str(sign)],
        stdin=subprocess.PIPE,
    )
    try:
        until(sign.exists, "its start")
        (group / "cgroup.procs").write_text(str(process.pid))
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        group.rmdir()
    assert told(maker)[0] == "killed"


def test_stopped_and_going_on(lab: Lab) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    lab.when("left_10", Epoch)
    training.send(signal.SIGSTOP)
    until(lambda: lab.judged("left_10").state == "stalled", "the stall")
    assert "is stopped" in lab.judged("left_10").why
    training.send(signal.SIGCONT)
    until(lambda: lab.judged("left_10").state == "running", "going on")


@pytest.fixture
def small_disk(lab: Lab) -> Iterator[Path]:
    """The lab's runs on a disk of their own."""
    folder = lab.path / "runs"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills(lab: Lab, small_disk: Path) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    run = lab.when("left_10", Checkpoint)  # written whole, so it must outlive the disk
    assert lab.judged("left_10").state == "running"
    with open(small_disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    assert training.end() != 0
    found = lab.judged("left_10")
    assert found.state == "failed", found.why
    assert "disk" in found.why.lower() or "No space" in found.why
    assert found.latest is not None and found.latest.problem is None
    assert run.path.name in found.path


def test_two_processes_on_one_run_folder(maker: Maker) -> None:
    folder = fresh(maker)
    wait = "__import__('threading').Event().wait()"
    both = [child(maker, folder, wait) for _ in range(2)]
    (run,) = maker.book().runs()
    for process in both:
        process.kill()
        process.wait()
    assert run.state == "running"
    pids = [str(process.pid) for process in both]
    (said,) = [conflict for conflict in run.conflicts if "both write this run" in conflict]
    assert all(pid in said for pid in pids)
    assert told(maker)[0] == "killed"


def test_the_command_refuses_a_second_process(lab: Lab) -> None:
    lab.change(*LONG)
    lab.start("train", "left_10")
    lab.when("left_10", Epoch)
    second = lab.run("train", "left_10", "--resume")
    assert second.end() == 2
    assert "being trained already" in second.sentence()


def test_a_clock_set_back_while_it_trains(maker: Maker) -> None:
    """The clock of the machine, so the process's and the asker's, jumps back an hour."""
    then = (
        "import mobile_vla.record.events as e; from datetime import datetime, timedelta; "
        "session.events.append(Heartbeat(step=8, epoch=1, "
        "time=e.datetime.now(e.UTC) - timedelta(hours=1))); "
        "Path(sys.argv[2] + '-back').touch(); __import__('threading').Event().wait()"
    )
    folder = fresh(maker)
    process = child(maker, folder, then)
    until(lambda: list(maker.workspace.glob("*-back")), "the jump")
    now = datetime.now(UTC) - timedelta(hours=1)
    run = view_run(RunFolder(folder), maker.workspace, now)
    process.kill()
    process.wait()
    assert (run.state, run.steps) == ("running", 8), run.why
    assert any("set back before line 3" in conflict for conflict in run.conflicts)


def test_a_reboot_with_the_pid_reused(maker: Maker) -> None:
    me = this_process()
    before = Process(pid=me.pid, boot="another boot", started=me.started, host=me.host)
    maker.begin("left_10", process=before)
    assert told(maker)[0] == "killed"
    assert boot_id() != "another boot"


def test_a_folder_that_moved_to_another_machine(lab: Lab) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    lab.when("left_10", Epoch)
    asked = [
        sys.executable, "-m", "mobile_vla.cli", "status", "left_10", "--json",
        "--study", str(lab.study), "--workspace", str(lab.path),
    ]  # fmt: skip
    script = 'hostname another-machine && exec "$@"'
    command = ["unshare", "--uts", "sh", "-c", script, "sh", *asked]
    done = subprocess.run(command, capture_output=True, text=True)
    training.send(signal.SIGKILL)
    training.end()
    if done.returncode and "Operation not permitted" in done.stderr:
        pytest.skip("needs the right to name a machine")
    said = json.loads(done.stdout)
    assert said["state"] == "unknown"
    assert "cannot be told from here" in said["why"]
    assert lab.judged("left_10").state == "killed"
