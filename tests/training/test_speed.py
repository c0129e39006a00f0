"""Gradient checkpointing and torch.compile: the same numbers, and what they gained is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from mobile_vla.runs.events import Check, Preflight
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training import loop
from mobile_vla.training.compile_and_checkpointing import checkpoint_layers
from mobile_vla.training.prefetch import prefetch
from mobile_vla.training.run import begin_run, train
from small_lab import Lab, events_of

CASE = "both_20"


def trained(lab: Lab, *, progress: Any = lambda done, total, note: None) -> RunFolder:
    run = begin_run(lab.resolved(CASE), lab.workspace)
    train(run, lab.workspace, terminal=False, progress=progress)
    return run


def check_of(run: RunFolder, name: str) -> Check:
    (found,) = events_of(run.events, Preflight)
    (check,) = [check for check in found.checks if check.name == name]
    assert check.passed, check.detail
    return check


def same_end(one: RunFolder, other: RunFolder) -> None:
    ours = load_file(one.latest / "policy.safetensors")
    theirs = load_file(other.latest / "policy.safetensors")
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    losses = [read_metrics(run.metrics)["train_loss"] for run in (one, other)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("parts", ["[text]", "[vision, projection, text]"])
def test_layers_computed_anew_give_the_same_gradients(here: Lab, parts: str) -> None:
    """To the bit, dropout and all; and every layer is computed twice."""
    here.change("dropout: 0.1}", f"dropout: 0.1, parts: {parts}}}")
    training = here.training()
    training.module.train()
    network, rows = training.policy.backbone.network, training.manifest.split("train")[:2]
    training.tensors.batch(rows)  # fills the cache
    passes: list[str] = []
    for name, module in network.named_modules():
        if name.endswith("layers.0.self_attn.q_proj"):
            module.register_forward_hook(lambda *_, name=name: passes.append(name))
    found = []
    for switch in (lambda network: None, checkpoint_layers):
        switch(network)
        torch.manual_seed(0)
        (load,) = prefetch(training.tensors, [rows], 2, 0)
        loss, _ = loop._backward(training, load.batches)
        parameters = training.policy.trained_parameters()
        found.append((loss, [parameter.grad for parameter in parameters], len(passes)))
        training.optimizer.zero_grad(set_to_none=True)
        passes.clear()
    (loss, grads, once), (again, same, twice) = found
    assert loss == again
    assert all(torch.equal(a, b) for a, b in zip(grads, same, strict=True))
    text_only = parts == "[text]"
    assert (once, twice) == ((1, 2) if text_only else (3, 6)), "vision passes once an episode"


def test_checkpointing_changes_no_weight_and_says_what_it_gained(here: Lab) -> None:
    plain = trained(here)
    here.change("accumulate: 2", "accumulate: 2\n  gradient_checkpointing: true")
    less = trained(here)
    same_end(less, plain)
    check = check_of(less, "gradient checkpointing")
    assert check.values["held_after"] < 0.8 * check.values["held_before"]
    assert "for its way back" in check.detail


@pytest.mark.slow
def test_compiled_layers_train_and_resume_exactly(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  compile: true\n  gradient_checkpointing: true")
    whole = trained(here)
    check = check_of(whole, "torch.compile")
    assert check.values["first_after"] > 2 * check.values["seconds_after"]

    class Stopped(Exception): ...

    def stop(done: int, total: int, note: str) -> None:
        if done == 6 and note.startswith("loss"):
            raise Stopped

    with pytest.raises(Stopped):
        trained(here, progress=stop)
    run = here.runs(CASE)[-1]
    assert run.latest_step == 4
    assert train(run, here.workspace, resume=True, terminal=False).outcome == "finished"
    same_end(run, whole)
