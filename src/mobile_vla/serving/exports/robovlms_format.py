"""A policy as RoboVLMs saves one: its tensors by its names, and a configuration that builds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import torch

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.initial_weights import ACTION_TOKEN, own_head_tensors
from mobile_vla.policy.checkpoints.load_vlm import shapes_of
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.heads.robovlms import RoboVlmsHead
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.robovlms_networks import GptNetwork
from mobile_vla.policy.vlm_registry import (
    build_backbone,
    load_tokenizer,
    network_class,
    read_config,
)
from mobile_vla.runs.files import write_json

WEIGHTS = "policy.pt"
CONFIG = "robovlms.json"
OWN = "mobile_vla"
"""The key of the configuration that holds what RoboVLMs does not read: head and statistics."""
BACKBONE = "model.backbone."
MASKED = -1e4


def robovlms_tensors(policy: Policy) -> dict[str, torch.Tensor]:
    """Every tensor of a policy without adapters, by the names of RoboVLMs' `state_dict`.

    Raises:
        UserError: the head or the VLM is none of RoboVLMs'.
    """
    if not isinstance(policy.head, RoboVlmsHead) or not isinstance(
        policy.backbone, Kosmos2Backbone
    ):
        raise UserError(phrase("export.not_robovlms", "en", kind=policy.head.kind))
    tensors = {f"{BACKBONE}{n}": v for n, v in policy.backbone.network.state_dict().items()}
    tensors |= {f"model.{name}": value for name, value in own_head_tensors(policy.head).items()}
    tensors |= _causal_masks(policy.head)
    return {**tensors, f"model.{ACTION_TOKEN}": policy.action_token.detach()}


def robovlms_config(policy: Policy, window: int) -> dict[str, Any]:
    """RoboVLMs' configuration of the policy, as far as it decides what is computed.

    Actions leave the head as shares of full speed. RoboVLMs has one range for all dimensions, so
    `norm_action` is true only where their full speeds agree.
    """
    assert isinstance(policy.head, RoboVlmsHead)
    settings, scale = policy.head.settings(), policy.statistics.scale
    same = max(scale) - min(scale) < 1e-6 * max(scale)
    head = {
        "type": policy.head.decoder, "hidden_size": settings["hidden"],
        "action_dim": settings["action_dim"] + 1, "down_sample": "none", "latent": 1,
        "fwd_pred_next_n": 1, "window_size": 1, "action_space": "continuous",
        "with_history": True, "history_type": "post",
    }  # fmt: skip
    if settings["kind"] == "robovlms_lstm":
        head["num_layers"] = settings["layers"]
    return {
        "robovlm_name": "RoboKosMos", "model": "kosmos", "window_size": window,
        "fwd_pred_next_n": settings["chunk"], "image_size": policy.backbone.image_size,
        "use_hand_rgb": False, "use_vision_resampler": False, "vision_resampler": None,
        "act_encoder": None, "act_head": head, "fwd_head": None,
        "cap_loss_ratio": 0.05, "arm_gripper_loss_ratio": 0.0, "fwd_loss_ratio": 0,
        "train_setup": {
            "predict_action": True, "predict_forward": False, "predict_forward_hand": False,
            "predict_caption": False, "freeze_backbone": True, "train_vision": False,
            "train_text_embedding": False, "lora_enable": False,
        },
        "tokenizer": {"type": "AutoProcessor", "pretrained_model_name_or_path": ".",
                      "tokenizer_type": "kosmos", "max_text_len": 256,
                      "additional_special_tokens": None},
        "vlm": {"type": "AutoModelForVision2Seq", "name": "kosmos",
                "pretrained_model_name_or_path": "."},
        "model_load_path": WEIGHTS, "model_load_source": "torch",
        "norm_action": same, "norm_min": -scale[0], "norm_max": scale[0],
        OWN: {"head": settings, "statistics": msgspec.to_builtins(policy.statistics)},
    }  # fmt: skip


def write_robovlms(policy: Policy, window: int, folder: Path, dtype: torch.dtype) -> None:
    """Write `policy.pt` and `robovlms.json` to a folder that holds the VLM's configuration.

    Raises:
        UserError: RoboVLMs has no such head or VLM.
    """
    tensors = robovlms_tensors(policy)
    cast = {n: v.to(dtype) if v.is_floating_point() else v for n, v in tensors.items()}
    torch.save({"state_dict": cast}, folder / WEIGHTS)
    write_json(folder / CONFIG, robovlms_config(policy, window))


def read_robovlms(folder: Path) -> Policy:
    """The policy of an export: every tensor of the model is in `policy.pt`, and no other.

    Raises:
        UserError: names or shapes differ.
    """
    own = json.loads((folder / CONFIG).read_text(encoding="utf-8"))[OWN]
    stored = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)["state_dict"]
    config = read_config(folder)
    network = network_class(config)(config).eval()
    backbone = build_backbone(network, load_tokenizer(folder, config), folder)
    head = make_head(width=backbone.hidden_size, **own["head"])
    policy = Policy(backbone, head, msgspec.convert(own["statistics"], ActionStatistics)).eval()
    targets = robovlms_tensors(policy)
    if shapes_of(stored) != shapes_of(targets):
        raise UserError(f"{folder / WEIGHTS} does not fit the policy: export it again.")
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(stored[name])
    return policy


def _causal_masks(head: RoboVlmsHead) -> dict[str, torch.Tensor]:
    """Tables that RoboVLMs' GPT-2 saves beside its weights."""
    if not isinstance(head.network, GptNetwork):
        return {}
    side, tables = head.hidden, {}
    for block in range(head.layers):
        at = f"model.act_head.gpt.h.{block}.attn"
        tables[f"{at}.bias"] = torch.ones(side, side, dtype=torch.uint8).tril()[None, None]
        tables[f"{at}.masked_bias"] = torch.tensor(MASKED)
    return tables
