"""The ways in which a run ends, each brought about for real: shared by the benchmark and the tests.

A row starts a child that begins a run, says so by a file, and does `then`; the harness may do
something to it; then whoever keeps the run is asked what became of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEADLINE = 120.0

OURS = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from mobile_vla.runs.events import Exit, Heartbeat, Start
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.process import this_process
from mobile_vla.runs.workspace import Workspace
from mobile_vla.training import run as machinery
from mobile_vla.training.schedules import NotFinite

def work(session):
    back = timedelta()

    def log(step):
        session.events.append(Heartbeat(step=step, epoch=1, time=datetime.now(UTC) - back))

    def wait():
        session.stop.wait()
        return Exit(outcome="interrupted", step=7, reason="a signal asked it to stop")

    def nan():
        raise NotFinite("the loss of step 7 is nan")

    def clock_back():
        nonlocal back
        back = timedelta(hours=1)

    session.events.append(Start(process=this_process(), argv=sys.argv, total_steps=40))
    log(7)
    sys.__stdout__.flush()
    Path(sys.argv[2]).touch()
    {then}

machinery._run_session = work
machinery.train(RunFolder(Path(sys.argv[1])), Workspace(Path(sys.argv[1])), terminal=False)
"""
"""A process under training's own record and signal handlers."""

FILL = (
    "f = open(sys.argv[2] + '-filler', 'wb', buffering=0)\n"
    "    try:\n"
    "        while f.write(b'0' * 4096): pass\n"
    "    except OSError: pass\n"
    "    [log(step) for step in range(8, 5000)]"
)


@dataclass(frozen=True)
class Row:
    """`truth`: the state that is so. `then`: what the child does. `act`: what is done to it."""

    name: str
    truth: str
    then: str
    act: Callable[[int], None] | None = None


def send(number: signal.Signals) -> Callable[[int], None]:
    """Send a signal to the process of that pid."""
    return lambda pid: os.kill(pid, number)


ROWS = (
    Row("SIGKILL", "killed", "return wait()", send(signal.SIGKILL)),
    Row("SIGTERM", "killed", "return wait()", send(signal.SIGTERM)),
    Row("Ctrl-C", "killed", "return wait()", send(signal.SIGINT)),
    Row("uncaught exception", "failed", "raise ValueError('broken')"),
    Row("sys.exit(1)", "failed", "sys.exit(1)"),
    Row("early exit(0)", "failed", "sys.exit(0)"),
    Row("out of memory", "killed", "sys.stdin.read(1); _ = b'x' * (4 << 30); wait()"),
    Row("disk full", "failed", FILL),
    Row("NaN stop", "failed", "nan()"),
    Row("stalled (SIGSTOP)", "stalled", "return wait()", send(signal.SIGSTOP)),
    Row("reboot, pid reused", "killed", "return wait()", send(signal.SIGKILL)),
    Row("two processes, one leaves", "running", "return wait()"),
    Row("clock set back", "running", "clock_back(); log(8); return wait()"),
    Row("asked on another machine", "unknown", "return wait()"),
)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for it; `TimeoutError` after two minutes."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen")
        time.sleep(0.01)


def begin(
    script: str, where: str, sign: Path, then: str, python: str = sys.executable
) -> subprocess.Popen[bytes]:
    """A child of `script`, begun: it has touched `sign`. Its standard input is open."""
    process = subprocess.Popen(
        [python, "-c", script.format(then=then), where, str(sign)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: sign.exists() or process.poll() is not None, "its start")
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it where it lives, and wait."""
    process.kill()
    process.communicate()


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path | None]:
    """A fresh memory group with a limit in bytes; None where this machine gives none."""
    made = None
    for base, name in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = base / f"mvla-rows-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        made = group
        break
    try:
        yield made
    finally:
        if made is not None:
            made.rmdir()


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "32m") -> Iterator[bool]:
    """A disk of its own at `folder`; False where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
