"""Measure whether the instruction reaches the action, before and after training."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mobile_vla.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class InstructionEffect:
    """How far the instruction moves the actions on the same frames.

    `action_change`: mean magnitude of the first action's change, in shares of full speed, when
    one instruction replaces the other. `text_gradient`: norm of the gradient of the first
    actions' sum at the embeddings of the words in which the two differ. Zero means that the policy
    ignores the instruction.
    """

    action_change: float
    text_gradient: float

    @property
    def reaches(self) -> bool:
        """Whether both are other than zero."""
        return self.action_change > 0 and self.text_gradient > 0


def instruction_effect(
    policy: Policy, latents: torch.Tensor, instructions: tuple[str, str], window: int
) -> InstructionEffect:
    """Measure on one episode's latents (T, L, D); the policy's weights are left as they are."""
    was_training = policy.training
    policy.eval()
    with torch.enable_grad():
        first, gradient = _first_actions(policy, latents, instructions, window)
    policy.train(was_training)
    change = (first[0] - first[1]).norm(dim=-1).mean()
    return InstructionEffect(float(change), gradient)


def _first_actions(
    policy: Policy, latents: torch.Tensor, instructions: tuple[str, str], window: int
) -> tuple[torch.Tensor, float]:
    """First actions (2, windows·W, A) under both instructions, and the gradient's norm."""
    embeddings = policy.backbone.network.get_input_embeddings().weight
    before = embeddings.requires_grad
    embeddings.requires_grad_(True)
    try:
        output, _ = policy([latents, latents], instructions, window)
        actions = policy.head.smooth_actions(output)
        (gradient,) = torch.autograd.grad(actions[..., 0, :].sum(), embeddings)
    finally:
        embeddings.requires_grad_(before)
    first = actions[..., 0, :].detach().unflatten(0, (2, -1)).flatten(1, 2)
    ids = policy.backbone.tokenize(instructions).ids
    words = set(ids[0].tolist()) ^ set(ids[1].tolist())
    return first, float(gradient[sorted(words)].norm())
