"""One control step of a policy as a module that can be exported as a graph."""

from __future__ import annotations

import torch
from torch import nn

from mobile_vla.policy.backbone import TextTokens
from mobile_vla.policy.policy import Policy


class ControlStep(nn.Module):
    """What `Controller` computes in one step, without state: the caller keeps the history."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    def forward(
        self, frame: torch.Tensor, ids: torch.Tensor, history: torch.Tensor, count: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One frame, its prompt, and the states of earlier frames to the next actions.

        `frame` (1, S, S, 3) uint8 RGB, `ids` (1, T) the prompt's tokens, `history` (1, W - 1, D)
        of which the first `count` (1,) states count, oldest first. Returns actions (1, C, A) in
        m/s and rad/s, and the frame's state (1, 1, D), which the caller adds to the history.
        """
        policy = self.policy
        text = TextTokens(ids, torch.ones_like(ids, dtype=torch.bool))
        embedded = policy.backbone.embed(policy.encode(frame), text)
        token = policy.action_token.to(embedded.dtype).view(1, 1, -1)
        decoded = policy.backbone.decode(torch.cat([embedded, token], dim=1))
        state = decoded[:, -1:].to(policy.action_token.dtype)
        places = torch.arange(history.shape[1] + 1).view(1, -1, 1)
        states = torch.where(places == count, state, torch.cat([history, state], dim=1))
        output = policy.head(states).index_select(1, count)
        normalised = policy.head.actions(output)[:, 0]
        return policy.statistics.denormalise(normalised), state


class Int8Linear(nn.Module):
    """A linear layer whose weight is stored as int8 with a scale for each output."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("weight", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """As the linear layer, with the rounded weight."""
        return nn.functional.linear(values, self.weight.to(values.dtype) * self.scale, self.bias)


def quantise_linear(module: nn.Module) -> int:
    """Replace the linear layers below `module` by int8 ones; how many there were."""
    count = 0
    for name, child in list(module.named_modules()):
        if type(child) is nn.Linear:
            module.set_submodule(name, Int8Linear(child))
            count += 1
    return count
