"""What becomes of a run, told by its folder, by MLflow and by W&B: the exit-state table.

    python -m benchmarks exit_states [--mlflow PYTHON] [--wandb PYTHON] [--markdown]

Every row is a real process that ends so (`exit_rows.py`); a reboot alone is made by changing the
boot in the record. PYTHON has the tracker installed; it is used as its guide shows, without a
`with` block. Marked ✗: what is told is not what is so. Memory and disk rows need root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from benchmarks.exit_rows import (
    OURS,
    ROWS,
    Row,
    begin,
    end,
    memory_group,
    small_disk,
    until,
)
from benchmarks.run_folders import write_inputs
from mobile_vla.evidence.importers.formats.mlflow_store import read_mlflow
from mobile_vla.evidence.importers.formats.wandb_files import read_wandb
from mobile_vla.evidence.run_view import view_run
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.process import this_process

LIMIT = 1 << 30
RIGHT = {
    "killed": ("KILLED", "FAILED", "exit code 255", "exit code 1"),
    "failed": ("FAILED", "exit code 255", "exit code 1"),
    "running": ("RUNNING", "no exit recorded"),
}
"""What a tracker may say of each truth; of stalled and unknown runs none has a word."""

TRACKED = """
import os, signal, sys, time
from pathlib import Path
{tracker}
def wait():
    signal.pause()

def nan():
    log(8, float("nan"))
    sys.exit(1)

def clock_back():
    real = time.time
    time.time = lambda: real() - 3600

def work():
    log(7)
    Path(sys.argv[2]).touch()
    {then}

work()
"""
MLFLOW = """
import mlflow
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1])
mlflow.start_run(run_id=os.environ.get("JOINED"), run_name=Path(sys.argv[2]).name)
Path(sys.argv[2] + "-id").write_text(mlflow.active_run().info.run_id)
def log(step, loss=0.1):
    mlflow.log_metric("loss", loss, step=step)
"""
WANDB = """
import wandb
run = wandb.init(mode="offline", dir=sys.argv[1], project="p")
def log(step, loss=0.1):
    run.log({{"loss": loss}}, step=step)
"""


class Keeper(Protocol):
    """Who keeps a run: starts children that begin one, and tells what became of it."""

    name: str

    def start(self, base: Path, row: Row, number: int) -> subprocess.Popen[bytes]:
        """Begin the run of `base`, or join it as process `number`."""

    def told(self, base: Path, row: Row) -> tuple[str, bool]:
        """What is said, and whether that is so."""


class OurFolder:
    """A run folder, and the casebook that reads it."""

    name = "mobile-vla"

    def start(self, base: Path, row: Row, number: int) -> subprocess.Popen[bytes]:
        folder = RunFolder(base / "run")
        if not folder.path.exists():
            write_inputs(folder, "case", 0)
        return begin(OURS, str(folder.path), base / f"sign-{number}", row.then)

    def told(self, base: Path, row: Row) -> tuple[str, bool]:
        now = datetime.now(UTC) - timedelta(hours=row.name == "clock set back")
        if row.name == "reboot, pid reused":
            _reboot(RunFolder(base / "run"))
        if row.truth == "unknown":
            state = _asked_elsewhere(base)
            return state, state == row.truth
        view = view_run(RunFolder(base / "run"), base, now)
        expected = {
            "two processes, one leaves": "run.process_after_exit",
            "clock set back": "run.clock_set_back",
        }.get(row.name)
        codes = [None, *(conflict.code for conflict in view.conflicts)]
        right = view.state == row.truth and expected in codes
        return view.state, right


class Mlflow:
    """MLflow with its sqlite store."""

    name = "MLflow"

    def __init__(self, python: str) -> None:
        self.python = python

    def start(self, base: Path, row: Row, number: int) -> subprocess.Popen[bytes]:
        if number:
            os.environ["JOINED"] = (base / "sign-0-id").read_text()
        script = TRACKED.replace("{tracker}", MLFLOW)
        try:
            return begin(
                script, f"{base}/mlflow.db", base / f"sign-{number}", row.then, self.python
            )
        finally:
            os.environ.pop("JOINED", None)

    def told(self, base: Path, row: Row) -> tuple[str, bool]:
        (run,) = read_mlflow(base / "mlflow.db") or ()
        return run.status, run.status in RIGHT.get(row.truth, ())


class Wandb:
    """W&B, offline: the exit record in its file."""

    name = "W&B offline"

    def __init__(self, python: str) -> None:
        self.python = python

    def start(self, base: Path, row: Row, number: int) -> subprocess.Popen[bytes]:
        script = TRACKED.replace("{tracker}", WANDB)
        return begin(script, str(base), base / f"sign-{number}", row.then, self.python)

    def told(self, base: Path, row: Row) -> tuple[str, bool]:
        ends = [read_wandb(path).exit_code for path in sorted(base.rglob("*.wandb"))]
        code = ends[-1] if ends else None
        said = "no exit recorded" if code is None else f"exit code {code[1]}"
        return said, said in RIGHT.get(row.truth, ())


def _reboot(run: RunFolder) -> None:
    """The record of a process of another boot whose pid a living one has now: this one."""
    first, *rest = run.events.read_text().splitlines()
    start = json.loads(first)
    me = this_process()
    start["process"] |= {"pid": me.pid, "started": me.started, "boot": "another boot"}
    run.events.write_text("\n".join([json.dumps(start), *rest]) + "\n")


def _asked_elsewhere(base: Path) -> str:
    """What `mvla status` says under another host name."""
    (base / "runs/case").mkdir(parents=True)
    (base / "run").rename(base / "runs/case/one")
    asked = [sys.executable, "-m", "mobile_vla.cli", "status", "case", "--json", "--workspace"]
    script = ["sh", "-c", 'hostname elsewhere && exec "$@"', "sh", *asked, str(base)]
    done = subprocess.run(["unshare", "--uts", *script], capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["state"])


def run_row(keeper: Keeper, row: Row, base: Path) -> tuple[str, bool]:
    """Bring a row about for one keeper in the empty folder `base`."""
    started = [keeper.start(base, row, 0)]
    try:
        if row.act is not None:
            row.act(started[0].pid)
        if row.name.startswith("two processes"):
            started.append(keeper.start(base, row, 1))
            started[0].send_signal(signal.SIGINT)
            started[0].wait()
        if row.name == "out of memory":
            _exhaust(started[0])
        if row.truth in ("killed", "failed"):
            started[0].wait()
        if row.truth == "stalled":
            stat = Path(f"/proc/{started[0].pid}/stat")
            until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the stop")
        if row.name == "clock set back" and isinstance(keeper, OurFolder):
            events = RunFolder(base / "run").events
            until(lambda: events.read_text().count("heartbeat") == 2, "the jump")
        return keeper.told(base, row)
    finally:
        for process in started:
            end(process)


def _exhaust(process: subprocess.Popen[bytes]) -> None:
    """Let it take more than a group of its own may have."""
    with memory_group(LIMIT) as group:
        if group is None:
            raise PermissionError("no memory group can be made here")
        (group / "cgroup.procs").write_text(str(process.pid))
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        process.wait()


def tell(keeper: Keeper, row: Row) -> str:
    """One cell of the table."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        base = Path(name)
        if row.name == "disk full" and not stack.enter_context(small_disk(base)):
            return "not run: no right to mount"
        try:
            said, right = run_row(keeper, row, base)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"not run: {error}"
    return f"{said} {'✓' if right else '✗'}"


def main(argv: Sequence[str]) -> int:
    """Print the table; exit 1 where our own column is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", metavar="PYTHON")
    parser.add_argument("--wandb", metavar="PYTHON")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(argv)
    keepers: list[Keeper] = [OurFolder()]
    keepers += [Mlflow(options.mlflow)] if options.mlflow else []
    keepers += [Wandb(options.wandb)] if options.wandb else []
    table = [["how it ends", "what is so", *(keeper.name for keeper in keepers)]]
    for row in ROWS:
        table.append([row.name, row.truth, *(tell(keeper, row) for keeper in keepers)])
        print(".", end="", file=sys.stderr, flush=True)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for number, cells in enumerate(table):
        line = " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print(f"| {line} |" if options.markdown else line)
        if options.markdown and not number:
            print(f"|{'|'.join('---' for _ in cells)}|")
    return int(any("✗" in cells[2] for cells in table))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
