"""What a GPU gives: rate, memory, a control step, equality with the CPU, one resume.

Under ten minutes on a GPU, at Kosmos-2's full width with two layers a tower and random weights. On
a machine without one the same runs at a small size on the CPU, and says so: that shows that the
script works, and nothing about a GPU.
"""

from __future__ import annotations

import argparse
import copy
import os
import signal
import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.training import WINDOW, count_operations, step, timed
from benchmarks.training_lab import SIZES, Size, begin, open_training

if TYPE_CHECKING:
    import torch

    from mobile_vla.policy.policy import Policy
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.training.train_state import Training

ROUNDS = 5
BOUNDS = {"32-true": 1e-3, "bf16-mixed": 2e-2}
"""How far a first action may lie from the CPU's in float32, m/s, by the device's precision."""
RESUME_BOUND = 1e-4
"""Relative difference of trained weights after a resume; a GPU sums in no fixed order."""


def main(argv: Sequence[str]) -> int:
    """Print each figure; 1 where the device differs from the CPU, or a resumed run from a whole."""
    import torch

    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--size", choices=list(SIZES), default="wide" if gpu else "tiny")
    parser.add_argument(
        "--precision", choices=list(BOUNDS), default=next(reversed(BOUNDS)) if gpu else "32-true"
    )
    options = parser.parse_args(argv)
    size = SIZES[options.size]
    device = torch.cuda.get_device_name() if gpu else "no GPU here: the CPU, so nothing of a GPU"
    print(f"{device}; {size.what}; {options.precision}; W = {WINDOW}")
    with tempfile.TemporaryDirectory() as folder:
        training = open_training(size, Path(folder), WINDOW, options.precision)
        rate(training, size, options.precision)
        control(training)
        wrong = not equal_to_cpu(training, BOUNDS[options.precision])
    return int(wrong | (not resumes(size, options.precision)))


def wait() -> None:
    """Until the device has done all that it was given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(call: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of each of some calls after a first one, to the end of the device's work."""

    def whole() -> None:
        call()
        wait()

    whole()
    return [timed(whole) for _ in range(rounds)]


def rate(training: Training, size: Size, precision: str) -> None:
    """Windows a second, the share of a measured matrix product's rate, memory, blocking reads."""
    import torch

    from mobile_vla.policy.memory import peak_bytes
    from mobile_vla.training.train_state import Position

    group = training.manifest.split("train")[: size.batch]
    windows = sum(max(1, episode.frames - WINDOW + 1) for episode in group)
    ours = partial(step, training, Position(), group)
    operations = count_operations(ours)
    took = statistics.median(seconds(ours))
    side = 8192 if torch.cuda.is_available() else 512
    kind = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    left, right = (torch.rand(side, side, device=training.fabric.device).to(kind) for _ in range(2))
    matrix = 2 * side**3 / statistics.median(seconds(partial(torch.mm, left, right)))
    print(f"  {windows / took:.1f} windows/s, {1e3 * took:.1f} ms a step")
    share = 100 * operations / took / matrix
    print(f"  {share:.0f} % of the {matrix / 1e12:.2f} TFLOP/s of a matrix product")
    print(f"  {peak_bytes() / 2**30:.2f} GiB at most")
    print(f"  {blocking_reads(ours)}")


def blocking_reads(call: Callable[[], object]) -> str:
    """How often the CPU waits for the device in a step."""
    import torch

    if not torch.cuda.is_available():
        return "blocking reads: counted on a GPU alone"
    with warnings.catch_warnings(record=True) as reads:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        call()
        torch.cuda.set_sync_debug_mode("default")
    return f"{len(reads)} blocking reads a step"


def control(training: Training) -> None:
    """How long the policy takes from a frame to its velocities."""
    from mobile_vla.policy.controller import Controller

    episode = training.manifest.split("train")[0]
    frames = training.tensors._frames[episode.id].copy()
    controller = Controller(training.policy, WINDOW)
    controller.reset([training.tensors._frames.instruction(episode.id)])
    for frame in frames[:WINDOW]:
        controller.act(frame[None])
    took = sorted(seconds(lambda: controller.act(frames[WINDOW][None]), 20))
    print(
        f"  a control step: {1e3 * statistics.median(took):.2f} ms, at most {1e3 * took[-1]:.2f} ms"
    )


def equal_to_cpu(training: Training, bound: float) -> bool:
    """Whether an episode's first actions are those of the same weights on the CPU in float32."""
    import torch

    policy = training.policy.eval()
    on_cpu = copy.deepcopy(policy).to("cpu")
    episode = training.manifest.split("val")[0]
    text = [training.tensors._frames.instruction(episode.id)]
    frames = torch.from_numpy(training.tensors._frames[episode.id].copy())

    def actions(model: Policy, autocast: bool) -> torch.Tensor:
        with torch.inference_mode(), training.fabric.autocast() if autocast else torch.no_grad():
            states = model.states(model.encode(frames), model.prompts(text, [len(frames)]))
            return model.predict(states[None, -WINDOW:]).float().cpu()

    difference = float((actions(policy, True) - actions(on_cpu, False)).abs().max())
    if not torch.cuda.is_available():
        print(f"  against the CPU: this is the CPU; difference {difference:.1e} m/s")
    else:
        print(f"  against the CPU in float32: {difference:.1e} m/s apart (bound {bound:g})")
    return difference <= bound


def resumes(size: Size, precision: str) -> bool:
    """Whether a run that is stopped and resumed ends with the weights of one that is not."""
    whole = trained(size, precision, stop_at=None)
    again = trained(size, precision, stop_at=1)
    apart = max(
        float((whole[name] - tensor).norm() / whole[name].norm().clamp_min(1e-12))
        for name, tensor in again.items()
    )
    print(f"  stopped and resumed: weights {apart:.1e} apart (bound {RESUME_BOUND:g})")
    return apart <= RESUME_BOUND


def trained(size: Size, precision: str, stop_at: int | None) -> dict[str, torch.Tensor]:
    """The weights of a run of two epochs; with `stop_at`, of one stopped there and resumed."""
    from safetensors.torch import load_file

    from mobile_vla.training.run import train

    def stop(done: int, total: int, note: str) -> None:
        if done == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with tempfile.TemporaryDirectory() as folder:
        run, _, workspace = begin(size, Path(folder), WINDOW, precision)
        ended = train(run, workspace, terminal=False, progress=stop)
        if stop_at is not None:
            assert ended.outcome == "interrupted", ended
            ended = train(run, workspace, resume=True, terminal=False)
        assert ended.outcome == "finished", ended
        return load_file(latest(run))


def latest(run: RunFolder) -> Path:
    """The policy's weights in the run's last checkpoint."""
    return run.path / "checkpoints" / "latest" / "policy.safetensors"
