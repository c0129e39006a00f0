"""How fast the dashboard is: ready, memory, pages, and ten live runs of 10,000 steps.

    python -m benchmarks.dashboard [--runs 1000] [--seconds 10]

`mvla ui` runs in a process of its own. A page's time is that of a request on loopback. Ten runs are
then made to look alive, and one browser's stream is read while they go on.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.run_folders import make_runs
from mobile_vla.runs.events import EventLog, Heartbeat, Start
from mobile_vla.runs.folder import RunFolder, find_runs
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.process import this_process

REQUESTS = 40
LIVE, STEPS = 10, 10_000


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        make_runs(workspace, options.runs)
        runs = list(find_runs(workspace / "runs"))
        with served(workspace) as (pid, address):
            print(f"first study page: {seconds_of(address + '/'):.2f} s")
            measure_pages(address, runs[0].path.relative_to(workspace).as_posix())
            print(f"memory: {memory(pid):.0f} MB")
        live = [revive(run) for run in runs[:LIVE]]
        with served(workspace) as (pid, address):
            measure_live(pid, address, workspace, live, options.seconds)
    return 0


@contextmanager
def served(workspace: Path) -> Iterator[tuple[int, str]]:
    """A dashboard's process and address."""
    command = [sys.executable, "-m", "mobile_vla.cli", "ui", "--workspace", str(workspace),
               "--port", "0"]  # fmt: skip
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        address = next(word for word in words if word.startswith("http")).rstrip("/")
        with urllib.request.urlopen(address + "/openapi.json") as answer:
            answer.read()
        ready = time.perf_counter() - begin
        print(f"ready: {ready:.2f} s, {memory(process.pid):.0f} MB")
        yield process.pid, address
    finally:
        process.terminate()
        process.wait()


def measure_pages(address: str, run: str) -> None:
    for path in ("/", f"/run/{run}", "/case/" + run.split("/")[1], "/search?q=finished"):
        times = [seconds_of(address + path) for _ in range(REQUESTS)]
        with urllib.request.urlopen(address + path) as answer:
            size = len(answer.read())
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"{path}: p95 {1000 * p95:.0f} ms, median {1000 * statistics.median(times):.0f} ms, "
              f"{size / 1000:.0f} kB")  # fmt: skip
    rested = []
    for _ in range(5):
        time.sleep(2.1)  # longer than a moment is taken for the present one
        rested.append(seconds_of(address + "/"))
    print(f"/ after a pause: median {1000 * statistics.median(rested):.0f} ms")


def measure_live(
    pid: int, address: str, workspace: Path, live: list[RunFolder], seconds: float
) -> None:
    """Each run takes a step every half second while the stream and its curves are read."""
    received, cursors = 0, dict.fromkeys(live, "")
    seconds_of(address + "/")
    logs = {
        run: (EventLog(run.events), MetricsFile(run.metrics, keep_to_step=STEPS)) for run in live
    }
    host, port = address.removeprefix("http://").split(":")
    stream = socket.create_connection((host, int(port)))
    stream.sendall(f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    time.sleep(3)
    cpu, begin, step = processor_seconds(pid), time.perf_counter(), STEPS
    while time.perf_counter() - begin < seconds:
        step += 1
        for events, metrics in logs.values():
            metrics.append(epoch=0, step=step, train_loss=1 / step)
            events.append(Heartbeat(step=step, epoch=0))
        if step % 4 == 0:
            run = live[step // 4 % len(live)]
            path = run.path.relative_to(workspace).as_posix()
            with urllib.request.urlopen(f"{address}/curves/{path}?after={cursors[run]}") as answer:
                data = answer.read()
            received += len(data)
            cursors[run] = data.decode().partition('"cursor":"')[2].partition('"')[0]
        time.sleep(0.5)
        if select.select([stream], [], [], 0)[0]:
            received += len(stream.recv(1 << 20))
    stream.close()
    passed = time.perf_counter() - begin
    share = (processor_seconds(pid) - cpu) / passed
    print(
        f"{len(live)} live runs: {100 * share:.1f} % of a core, {received / passed / 1000:.1f} kB/s"
    )


def revive(run: RunFolder) -> RunFolder:
    """Give a run 10,000 steps and a process that lives: this one."""
    metrics = MetricsFile(run.metrics)
    rows = "".join(f"0,{step},{1 / step:.6g}\r\n" for step in range(1, STEPS + 1))
    with open(metrics.path, "w", encoding="utf-8", newline="") as file:
        file.write("epoch,step,train_loss\r\n" + rows)
    log = EventLog(run.events)
    log.append(Start(process=this_process(), argv=["mvla"], total_steps=2 * STEPS))
    return run


def seconds_of(address: str) -> float:
    begin = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        answer.read()
    return time.perf_counter() - begin


def memory(pid: int) -> float:
    """Resident MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
