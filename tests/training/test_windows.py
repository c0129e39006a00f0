"""Each frame once an epoch gives the loss and every gradient of all stride-1 windows alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import torch

from mobile_vla.policy.loss import chunk_targets
from mobile_vla.training import loop
from mobile_vla.training.data import Batch, loss_weight
from mobile_vla.training.train_state import Training
from small_lab import Lab

LENGTHS = (18, 11, 8, 5, 1)
"""Longer than the window, as long, shorter, and a single frame."""
HEADS = {
    "lstm": "head: {kind: lstm, hidden: 16, layers: 2}",
    "mlp": "head: {kind: mlp, hidden: 16, layers: 1}",
}
PARTS = {"text": "[text]", "all parts": "[vision, projection, text]"}


@pytest.fixture(autouse=True)
def lab_loss(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  first_action_weight: 3.0\n  huber_delta: 0.1")


def cut(training: Training, lengths: Sequence[int]) -> Batch:
    """Training episodes cut to these lengths; their chunks end where they do."""
    rows = training.manifest.split("train")[: len(lengths)]
    whole = training.tensors.batch(rows)
    actions = [training.tensors.actions(row.id)[:n] for row, n in zip(rows, lengths, strict=True)]
    pairs = [chunk_targets(each, training.recipe.chunk) for each in actions]
    return dataclasses.replace(
        whole,
        latents=[latents[:n] for latents, n in zip(whole.latents, lengths, strict=True)],
        targets=torch.cat([targets for targets, _ in pairs]),
        mask=torch.cat([mask for _, mask in pairs]),
        weight=loss_weight(training.recipe, lengths),
    )


def reference(training: Training, lengths: Sequence[int]) -> torch.Tensor:
    """Windows one at a time, written out: no unfolding, no masks, no batch, no shared frame.

    Where vision trains its pixels are encoded anew for every window; else the stored latents.
    """
    recipe, policy = training.recipe, training.policy
    total, weight = torch.zeros(()), 0.0
    for row, length in zip(training.manifest.split("train"), lengths, strict=False):
        actions = training.tensors.actions(row.id)[:length]
        for start in range(max(1, length - recipe.window + 1)):
            frames = range(start, min(start + recipe.window, length))
            latents = training.tensors.batch([row]).latents[0][frames.start : frames.stop]
            text = training.tensors.batch([row]).instructions
            states = policy.states(latents, policy.prompts(text, [len(frames)]))
            predicted = policy.head(states.unsqueeze(0))[0]
            for place, frame in enumerate(frames):
                for ahead in range(min(recipe.chunk, length - frame)):
                    error = (predicted[place, ahead] - actions[frame + ahead]).abs()
                    delta = recipe.huber_delta
                    small = 0.5 * error.square()
                    huber = torch.where(error < delta, small, delta * (error - 0.5 * delta))
                    counts = recipe.first_action_weight if ahead == 0 else 1.0
                    total, weight = total + counts * huber.mean(), weight + counts
    return total / weight


def gradients(training: Training) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in training.policy.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, f"{name} is frozen and has a gradient"
            continue
        assert parameter.grad is not None, name
        found[name] = parameter.grad.clone()
        parameter.grad = None
    return found


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("head", HEADS)
def test_loss_and_every_gradient(here: Lab, head: str, parts: str) -> None:
    here.change("head: {hidden: 16, layers: 1}", HEADS[head])
    here.change("dropout: 0.1}", f"dropout: 0.0, parts: {PARTS[parts]}}}")
    lengths = LENGTHS if parts == "text" else (10, 8, 3)
    training = here.training()
    assert training.tensors.stored == (parts == "text")
    with torch.no_grad():  # adapters start at zero, where half of their gradients vanish
        for name, parameter in training.policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    whole = cut(training, lengths)
    loss, _ = loop._backward(training, [whole])
    ours = gradients(training)
    wanted = reference(training, lengths)
    wanted.backward()
    theirs = gradients(training)
    assert float(loss) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert ours.keys() == theirs.keys()
    scale = max(float(gradient.abs().max()) for gradient in theirs.values())
    for name, mine in ours.items():
        assert float(theirs[name].abs().max()) > 0, name
        difference = float((mine - theirs[name]).abs().max())
        assert difference <= 1e-5 * min(1.0, scale), (name, difference, scale)


def test_batches_of_a_step_add_up(here: Lab) -> None:
    """How episodes are shared out among the batches of one step changes nothing."""
    here.change("dropout: 0.1", "dropout: 0.0")
    training = here.training()
    rows = training.manifest.split("train")[:4]
    found = []
    for split in ((4,), (1, 3), (1, 1, 1, 1)):
        batches, first = [], 0
        for count in split:
            batches.append(training.tensors.batch(rows[first : first + count]))
            first += count
        found.append((loop._backward(training, batches)[0], gradients(training)))
    for loss, grads in found[1:]:
        assert float(loss) == pytest.approx(float(found[0][0]), rel=1e-5)
        for name, gradient in grads.items():
            torch.testing.assert_close(gradient, found[0][1][name], atol=1e-6, rtol=1e-5)
