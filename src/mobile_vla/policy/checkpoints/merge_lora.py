"""Write a trained policy with LoRA merged into the VLM's weights, and check that it acts the same.

Transformers loads the folder; `policy.safetensors` in it holds action token, head and statistics,
without adapters. `load_policy(folder / POLICY, load_vlm(folder)[0])` gives it back.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import TextTokens
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, save_policy
from mobile_vla.policy.lora import merge_adapters
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import folder_beside

POLICY = "policy.safetensors"
COPIED = {".json", ".txt", ".model"}
"""Files of a VLM's folder that are not weights: configuration, processor, tokenizer."""
FRAMES, WORDS = 4, 12
TOLERANCE = 1e-4
"""Largest difference of an action, as a share of full speed; float32 rounding stays far below."""


@dataclass(frozen=True, slots=True)
class MergedPolicy:
    """The folder, how many LoRA layers were merged, and the largest difference of an action."""

    folder: Path
    layers: int
    apart: float


def write_merged(policy: Policy, vlm: Path, out: Path, metadata: dict[str, Any]) -> MergedPolicy:
    """Merge a policy's adapters in float32 and write it to the new folder `out`.

    `vlm` is the folder of its VLM; `policy` is merged in place. The written policy is read again
    and must act as the adapters did.

    Raises:
        UserError: `out` exists, the policy has no adapters, or the actions differ; nothing is left.
    """
    if out.exists():
        raise UserError(f"{out} exists already: name a folder that does not.")
    policy = policy.float().eval()
    before = _actions(policy)
    layers = merge_adapters(policy.backbone.network)
    if not layers:
        raise UserError("The policy has no adapters, so there is nothing to merge: use it as is.")
    with folder_beside(out) as beside:
        for file in sorted(vlm.iterdir()):
            if file.suffix in COPIED and not file.name.endswith(".index.json"):
                shutil.copy(file, beside)
        policy.backbone.network.save_pretrained(beside)
        save_policy(beside / POLICY, policy, metadata)
        after = _actions(load_policy(beside / POLICY, load_vlm(beside)[0]))
        apart = float((after - before).abs().max())
        if not apart <= TOLERANCE:
            raise UserError(
                f"The merged policy acts otherwise than its adapters, by up to {apart:.3g} of full "
                "speed, so it is not kept: use the run's checkpoint with its adapters.",
                exit_code=1,
            )
    return MergedPolicy(out, layers, apart)


def _actions(policy: Policy) -> torch.Tensor:
    """Normalised actions on frames of noise and words at random, the same each time."""
    backbone, draw = policy.backbone, torch.Generator().manual_seed(0)
    size = backbone.image_size
    frames = torch.randint(256, (FRAMES, size, size, 3), generator=draw).to(torch.uint8)
    words = len(backbone.network.get_input_embeddings().weight)
    ids = torch.randint(words, (FRAMES, WORDS), generator=draw)
    with torch.inference_mode():
        text = TextTokens(ids, torch.ones_like(ids, dtype=torch.bool))
        states = policy.states(policy.encode(frames), text)
        actions: torch.Tensor = policy.head.actions(policy.head(states.unsqueeze(0)))
    return actions
