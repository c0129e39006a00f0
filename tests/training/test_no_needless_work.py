"""Nothing is computed that no action and no gradient needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mobile_vla.policy.backbone import TextTokens
from mobile_vla.record.events import EventLog
from mobile_vla.training import loop
from mobile_vla.training.data import case_manifest
from mobile_vla.training.loop import Position, Training
from mobile_vla.training.prepare import prepare
from mobile_vla.training.run import begin_run
from small_lab import Lab, furnish


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.fixture
def training(tmp_path: Path, shared: Path) -> Training:
    lab: Lab = furnish(tmp_path / "ws", shared, None)
    resolved = lab.resolved("both_20")
    run = begin_run(resolved, lab.workspace)
    manifest = case_manifest(resolved, lab.workspace)
    training, _ = prepare(
        run, resolved, manifest, lab.workspace, EventLog(run.events),
        stop=threading.Event(), progress=lambda done, total, note: None, resume=False,
    )  # fmt: skip
    return training


def count_calls(module: torch.nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_a_step_runs_the_decoder_once_a_batch_and_nothing_else(training: Training) -> None:
    network = training.policy.backbone.network
    rows = training.manifest.split("train")[:4]
    training.tensors.batch(rows)  # fills the cache
    vision, head = count_calls(network.vision_model), count_calls(network.text_model.lm_head)
    projection = count_calls(network.image_to_text_projection)
    decoder = count_calls(network.text_model.model)
    sizes: list[int] = []
    network.text_model.model.layers[0].register_forward_hook(
        lambda module, inputs, output: sizes.append(len(inputs[0]))
    )
    loop._step(training, Position(), rows, 0, 1)
    assert (len(vision), len(projection), len(head), len(decoder)) == (0, 0, 0, 2)
    assert sum(sizes) == sum(row.frames for row in rows), "each frame once"


def test_attention_is_torchs_own_kernel(training: Training) -> None:
    assert training.policy.backbone.network.config._attn_implementation == "sdpa"


def test_no_frozen_tensor_gets_a_gradient_or_an_optimiser_state(training: Training) -> None:
    rows = training.manifest.split("train")[:4]
    kept: list[str] = []
    for name, parameter in training.policy.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _, name=name: kept.append(name)
        ) if parameter.requires_grad else None
    loop._step(training, Position(), rows, 0, 1)
    named = dict(training.policy.named_parameters())
    assert set(kept) == {name for name, p in named.items() if p.requires_grad}
    assert all(p.grad is None for p in named.values())
    state = training.optimizer.state_dict()["state"]
    assert len(state) == len(training.policy.trained_parameters())


def test_texts_of_a_length_go_together(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short and long instructions alternate; in batches of two none is padded."""
    frames, rows = training.tensors._frames, training.manifest.split("train")[:4]
    plain = frames.instruction(rows[0].id)
    told = {row.id: ("stop", plain)[n % 2] for n, row in enumerate(rows)}
    monkeypatch.setattr(frames, "instruction", lambda episode: told[episode])
    padded: list[int] = []
    states = training.policy.states

    def watched(latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        padded.append(int((~text.mask).sum()))
        return states(latents, text)

    monkeypatch.setattr(training.policy, "states", watched)
    loop._step(training, Position(), rows, 0, 1)
    assert padded == [0, 0]
