"""Data sets of up to a million episodes: manifest, split, order, status, plan; and Ray's queue.

Episodes are simulated as rows of a manifest: no frame is stored. Each size has a process of its
own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000, 1_000_000)
CASES = 1000
GOAL_MS = 20.0


def main(argv: Sequence[str]) -> int:
    """Measure each size, and print how a step grows beside n log n; 1 where one grows faster."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ray", action="store_true", help="queue 1,000 cases to a Ray of its own")
    options = parser.parse_args(argv)
    if options.ray:
        return queue_to_ray()
    context = multiprocessing.get_context("spawn")
    tables: dict[int, dict[str, float]] = {}
    for size in options.sizes:
        with context.Pool(1) as pool:
            tables[size] = pool.apply(measure, (size,))
    return print_table(tables)


def print_table(tables: dict[int, dict[str, float]]) -> int:
    """A row a step, a column a size, and the growth from the first to the last size."""
    sizes = list(tables)
    print("step".ljust(34) + "".join(f"{size:>14,}" for size in sizes) + "   growth / n log n")
    allowed = sizes[-1] * math.log(sizes[-1]) / (sizes[0] * math.log(sizes[0]))
    worse = 0
    for name in tables[sizes[0]]:
        values = [tables[size][name] for size in sizes]
        growth = values[-1] / values[0] / allowed
        worse += growth > 1.5
        print(name.ljust(34) + "".join(f"{value:>14.3g}" for value in values) + f"{growth:>12.2f}")
    return int(bool(worse))


def measure(size: int) -> dict[str, float]:
    """Seconds of each step on a data set of `size` episodes, bytes of its manifest, peak memory."""
    from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
    from mobile_vla.episodes.splits import SplitCandidate, assign_splits, select
    from mobile_vla.training.schedules import epoch_groups

    took: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        value = step()
        took[f"{name}, s"] = time.perf_counter() - start
        return value

    sides = ("left", "right", "straight")
    candidates = [SplitCandidate(sides[n % 3], n) for n in range(size)]
    splits = timed("split", partial(assign_splits, candidates, 1))
    rows = timed("rows", lambda: [row(n, sides[n % 3], split) for n, split in enumerate(splits)])
    manifest = timed("identity", partial(Manifest.of, "large", 0.4, rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed("write", partial(write_manifest, folder, manifest))
        took["manifest, MB"] = (folder / "manifest.json").stat().st_size / 1e6
        timed("read and check", partial(read_manifest, folder))
    timed("select half of each side", partial(select, manifest, dict.fromkeys(sides, size // 6)))
    timed("order of an epoch", partial(epoch_groups, size, 8, 1, 0))
    took |= status_of_run(manifest)
    took["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return took


def row(number: int, side: Any, split: Any) -> Any:
    """A row of a manifest as an import writes it."""
    from blake3 import blake3

    from mobile_vla.episodes.manifest import ManifestEpisode

    return ManifestEpisode(
        id=f"episode_{number:07}", hash=blake3(str(number).encode()).hexdigest(), direction=side,
        told_by=["instruction"], frames=60, split=split, source=f"episode_{number:07}.h5",
    )  # fmt: skip


def status_of_run(manifest: Any) -> dict[str, float]:
    """Seconds until the state and the plan of a workspace whose one run has this manifest."""
    from benchmarks.run_folders import write_template
    from mobile_vla.analysis.casebook import Casebook
    from mobile_vla.episodes.manifest import write_manifest

    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name)
        run = workspace / "runs" / "large" / "20260101-000000"
        write_template(run, "large", 1)
        write_manifest(run / "manifest.json", manifest)
        start = time.perf_counter()
        book = Casebook(workspace)
        book.cases()
        state = time.perf_counter() - start
        book.plan()
        return {"status, s": state, "plan, s": time.perf_counter() - start - state}


def queue_to_ray() -> int:
    """Queue cases to a Ray of this machine without a CPU to give, so that none of them begins."""
    from ray.cluster_utils import Cluster

    from mobile_vla.cluster.job import JobSpec
    from mobile_vla.cluster.ray_cluster import RayCluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    os.environ["RAY_ADDRESS"] = cluster.address
    with tempfile.TemporaryDirectory() as name, RayCluster(Path(name), 1) as engine:
        spec = JobSpec(run=name, workspace=name, scenes=1)
        start = time.perf_counter()
        for number in range(CASES):
            engine.start(f"case_{number}", spec)
        each = (time.perf_counter() - start) / CASES * 1000
    cluster.shutdown()
    print(f"{CASES} cases queued to Ray, {each:.2f} ms each (goal: under {GOAL_MS:.0f} ms)")
    return int(each >= GOAL_MS)
