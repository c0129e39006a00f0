"""Nothing is computed that no action and no gradient needs."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch

from mobile_vla.episodes.manifest import ManifestEpisode
from mobile_vla.policy.backbone import Backbone, TextTokens
from mobile_vla.training import loop
from mobile_vla.training.prefetch import prefetch
from mobile_vla.training.train_state import Position, Training
from small_lab import Lab


@pytest.fixture
def training(here: Lab) -> Training:
    return here.training()


def step(training: Training, rows: list[ManifestEpisode]) -> None:
    (load,) = prefetch(training.tensors, [rows], training.recipe.batch, 0)
    loop._step(training, Position(), load, 0, 1)


def count_calls(module: torch.nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def shapes_into(module: torch.nn.Module) -> list[torch.Size]:
    """The shapes of what a module is given."""
    shapes: list[torch.Size] = []
    module.register_forward_hook(lambda _, inputs, output: shapes.append(inputs[0].shape))
    return shapes


def test_a_step_runs_the_decoder_once_and_its_last_layer_for_one_token(training: Training) -> None:
    network = training.policy.backbone.network
    rows = training.manifest.split("train")[:4]
    training.tensors.batch(rows)  # fills the cache
    vision, head = count_calls(network.vision_model), count_calls(network.text_model.lm_head)
    projection = count_calls(network.image_to_text_projection)
    seen = [shapes_into(layer) for layer in network.text_model.model.layers[:-1]]
    last = shapes_into(network.text_model.model.layers[-1].ffn)
    step(training, rows)
    assert (len(vision), len(projection), len(head)) == (0, 0, 0)
    frames = sum(row.frames for row in rows)
    assert [sum(shape[0] for shape in layer) for layer in seen] == [frames]
    assert [math.prod(shape[:-1]) for shape in last] == [rows[0].frames * 2] * 2, "one token each"


def test_the_last_layer_at_one_place_is_the_last_layer(training: Training) -> None:
    """The state at the action token and every gradient, against transformers' own decoder."""
    policy, row = training.policy.eval(), training.manifest.split("train")[0]
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    backbone: Any = policy.backbone
    latents = training.tensors.batch([row]).latents[0]
    text = policy.prompts(["stop", training.tensors.batch([row]).instructions[0]], [9, 9])
    found = []
    for decode in (backbone.decode_at, functools.partial(Backbone.decode_at, backbone)):
        backbone.decode_at = decode
        states = policy.states(latents, text)
        named = {n: p for n, p in policy.named_parameters() if "lora" in n or n == "action_token"}
        grads = torch.autograd.grad(states.square().sum(), list(named.values()))
        found.append((states, dict(zip(named, grads, strict=True))))
    (ours, mine), (wanted, theirs) = found
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
    for name, gradient in mine.items():
        assert float(gradient.abs().max()) > 0, name
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-4)


def test_attention_is_torchs_own_kernel(training: Training) -> None:
    assert training.policy.backbone.network.config._attn_implementation == "sdpa"


def test_no_frozen_tensor_gets_a_gradient_or_an_optimiser_state(training: Training) -> None:
    rows = training.manifest.split("train")[:4]
    kept: list[str] = []
    for name, parameter in training.policy.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda _, name=name: kept.append(name)
        ) if parameter.requires_grad else None
    step(training, rows)
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
    step(training, rows)
    assert padded == [0, 0]
