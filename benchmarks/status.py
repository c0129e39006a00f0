"""How fast `mvla status` is: start-up, 1,000 runs cold and warm, 100,000 warm, beside MLflow.

    python -m benchmarks.status [--runs 1000] [--many 100000] [--mlflow PYTHON]

Each figure is the wall time of a call in a fresh process, and the processor time it took. Cold:
no index, files in the page cache. `--mlflow` names a Python that has MLflow installed; its listing
of as many runs with the same metrics is measured in the same way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.run_folders import EPOCHS, make_runs

ASK = """
import resource, sys, time
from pathlib import Path
from mobile_vla.evidence.case_listing import summary
from mobile_vla.cli.status_table import rows
def used():
    both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(r.ru_utime + r.ru_stime for r in both)
wall, cpu = time.perf_counter(), used()
found = rows(summary(Path(sys.argv[1]), None, None, Path("study.yaml")))
print(time.perf_counter() - wall, used() - cpu, sum(row["runs"] for row in found))
assert {row["state"] for row in found} <= {"finished"}, found[0]
"""
MAKE_MLFLOW = """
import sys, mlflow
from mlflow.entities import Metric, Param
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
params = [Param("learning_rate", "1e-4"), Param("seed", "1")]
for number in range(int(sys.argv[2])):
    run = client.create_run("0", run_name=f"run {number}").info.run_id
    losses = [Metric("val_loss", 1 / (e + 1), 0, e) for e in range(int(sys.argv[3]))]
    client.log_batch(run, losses, params)
    client.set_terminated(run)
"""
ASK_MLFLOW = """
import sys, time, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
client.search_experiments()
wall, cpu, found, token = time.perf_counter(), time.process_time(), 0, None
while True:
    page = client.search_runs(["0"], max_results=1000, page_token=token)
    found, token = found + len(page), page.token
    if not token:
        break
print(time.perf_counter() - wall, time.process_time() - cpu, found)
"""


def ask(script: str, *arguments: str, python: str = sys.executable) -> tuple[float, float, int]:
    """Wall and processor seconds, and how many runs were listed."""
    command = [python, "-c", script, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall, cpu, count = done.stdout.split()
    return float(wall), float(cpu), int(count)


def best_of(times: int, script: str, *arguments: str, python: str = sys.executable) -> str:
    """The best of some calls, as text."""
    found = [ask(script, *arguments, python=python) for _ in range(times)]
    wall, cpu, count = min(found)
    return f"{count:7,} runs: {wall:7.3f} s wall, {cpu:7.3f} s processor"


def startup(folder: Path) -> str:
    """The whole command on an empty workspace, best of five."""
    script = (
        "import resource, subprocess, sys, time\n"
        "wall = time.perf_counter()\n"
        "subprocess.run([sys.executable, '-m', 'mobile_vla.cli', 'status', '--workspace', "
        "sys.argv[1]], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.perf_counter() - wall, used.ru_utime + used.ru_stime, 0)\n"
    )
    return best_of(5, script, str(folder))


def main(argv: Sequence[str]) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--mlflow", metavar="PYTHON")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "empty").mkdir()
        print("start-up, empty workspace ", startup(base / "empty"))
        make_runs(base / "few", options.runs)
        print("cold                      ", best_of(1, ASK, str(base / "few")))
        print("warm                      ", best_of(5, ASK, str(base / "few")))
        if options.mlflow:
            store = f"sqlite:///{base}/mlflow.db"
            command = [options.mlflow, "-c", MAKE_MLFLOW, store, str(options.runs), str(EPOCHS)]
            subprocess.run(command, check=True, capture_output=True)
            print("MLflow, the same listing  ",
                  best_of(5, ASK_MLFLOW, store, python=options.mlflow))  # fmt: skip
        if options.many:
            make_runs(base / "many", options.many, linked=True)
            print("many, cold                ", best_of(1, ASK, str(base / "many")), flush=True)
            print("many, warm                ", best_of(5, ASK, str(base / "many")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
