"""The exit-state table: each row by a real process that ends so, told by the casebook.

`tests/training/test_endings.py` has the rows of success, SIGKILL, SIGTERM, Ctrl-C, exception and
NaN of whole trainings; here are the others, and every row that needs a privilege.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmarks.exit_rows import OURS, begin, end, memory_group, small_disk

from in_english import all_en, en
from mobile_vla.evidence.run_view import view_run
from mobile_vla.runs.events import Checkpoint, Epoch
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.process import Process, boot_id, this_process
from small_lab import Lab, until

if TYPE_CHECKING:
    from run_folders import Maker

LONG = ("epochs: 3", "epochs: 2000")


def child(maker: Maker, folder: Path, then: str) -> subprocess.Popen[bytes]:
    """A process under training's own record and signal handlers that does `then` at step 7."""
    sign = maker.workspace / f"begun-{len(list(maker.workspace.glob('begun-*')))}"
    return begin(OURS, str(folder), sign, then)


def two_children(maker: Maker, folder: Path) -> list[subprocess.Popen[bytes]]:
    """Two processes on one run, as where a shared disk knows no locks: the lock's file vanishes."""
    children = []
    for _ in range(2):
        children.append(child(maker, folder, "return wait()"))
        folder.with_name(f".{folder.name}.lock").unlink()
    return children


def fresh(maker: Maker) -> Path:
    run = maker.begin("left_10")
    run.folder.events.unlink()
    return run.folder.path


def told(maker: Maker) -> tuple[str, str]:
    (run,) = maker.book().runs()
    return run.state, en(run.why)


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


def test_out_of_memory_as_the_kernel_ends_it(maker: Maker) -> None:
    process = child(maker, fresh(maker), "sys.stdin.read(1); _ = b'x' * (1 << 30); wait()")
    with memory_group(256 << 20) as group:
        if group is None:
            end(process)
            pytest.skip("no memory group can be made here")
        (group / "cgroup.procs").write_text(str(process.pid))
        process.communicate(b"x")
    assert process.returncode == -signal.SIGKILL
    assert told(maker)[0] == "killed"


def test_stopped_and_going_on(lab: Lab) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    lab.when("left_10", Epoch)
    training.send(signal.SIGSTOP)
    until(lambda: lab.judged("left_10").state == "stalled", "the stall")
    assert "is stopped" in en(lab.judged("left_10").why)
    training.send(signal.SIGCONT)
    until(lambda: lab.judged("left_10").state == "running", "going on")


def test_a_disk_that_fills(lab: Lab) -> None:
    with small_disk(lab.path / "runs", "300m") as mounted:
        if not mounted:
            pytest.skip("needs the right to mount")
        _fill(lab, lab.path / "runs" / "filler")


def _fill(lab: Lab, filler: Path) -> None:
    lab.change(*LONG)
    training = lab.start("train", "left_10")
    run = lab.when("left_10", Checkpoint)  # written whole, so it must outlive the disk
    assert lab.judged("left_10").state == "running"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    assert training.end() != 0
    found = lab.judged("left_10")
    assert found.state == "failed", en(found.why)
    assert "disk" in en(found.why).lower() or "No space" in en(found.why)
    assert found.latest is not None and found.latest.problem is None
    assert run.path.name in found.path


def test_two_processes_on_one_run_folder(maker: Maker) -> None:
    folder = fresh(maker)
    both = two_children(maker, folder)
    (run,) = maker.book().runs()
    for process in both:
        process.kill()
        process.wait()
    assert run.state == "running"
    pids = [str(process.pid) for process in both]
    (said,) = [conflict for conflict in all_en(run.conflicts) if "both write this run" in conflict]
    assert all(pid in said for pid in pids)
    assert told(maker)[0] == "killed"


def test_of_two_processes_the_one_that_stays_speaks(maker: Maker) -> None:
    """The other's orderly exit is the newest event, and yet the run goes on."""
    folder = fresh(maker)
    leaves, stays = two_children(maker, folder)
    leaves.send_signal(signal.SIGINT)
    leaves.wait()
    (run,) = maker.book().runs()
    end(stays)
    assert run.state == "running", en(run.why)
    assert any(
        f"process {leaves.pid} left" in said and f"process {stays.pid} lives" in said
        for said in all_en(run.conflicts)
    )
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
    then = "clock_back(); log(8); Path(sys.argv[2] + '-back').touch(); return wait()"
    folder = fresh(maker)
    process = child(maker, folder, then)
    until(lambda: list(maker.workspace.glob("*-back")), "the jump")
    now = datetime.now(UTC) - timedelta(hours=1)
    run = view_run(RunFolder(folder), maker.workspace, now)
    process.kill()
    process.wait()
    assert (run.state, run.steps) == ("running", 8), en(run.why)
    assert any("set back before line 3" in conflict for conflict in all_en(run.conflicts))


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
