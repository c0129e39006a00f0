"""The training loop, top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.memory import peak_bytes
from mobile_vla.runs.events import Checkpoint, CheckpointFailed, Epoch, Heartbeat, file_hashes
from mobile_vla.study.models import Recipe
from mobile_vla.training.data import Batch
from mobile_vla.training.losses import loss_sums, validate
from mobile_vla.training.prefetch import StepBatches, prefetch
from mobile_vla.training.run_checkpoints import (
    POLICY,
    RESUME,
    checkpoint_bytes,
    policy_hash,
    prune,
    random_state,
    write_checkpoint,
)
from mobile_vla.training.schedules import NotFinite, epoch_groups, learning_rate, steps_per_epoch
from mobile_vla.training.train_state import Position, Training
from mobile_vla.training.validation_probes import warning

HEARTBEAT_SECONDS = 1.0
EVENT_SCORES = ("val_loss", "val_mae", "val_unheard")


def total_steps(recipe: Recipe, manifest: Manifest) -> int:
    """Optimiser steps of the run."""
    return recipe.epochs * epoch_steps(recipe, manifest)


def epoch_steps(recipe: Recipe, manifest: Manifest) -> int:
    """Optimiser steps of an epoch."""
    return steps_per_epoch(len(manifest.split("train")), recipe.batch * recipe.accumulate)


def fit(training: Training, position: Position) -> Position:
    """Train from `position` to the end, the end of patience, or until `stop` is set.

    Each epoch ends with a checkpoint; within an epoch one is written every `checkpoint_seconds`.

    Raises:
        NotFinite: a loss or gradient is NaN or infinite, in the step that computed it.
    """
    recipe, train = training.recipe, training.manifest.split("train")
    per_step = recipe.batch * recipe.accumulate
    per_epoch = epoch_steps(recipe, training.manifest)
    total = recipe.epochs * per_epoch
    beaten = saved = time.monotonic()
    world = training.world
    stopped = world.any(training.stop.is_set())
    while position.step < total and not stopped and not position.gives_up(recipe):
        training.module.train()  # validation leaves evaluation mode
        epoch, first = divmod(position.step, per_epoch)
        epoch_start = time.monotonic()
        order = epoch_groups(len(train), per_step, recipe.seed, epoch)[first:]
        groups = [[train[index] for index in group] for group in order]
        for batches in prefetch(training.tensors, groups, recipe.batch, epoch, world):
            _step(training, position, batches, epoch, total)
            if training.events and time.monotonic() - beaten > HEARTBEAT_SECONDS:
                training.events.append(Heartbeat(step=position.step, epoch=epoch))
                beaten = time.monotonic()
            stopped = world.any(training.stop.is_set())
            if stopped:
                break
            due = world.any(time.monotonic() - saved > training.checkpoint_seconds)
            if due and position.step % per_epoch:
                _save(training, position, epoch, None, best=False)
                saved = time.monotonic()
        if position.step % per_epoch == 0:
            _end_epoch(training, position, epoch, time.monotonic() - epoch_start)
        else:
            _save(training, position, epoch, None, best=False)
        saved = time.monotonic()
    return position


def _step(
    training: Training, position: Position, step: StepBatches, epoch: int, total: int
) -> None:
    """Run one optimiser step and log its metrics."""
    recipe, start = training.recipe, time.monotonic()
    rate = learning_rate(recipe, position.step, total)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    total_loss, frames = _backward(training, step.batches)
    loss, norm = torch.stack([total_loss, _clip(training)]).tolist()  # the device is read once
    _require_finite("loss", loss, position.step + 1, step.episodes)
    if recipe.precision != "16-mixed":  # whose scaler passes over a step that overflowed
        _require_finite("gradient norm", norm, position.step + 1, step.episodes)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    position.step += 1
    training.average.update(position.step)
    position.epoch_losses.append(loss)
    seconds = time.monotonic() - start + step.waited
    if training.metrics is None:
        return
    training.metrics.append(
        epoch=epoch,
        step=position.step,
        train_loss=loss,
        learning_rate=rate,
        grad_norm=norm,
        frames_per_second=frames / seconds,
        data_wait_share=step.waited / seconds,
        memory_mb=_memory_mb(),
    )
    training.progress(position.step, total, f"loss {loss:.4f}")


def _clip(training: Training) -> torch.Tensor:
    """Clip the gradients; their norm before that, float64 on the device."""
    norm = training.fabric.clip_gradients(
        training.module,
        training.optimizer,
        max_norm=training.recipe.clip_norm,
        error_if_nonfinite=False,
    )
    assert norm is not None  # only where a strategy clips by value
    return norm.double()


def _require_finite(
    quantity: str, value: float, step: int, episodes: Sequence[ManifestEpisode]
) -> None:
    if not math.isfinite(value):
        names = ", ".join(episode.id for episode in episodes)
        raise NotFinite(
            f"The {quantity} is {value} at step {step}, on {names}: lower the learning rate, or "
            "look at these episodes."
        )


def _backward(training: Training, batches: Sequence[Batch]) -> tuple[torch.Tensor, float]:
    """Gradients of the mean loss over all ranks' batches, that mean, and how many frames.

    The weights follow from the lengths alone, so each batch's sum is divided by the weight of all
    before its backward pass: gradients keep the size that half precision can hold. They are added
    up over the ranks once, after the last batch.
    """
    world = training.world
    counts = [sum(b.weight for b in batches), sum(b.frames for b in batches)]
    weight, frames = world.total(torch.tensor(counts, dtype=torch.float64)).tolist()
    loss = torch.zeros((), dtype=torch.float64, device=training.fabric.device)
    with training.fabric.no_backward_sync(training.module, enabled=world.size > 1):
        for batch in batches:
            share = loss_sums(training.module, training.recipe, batch)[0] / weight
            training.fabric.backward(share)
            loss += share.detach()
    world.sum_gradients(training.policy.trained_parameters())
    return world.total(loss), frames


def _end_epoch(training: Training, position: Position, epoch: int, seconds: float) -> None:
    episodes = training.manifest.split("val")
    scores = _validate(training, episodes)
    for name, value in scores.items():
        quantity = name.replace("val_", "validation ").replace("_", " ")
        _require_finite(quantity, value, position.step, episodes)
    if training.metrics:
        training.metrics.append(epoch=epoch, step=position.step, **scores)
        if sentence := warning(scores):
            print(sentence, flush=True)
    losses, position.epoch_losses = position.epoch_losses, []
    value = scores[training.recipe.best_by]
    best = value < position.best
    position.best = min(position.best, value)
    position.since_best = 0 if best else position.since_best + 1
    if training.events and training.metrics:
        training.events.append(
            Epoch(
                epoch=epoch,
                step=position.step,
                train_loss=sum(losses) / len(losses),
                seconds=seconds,
                files=training.metrics.bound_files(),
                **_recorded(scores),
            )
        )
    _save(training, position, epoch, scores, best=best)


def _validate(training: Training, episodes: Sequence[ManifestEpisode]) -> dict[str, float]:
    """The scores of a validation, and of its probes, by the names of `metrics.csv`."""
    with training.average.in_place():
        scores = validate(
            training.module, training.policy, training.recipe, training.tensors, episodes,
            world=training.world,
        )._asdict()  # fmt: skip
        if training.probes:
            scores |= training.probes.measure(
                training.module, training.recipe, episodes, training.world
            )
    return scores


def _recorded(scores: Mapping[str, float] | None) -> dict[str, Any]:
    """The scores that events hold; None where an epoch has not ended."""
    if scores is None:
        return {"val_loss": None, "val_mae": None}
    return {name: scores[name] for name in EVENT_SCORES if name in scores}


def _save(
    training: Training,
    position: Position,
    epoch: int,
    scores: Mapping[str, float] | None,
    *,
    best: bool,
) -> None:
    """Write a checkpoint; a failure is recorded in the events and stops the run.

    A full disk has no room for the events of the next steps either. The older checkpoints stay, and
    `--resume` continues from them once there is room.
    """
    randoms = training.world.gather(random_state())
    if training.events is None or training.metrics is None:  # rank 0 writes
        return
    resume = {
        "step": position.step,
        "epoch_losses": position.epoch_losses,
        "best": position.best,
        "since_best": position.since_best,
        "optimizer": training.optimizer.state_dict(),
        "random": randoms[0] if len(randoms) == 1 else {"ranks": randoms},
        "scaler": training.fabric.strategy.precision.state_dict(),
    }
    if training.average.decay:  # the policy file holds the average
        weights = training.policy.trained_parameters()
        resume["weights"] = [parameter.detach().cpu().clone() for parameter in weights]
    training.metrics.sync()
    metadata = {**training.metadata, "step": str(position.step), "epoch": str(epoch)}
    try:
        with training.average.in_place():
            folder = write_checkpoint(training.run, training.policy, metadata, resume, best=best)
        prune(training.run, training.keep_epochs * epoch_steps(training.recipe, training.manifest))
    except UserError as error:
        training.events.append(CheckpointFailed(step=position.step, reason=str(error)))
        raise
    inside = folder.relative_to(training.run.path).as_posix()
    training.events.append(
        Checkpoint(
            path=f"{inside}/{POLICY}",
            step=position.step,
            epoch=epoch,
            bytes=checkpoint_bytes(folder),
            blake3=policy_hash(folder),
            **_recorded(scores),
            best=best,
            best_by=training.recipe.best_by,
            files=file_hashes(training.run.path, [f"{inside}/{RESUME}"]),
        )
    )


def _memory_mb() -> float:
    return peak_bytes() / 2**20
