"""A full evaluation against its own forward passes, and the rollouts of a whole study.

    python -m benchmarks evaluation [--scenes 20] [--cases 8] [--jobs 2]

A case of the laptop profile's recipe is trained for two epochs on simulated episodes in a folder
of its own. Its rollouts are then driven `--cases` times by `--jobs` processes, and it is evaluated
whole (metrics, baselines, every instruction test, rollouts) by one, with the seconds spent inside
the policy's forward passes counted apart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.runs.workspace import Workspace

STUDY = """
study: benchmark
title: {en: Benchmark, ko: 벤치마크}
robot: {action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}
data: {train: episodes, evaluation: held_out}
base:
  window: 8
  chunk: 10
  lora: {r: 16, alpha: 32, dropout: 0.0}
  head: {hidden: 128, layers: 1}
  learning_rate: 3e-3
  epochs: 2
  batch: 8
  accumulate: 1
profiles:
  laptop:
    note: {en: benchmark, ko: 벤치마크}
    vlms: {vlm: "package:kosmos2-tiny"}
    inits: {}
    evaluation: {left: 20, right: 20}
    rollout_scenes: 20
cases:
  - {name: both, vlm: vlm, data: {left: 50, right: 50}}
"""


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks evaluation")
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        run, workspace = trained_run(Path(folder))
        drive_all(run, workspace, options.scenes, options.cases, options.jobs)
        evaluate_whole(run, workspace, options.scenes)
    return 0


def trained_run(folder: Path) -> tuple[RunFolder, Workspace]:
    """Simulate, and train the case. The renderer is used in other processes alone."""
    import torch

    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.simulator.render import choose_backend
    from mobile_vla.simulator.simulate import simulate_dataset
    from mobile_vla.study.load_study import load_study, resolve
    from mobile_vla.training.malloc import keep_freed_memory
    from mobile_vla.training.run import begin_run, train

    choose_backend()
    keep_freed_memory()
    torch.set_num_threads(1)
    workspace, path = Workspace(folder), folder / "study.yaml"
    path.write_text(STUDY)
    for name, count, seed in (("episodes", 50, 1), ("held_out", 20, 2)):
        simulate_dataset(
            workspace.data(name), left=count, right=count, seed=seed, image_size=(128, 128),
            jobs=2, split=seed == 1,
        )  # fmt: skip
    study = load_study(path)
    run = begin_run(resolve(study, study.cases[0], "laptop", 0, path), workspace)
    train(run, workspace, terminal=False)
    return run, workspace


def drive_all(run: RunFolder, workspace: Workspace, scenes: int, cases: int, jobs: int) -> None:
    """The rollouts of `cases` cases, one after another, each by `jobs` processes."""
    from mobile_vla.evaluation.offline import load_run
    from mobile_vla.evaluation.rollouts import evaluate_rollouts

    trained = load_run(run)
    began, steps = time.perf_counter(), 0
    for _ in range(cases):
        found = evaluate_rollouts(trained, workspace, scenes, jobs=jobs)
        steps += sum(drive.steps for drive in found.rollouts)
    seconds = time.perf_counter() - began
    print(
        f"{scenes} paired scenes x {cases} cases, {jobs} processes: {seconds:.1f} s "
        f"({2 * scenes * cases} drives, {steps} control steps, {steps / seconds:.0f} a second)"
    )


def evaluate_whole(run: RunFolder, workspace: Workspace, scenes: int) -> None:
    """Everything that `mvla evaluate` measures, twice: first with an empty cache of latents."""
    import shutil

    from mobile_vla.evaluation.offline import evaluate_offline, load_run
    from mobile_vla.evaluation.rollouts import evaluate_rollouts

    for what in ("latents computed", "latents stored"):
        if what == "latents computed":
            shutil.rmtree(workspace.cache / "latents")
        trained = load_run(run)
        with forward_seconds(trained.policy) as spent:
            began = time.perf_counter()
            evaluate_offline(trained, workspace)
            offline, of_offline = time.perf_counter() - began, spent[0]
            evaluate_rollouts(trained, workspace, scenes)
            whole = time.perf_counter() - began
        print(
            f"whole evaluation, {what}: {whole:.2f} s, {whole / spent[0]:.2f} x its forward "
            f"passes ({spent[0]:.2f} s); offline alone {offline:.2f} s, "
            f"{offline / of_offline:.2f} x"
        )


@contextmanager
def forward_seconds(policy: Any) -> Iterator[list[float]]:
    """Seconds inside the policy's passes: frames to latents, latents to states, the head."""
    spent, depth = [0.0], [0]

    def timed(call: Any) -> Any:
        def inner(*arguments: Any, **named: Any) -> Any:
            depth[0] += 1
            began = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                depth[0] -= 1
                if not depth[0]:
                    spent[0] += time.perf_counter() - began

        return inner

    policy.encode, policy.states = timed(policy.encode), timed(policy.states)
    policy.head.forward = timed(policy.head.forward)
    yield spent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
