"""Every head learns a small task, comes back from its checkpoint, and says what it cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, save_policy
from mobile_vla.policy.heads import HEADS, make_head
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.loss import weighted_sums
from mobile_vla.policy.normalisation import action_statistics
from mobile_vla.policy.policy import Policy

KINDS = list(HEADS)
OFF = {kind: 0.2 if kind == "flow" else 0.1 for kind in HEADS}
"""Mean error that a head may keep after the small task's training, of full speed."""


@pytest.mark.parametrize("kind", KINDS)
def test_learns_the_chunks_of_its_states(kind: str) -> None:
    torch.manual_seed(0)
    states = torch.randn(8, 3, 8)
    targets = (states @ torch.randn(8, 4) * 0.2).clamp(-1, 1).unflatten(-1, (2, 2))
    head = make_head(kind, 8, hidden=64, layers=1, chunk=2, action_dim=2)
    rate = 1e-3 if kind.startswith("robovlms") else 5e-3  # five layers deep, 1024 wide
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate)
    mask = torch.ones(8, 3, 2, dtype=torch.bool)
    before = float((head.actions(head(states)) - targets).abs().mean().detach())
    for _ in range(400):
        total, weight = weighted_sums(head.error(head(states), targets, 0.1), mask, 1.0)
        optimizer.zero_grad()
        (total / weight).backward()
        optimizer.step()
    head.eval()
    after = float((head.actions(head(states)) - targets).abs().mean().detach())
    assert after < min(OFF[kind], before / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_comes_back_from_its_checkpoint(
    kind: str, backbone: Kosmos2Backbone, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    head = make_head(kind, 64, hidden=16, layers=1, chunk=3, action_dim=2)
    policy = Policy(backbone, head, action_statistics([np.ones((2, 2), np.float32)])).eval()
    save_policy(tmp_path / "policy.safetensors", policy, {})
    states = torch.randn(2, 4, 64)
    again = load_policy(tmp_path / "policy.safetensors", backbone)
    assert again.head.settings() == head.settings()
    assert torch.equal(again.predict(states), policy.predict(states))


def test_bins_hold_standstill_and_full_speed_exactly() -> None:
    head = make_head("discrete", 8, hidden=8, layers=1, chunk=1, action_dim=3)
    logits = torch.full((1, 1, 1, 3, 255), -9.0)
    for dimension, bin_index in enumerate((27, 127, 227)):
        logits[..., dimension, bin_index] = 9.0
    targets = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    assert torch.equal(head.actions(logits), targets)
    assert float(head.error(logits, targets, 1.0)) < 1e-4


def test_a_logit_that_is_not_finite_gives_no_action() -> None:
    head = make_head("discrete", 8, hidden=8, layers=1, chunk=1, action_dim=2)
    logits = head(torch.zeros(1, 1, 8)).detach()
    logits[..., 0, 5] = torch.nan
    assert head.actions(logits).isnan().tolist() == [[[[True, False]]]]


@pytest.mark.parametrize("kind", KINDS)
def test_smooth_actions_carry_a_gradient_to_the_states(kind: str) -> None:
    torch.manual_seed(0)
    head = make_head(kind, 8, hidden=8, layers=1, chunk=2, action_dim=2)
    states = torch.randn(1, 2, 8, requires_grad=True)
    head.smooth_actions(head(states)).sum().backward()
    assert states.grad is not None
    assert float(states.grad.norm()) > 0


def test_an_action_outside_the_bins_is_refused() -> None:
    head = make_head("discrete", 8, hidden=8, layers=1, chunk=1, action_dim=2)
    targets = torch.full((1, 1, 1, 2), 1.4)
    with pytest.raises(UserError, match=r"1\.4 times full speed"):
        head.error(head(torch.zeros(1, 1, 8)), targets, 1.0)


def test_flow_draws_anew_in_training_and_not_in_evaluation() -> None:
    head = make_head("flow", 8, hidden=8, layers=1, chunk=2, action_dim=2)
    output, targets = head(torch.randn(2, 3, 8)), torch.zeros(2, 3, 2, 2)
    assert not torch.equal(head.error(output, targets, 1.0), head.error(output, targets, 1.0))
    head.eval()
    drawn = torch.get_rng_state()
    assert torch.equal(head.error(output, targets, 1.0), head.error(output, targets, 1.0))
    assert torch.equal(torch.get_rng_state(), drawn)
