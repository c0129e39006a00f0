"""Any head, window, chunk and number of dimensions drives as it was trained; half-precision too."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.controller import Controller
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import add_lora, hash_base
from mobile_vla.policy.normalisation import ACTION_NAMES, action_statistics
from mobile_vla.policy.policy import Policy

LEFT = "go around the box on the left, to the basket"
LAYERS = [
    ("lstm", 2), ("mlp", 1), ("gpt", 2), ("discrete", 1), ("flow", 1),
    ("robovlms_lstm", 2), ("robovlms_fc", 1), ("robovlms_gpt", 2),
]  # fmt: skip
SPEEDS = np.array([[1.15, -1.15, 0.3], [-0.2, 0.5, -0.7]], np.float32)


@pytest.mark.parametrize(("kind", "layers"), LAYERS)
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("window", "chunk"), [(1, 1), (3, 7), (12, 2)])
def test_the_closed_loop_is_the_training_forward(
    kind: str, layers: int, dim: int, window: int, chunk: int,
    backbone: Kosmos2Backbone, frames: np.ndarray,
) -> None:  # fmt: skip
    torch.manual_seed(1)
    sizes = {"hidden": 16, "layers": layers, "chunk": chunk, "action_dim": dim, "window": window}
    head = make_head(kind, 64, **sizes)
    policy = Policy(backbone, head, action_statistics([SPEEDS], ACTION_NAMES[:dim])).eval()
    controller = Controller(policy, window)
    controller.reset([LEFT])
    driven = np.stack([controller.chunk(frame[None])[0] for frame in frames])
    with torch.no_grad():
        latents = policy.encode(torch.from_numpy(frames))
        actions = head.actions(policy([latents], [LEFT], window)[0])
        trained = policy.statistics.denormalise(actions)
    assert trained.shape == (12 - window + 1, window, chunk, dim)
    ours = torch.from_numpy(driven[window - 1 :])
    torch.testing.assert_close(ours, trained[:, -1], rtol=0, atol=1e-5)
    first = torch.from_numpy(driven[:window])  # the history fills up as the first window does
    torch.testing.assert_close(first, trained[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_base_trains_in_full(
    dtype: torch.dtype, vlm_folder: Path, frames: np.ndarray
) -> None:
    backbone, _ = load_vlm(vlm_folder, dtype=dtype)
    whole, _ = load_vlm(vlm_folder)
    torch.manual_seed(1)
    head = make_head("lstm", 64, hidden=16, layers=1, chunk=2, action_dim=2)
    policy = Policy(backbone, head, action_statistics([SPEEDS]))
    with torch.no_grad():
        latents = policy.encode(torch.from_numpy(frames))
        exact = whole.encode_frames(whole.preprocess(torch.from_numpy(frames)))
    assert latents.dtype == dtype
    assert (latents.float() - exact).abs().mean() < 0.02 * exact.abs().mean()
    add_lora(backbone, parts=("vision", "projection", "text"), rank=2, alpha=4)
    assert {p.dtype for p in policy.trained_parameters()} == {torch.float32}
    frozen = hash_base(backbone)
    optimizer = torch.optim.AdamW(policy.trained_parameters(), lr=1e-2)
    before = [p.detach().clone() for p in policy.trained_parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        policy([policy.encode(torch.from_numpy(frames))], [LEFT], 4)[0].square().mean().backward()
        optimizer.step()
    pairs = zip(before, policy.trained_parameters(), strict=True)
    assert not any(torch.equal(old, new) for old, new in pairs)
    assert hash_base(backbone) == frozen


def test_a_folder_with_a_torch_file_loads_alike(vlm_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vlm"
    shutil.copytree(vlm_folder, folder)
    (folder / "model.safetensors").unlink()
    backbone, _ = load_vlm(vlm_folder)
    torch.save(backbone.network.state_dict(), folder / "pytorch_model.bin")
    again, source = load_vlm(folder)
    assert hash_base(again) == hash_base(backbone)
    assert source.bytes == (folder / "pytorch_model.bin").stat().st_size
