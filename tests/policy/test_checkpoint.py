"""A checkpoint gives the policy back to the bit, and only onto the weights it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.checkpoints.policy_checkpoint import (
    load_policy,
    load_trained,
    read_info,
    save_policy,
)
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import add_lora
from mobile_vla.policy.policy import Policy
from small_weights import build_small_vlm


@pytest.fixture
def trained(policy: Policy) -> Policy:
    """With adapters whose every tensor is other than at the start."""
    add_lora(policy.backbone, rank=4, alpha=8, dropout=0.1)
    with torch.no_grad():
        for parameter in policy.trained_parameters():
            parameter.normal_(std=0.1)
    return policy.eval()


def test_round_trip_gives_the_same_actions(
    trained: Policy, vlm_folder: Path, tmp_path: Path, frames: np.ndarray
) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    save_policy(path, trained, {"case": "left", "step": 7})
    again = load_policy(path, load_vlm(vlm_folder)[0])
    with torch.no_grad():
        latents = trained.encode(torch.from_numpy(frames))
        first = trained([latents], ["stop"], 4)[0]
        second = again([latents], ["stop"], 4)[0]
    assert torch.equal(first, second)
    assert again.statistics == trained.statistics
    assert again.trainable() == trained.trainable()
    assert read_info(path).metadata == {"case": "left", "step": 7}
    assert [p.name for p in path.parent.iterdir()] == ["last.safetensors"]


def test_other_frozen_weights_are_refused(trained: Policy, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_policy(path, trained, {})
    other = load_vlm(build_small_vlm(tmp_path / "other", seed=4))[0]
    with pytest.raises(UserError, match="trained on other frozen weights"):
        load_policy(path, other)


def test_damaged_and_foreign_files_are_refused(
    trained: Policy, vlm_folder: Path, tmp_path: Path, backbone: Kosmos2Backbone
) -> None:
    path = tmp_path / "last.safetensors"
    save_policy(path, trained, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        load_policy(path, backbone)
    with pytest.raises(UserError, match="no policy checkpoint"):
        read_info(vlm_folder / "model.safetensors")


def test_checkpoint_of_another_head_leaves_the_policy_alone(
    trained: Policy, tmp_path: Path
) -> None:
    path = tmp_path / "last.safetensors"
    save_policy(path, trained, {})
    trained.head.output = torch.nn.Linear(32, 10)
    before = trained.head.output.weight.clone()
    with pytest.raises(UserError, match="does not fit the policy"):
        load_trained(trained, path)
    assert torch.equal(before, trained.head.output.weight)
