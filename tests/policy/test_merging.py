"""A policy with its adapters merged acts as before, loads in transformers, or is not written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints import merge_lora as merging
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.checkpoints.merge_lora import POLICY, write_merged
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy
from mobile_vla.policy.lora import add_lora, hash_base, merge_adapters
from mobile_vla.policy.policy import Policy


@pytest.fixture
def adapted(policy: Policy) -> Policy:
    add_lora(policy.backbone, parts=("vision", "projection", "text"), rank=4, alpha=8, dropout=0.1)
    with torch.no_grad():
        for parameter in policy.trained_parameters():
            parameter.normal_(std=0.1)
    return policy.eval()


def acted(policy: Policy, frames: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return policy([policy.encode(torch.from_numpy(frames))], ["stop"], 4)[0]


def test_merged_weights_compute_the_same(
    adapted: Policy, vlm_folder: Path, tmp_path: Path, frames: np.ndarray
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    before, bare = acted(adapted, frames), hash_base(adapted.backbone)
    merged = write_merged(adapted, vlm_folder, tmp_path / "out", {"case": "left"})
    assert merged.layers == 29 and merged.apart < 1e-5
    again = load_policy(tmp_path / "out" / POLICY, load_vlm(tmp_path / "out")[0])
    torch.testing.assert_close(acted(again, frames), before, rtol=0, atol=1e-5)
    assert hash_base(again.backbone) != bare
    assert not [name for name, _ in again.named_parameters() if "lora" in name]
    network = AutoModelForImageTextToText.from_pretrained(tmp_path / "out")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, again.backbone.network.state_dict()[name])
    assert len(AutoProcessor.from_pretrained(tmp_path / "out").tokenizer) == 154


def test_what_acts_otherwise_is_not_kept(
    adapted: Policy, vlm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrongly(network: torch.nn.Module) -> int:
        with torch.no_grad():
            next(p for n, p in network.named_parameters() if "lora_B" in n).mul_(2)
        return merge_adapters(network)

    monkeypatch.setattr(merging, "merge_adapters", wrongly)
    with pytest.raises(UserError, match="acts otherwise than its adapters") as found:
        write_merged(adapted, vlm_folder, tmp_path / "out", {})
    assert found.value.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_nothing_to_merge_and_no_place_are_refused(
    policy: Policy, vlm_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no adapters"):
        write_merged(policy, vlm_folder, tmp_path / "out", {})
    with pytest.raises(UserError, match="exists already"):
        write_merged(policy, vlm_folder, tmp_path, {})
