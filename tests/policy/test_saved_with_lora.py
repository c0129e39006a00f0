"""A RoboVLMs checkpoint saved with LoRA in place loads merged, or is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import add_lora, hash_base
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.small_vlm import small_network, small_processor
from small_weights import load_init

PARTS = ("vision", "projection", "text")


@pytest.fixture
def adapted() -> Kosmos2Backbone:
    """Another network than the policy's, with adapters on every part that do something."""
    tokenizer = small_processor().tokenizer
    backbone = Kosmos2Backbone(small_network(len(tokenizer), seed=9), tokenizer)
    torch.manual_seed(2)
    add_lora(backbone, parts=PARTS, rank=3, alpha=12)
    with torch.no_grad():
        for name, value in backbone.network.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    return backbone


def saved(adapted: Kosmos2Backbone) -> dict[str, torch.Tensor]:
    """Every tensor twice, as RoboVLMs with LoRA names them."""
    tensors = {}
    for name, value in adapted.network.state_dict().items():
        tensors[f"model.backbone.{name}"] = value
        tensors[f"model.model.base_model.model.{name}"] = value
    tensors["model.action_token"] = torch.full((64,), 0.5)
    return tensors


def outputs(backbone: Kosmos2Backbone, frames: np.ndarray) -> torch.Tensor:
    latents = backbone.encode_frames(backbone.preprocess(torch.from_numpy(frames)))
    text = backbone.tokenize(["go to the basket"]).rows(torch.zeros(len(frames), dtype=torch.long))
    return backbone.action_states(latents, text, torch.full((64,), 0.5))


@pytest.mark.parametrize("where", ["in the checkpoint", "beside it"])
def test_loads_merged_and_computes_the_same(
    where: str, policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path, frames: np.ndarray
) -> None:
    content: dict[str, object] = {"state_dict": saved(adapted)}
    setup = {"train_setup": {"lora_r": 3, "lora_alpha": 12}}
    if where == "beside it":
        (tmp_path / "config.json").write_text(json.dumps(setup))
    else:
        content |= {"hyper_parameters": {"configs": setup}, "pytorch-lightning_version": "2.0"}
    torch.save(content, tmp_path / "epoch=3.ckpt")
    source = load_init(policy, tmp_path / "epoch=3.ckpt")
    assert source.format.endswith("29 LoRA layers (r 3, alpha 12) merged")
    assert not source.missing and not source.unexpected
    with torch.no_grad():
        ours, theirs = outputs(policy.backbone, frames), outputs(adapted, frames)
        bare = outputs(Kosmos2Backbone(small_network(154, seed=9), adapted.tokenizer), frames)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (bare - theirs).abs().max() > 0.01


def test_rank_stabilised_adapters_are_scaled_by_the_root(
    policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path, frames: np.ndarray
) -> None:
    """12/√3 over √3 is what the adapters were made with: 12 over 3."""
    config = {"lora_alpha": 12 / 3**0.5, "use_rslora": True}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    torch.save({"state_dict": saved(adapted)}, tmp_path / "r.pt")
    source = load_init(policy, tmp_path / "r.pt")
    assert source.format.endswith("(r 3, alpha 6.9282, rank-stabilised) merged")
    with torch.no_grad():
        ours, theirs = outputs(policy.backbone, frames), outputs(adapted, frames)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def refused(policy: Policy, tensors: dict[str, torch.Tensor], path: Path, match: str) -> None:
    before = hash_base(policy.backbone)
    torch.save({"state_dict": tensors}, path)
    with pytest.raises(UserError, match=match):
        load_init(policy, path)
    assert hash_base(policy.backbone) == before


def test_the_scale_is_not_guessed(policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path) -> None:
    path = tmp_path / "r.pt"
    refused(policy, saved(adapted), path, "no `lora_alpha` stands in it or in a JSON")
    for name, alpha in (("a.json", 12), ("b.json", 16)):
        (tmp_path / name).write_text(json.dumps({"lora_alpha": alpha}))
    refused(policy, saved(adapted), path, r"scales that differ \(alpha 12; alpha 16\)")


@pytest.mark.parametrize("key", ["use_dora", "alpha_pattern"])
def test_what_is_not_plain_lora_is_refused(
    key: str, policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path
) -> None:
    config = {"lora_alpha": 12, "use_dora": False, "alpha_pattern": {}, key: {"q_proj": 3}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    refused(policy, saved(adapted), tmp_path / "r.pt", f"sets {key}, so it is not plain LoRA")


def test_wrapped_weights_without_adapters_are_refused(
    policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path
) -> None:
    """Loaded loosely, every linear weight would be dropped in silence."""
    tensors = {n: v for n, v in saved(adapted).items() if ".lora_" not in n}
    refused(policy, tensors, tmp_path / "r.pt", "29 of 29 wrapped linear weights")


def test_halves_and_contradictions_are_refused(
    policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path
) -> None:
    whole = saved(adapted)
    refused(
        policy, {n: v for n, v in whole.items() if "lora_B" not in n}, tmp_path / "r.pt",
        "29 halves of LoRA layers",
    )  # fmt: skip
    name = next(n for n in whole if n.startswith("model.model."))
    refused(
        policy, {**whole, name: whole[name] + 1}, tmp_path / "r.pt", "twice with different values"
    )


def test_a_plain_checkpoint_into_placed_adapters_is_refused(
    policy: Policy, adapted: Kosmos2Backbone, tmp_path: Path
) -> None:
    add_lora(policy.backbone, parts=PARTS, rank=2, alpha=2)
    network = small_network(len(adapted.tokenizer), seed=9)
    plain = {f"model.backbone.{n}": v for n, v in network.state_dict().items()}
    refused(policy, plain, tmp_path / "r.pt", "29 of 29 wrapped linear weights would not take")
