"""Training against the windowed reference, a control step against re-encoding the window.

Both sides run in one process, in turn, on the same model, episodes and loss; each figure is the
median over rounds. The reference has no cache: every window's frames go through vision (without
gradient, it is frozen) and text again. It is measured twice: each window alone, as the lab's
recipe (batch 1) trains, and all windows of an episode in one pass.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.training_lab import SIZES, Size, open_training

if TYPE_CHECKING:
    from mobile_vla.episodes.manifest import ManifestEpisode
    from mobile_vla.training.train_state import Position, Training

WINDOW = 8


def main(argv: Sequence[str]) -> int:
    """Measure the sizes asked for and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training")
    parser.add_argument("--size", choices=[*SIZES, "all"], default="tiny")
    parser.add_argument("--rounds", type=int, default=0, help="default: 9 (tiny), 1 (wide)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--gains", action="store_true", help="only what checkpointing and compiling change"
    )
    options = parser.parse_args(argv)

    import torch

    from mobile_vla.training.malloc import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(options.threads)
    for name in SIZES if options.size == "all" else [options.size]:
        size = SIZES[name]
        with tempfile.TemporaryDirectory() as folder:
            training = open_training(size, Path(folder), WINDOW)
            if options.gains:
                gains(training)
            else:
                measure(size, training, options.rounds or (9 if name == "tiny" else 1))
    return 0


def measure(size: Size, training: Training, rounds: int) -> None:
    """Print every figure of one size."""
    import torch

    from mobile_vla.training.schedules import epoch_groups
    from mobile_vla.training.train_state import Position

    train, position = training.manifest.split("train"), Position()
    print(f"{size.name}: {size.what}; {torch.get_num_threads()} thread, W = {WINDOW}")
    group = [train[i] for i in epoch_groups(len(train), size.batch, 1, 0)[0]]
    windows = sum(max(1, episode.frames - WINDOW + 1) for episode in group)
    frames = sum(episode.frames for episode in group)
    print(
        f"  a step: {len(group)} episodes, {frames} frames, {windows} windows of {WINDOW} "
        f"({windows * WINDOW / frames:.2f} passes a frame when each window is taken alone)"
    )
    ours = partial(step, training, position, group)
    references = {"one window a pass": 1}
    if size.name == "tiny":  # at full width a pass is long either way
        references["an episode's windows a pass"] = 64
    training.tensors.batch(group)  # fills the cache of vision features
    operations = count_operations(ours)
    side = max(512, training.policy.backbone.hidden_size)
    columns = [ours, product(side)]
    columns += [partial(windowed_step, training, group, many) for many in references.values()]
    for call in columns[: None if rounds > 1 else 2]:
        call()
    own, matrix, *others = zip(
        *([timed(call) for call in columns] for _ in range(rounds)), strict=True
    )
    rate = [2 * side**3 / seconds for seconds in matrix]
    share = [operations / s / r for s, r in zip(own, rate, strict=True)]
    print(f"  whole episodes, cached vision: {windows / median(own):.1f} windows/s")
    for name, other in zip(references, others, strict=True):
        say(f"windowed, {name}", windows, own, other)
    print(
        f"  matrix products {operations / 1e9:.3g} GFLOP a step, {100 * median(share):.0f} % of "
        f"the {median(rate) / 1e9:.0f} GFLOP/s of a {side}-wide product in this process"
    )
    step(training, position, *[group] * (rounds + 2))
    print(f"  waiting for data: {100 * data_wait(training):.2f} % of a step")
    control(training, group[0], max(3, rounds))


def gains(training: Training) -> None:
    """What each of the recipe's two switches changes, by the measurement that a run makes."""
    from msgspec.structs import replace

    from mobile_vla.training.compile_and_checkpointing import measure_gains
    from mobile_vla.training.losses import loss_sums
    from mobile_vla.training.preflight import Checklist

    network = training.policy.backbone.network
    batch = training.tensors.batch(training.manifest.split("train")[:1])
    training.module.train()

    def one_pass() -> None:
        total, weight = loss_sums(training.module, training.recipe, batch)
        training.fabric.backward(total / weight)
        training.optimizer.zero_grad(set_to_none=True)

    for switch in ("gradient_checkpointing", "compile"):
        checklist, originals = Checklist([]), {m: m.forward for m in network.modules()}
        measure_gains(checklist, replace(training.recipe, **{switch: True}), network, one_pass)
        for module, forward in originals.items():
            module.forward = forward
        (check,) = checklist.checks
        print(f"  {check.name}, {batch.frames} frames: {check.detail}", flush=True)


def step(training: Training, position: Position, *groups: Sequence[ManifestEpisode]) -> None:
    """One optimiser step a group as the product takes it, its loading and metrics and all."""
    from mobile_vla.training import loop
    from mobile_vla.training.prefetch import prefetch

    for load in prefetch(training.tensors, groups, training.recipe.batch, 0):
        loop._step(training, position, load, 0, 1000)


def windowed_step(training: Training, group: Sequence[ManifestEpisode], at_once: int) -> None:
    """The same step from stride-1 windows, every frame of each encoded anew."""
    import torch

    from mobile_vla.policy.loss import loss_weights, weighted_sums

    recipe, policy = training.recipe, training.policy
    training.module.train()
    batches = [training.tensors.batch([episode]) for episode in group]
    index = [
        torch.arange(max(1, b.frames - WINDOW + 1))[:, None] + torch.arange(WINDOW)
        for b in batches
    ]  # fmt: skip
    weight = sum(
        float(loss_weights(b.mask[i], recipe.first_action_weight).sum())
        for b, i in zip(batches, index, strict=True)
    )
    for episode, batch, rows in zip(group, batches, index, strict=True):
        frames = torch.from_numpy(training.tensors._frames[episode.id].copy())
        for part in rows.split(at_once):
            with torch.no_grad():
                latents = policy.encode(frames[part].flatten(0, 1)).unflatten(0, part.shape)
            text = batch.instructions * len(part)
            output, _ = policy(list(latents), text, WINDOW)
            error = policy.head.error(output, batch.targets[part], recipe.huber_delta)
            sums = weighted_sums(error, batch.mask[part], recipe.first_action_weight)
            training.fabric.backward(sums[0] / weight)
    training.fabric.clip_gradients(training.module, training.optimizer, max_norm=recipe.clip_norm)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)


def control(training: Training, episode: ManifestEpisode, rounds: int) -> None:
    """A control step with its history kept, against the whole window encoded again."""
    import torch

    from mobile_vla.policy.controller import Controller

    policy = training.policy
    frames = training.tensors._frames[episode.id].copy()
    text = [training.tensors._frames.instruction(episode.id)]
    controller = Controller(policy, WINDOW)
    controller.reset(text)
    for frame in frames[:WINDOW]:
        controller.act(frame[None])

    def again() -> None:
        with torch.inference_mode():
            latents = policy.encode(torch.from_numpy(frames[:WINDOW]))
            policy.predict(policy.states(latents, policy.prompts(text, [WINDOW]))[None])

    again()
    times = [
        (timed(lambda: controller.act(frames[WINDOW][None])), timed(again))
        for _ in range(max(rounds, 5))
    ]
    kept, anew = ([row[i] for row in times] for i in range(2))
    ratio = median([b / a for a, b in times])
    print(
        f"  a control step: {1e3 * median(kept):.2f} ms; re-encoding the window of {WINDOW}: "
        f"{1e3 * median(anew):.2f} ms; ratio {ratio:.2f}"
    )


def count_operations(call: Callable[[], None]) -> int:
    """Floating-point operations of the matrix products, attention and convolutions of a call."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def product(side: int) -> Callable[[], object]:
    """A square float32 matrix product to time."""
    import torch

    left, right, out = (torch.rand(side, side) for _ in range(3))
    return lambda: torch.mm(left, right, out=out)


def data_wait(training: Training) -> float:
    """The share that the run's own metrics give; the last steps were taken in a row."""
    from mobile_vla.runs.metrics_csv import read_metrics

    shares = [value for _, value in read_metrics(training.run.metrics)["data_wait_share"]]
    return median(shares[len(shares) // 2 :])


def say(what: str, windows: int, own: Sequence[float], other: Sequence[float]) -> None:
    """One line: the other side's rate and the ratio, round by round."""
    ratios = sorted(b / a for a, b in zip(own, other, strict=True))
    print(
        f"  {what}: {windows / median(other):.1f} windows/s; ratio {median(ratios):.1f} "
        f"(rounds {ratios[0]:.1f} to {ratios[-1]:.1f})"
    )


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


median = statistics.median

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
