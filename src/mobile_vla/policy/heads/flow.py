"""A head trained by flow matching over the chunk (Lipman et al. 2023; Black et al. 2024)."""

from __future__ import annotations

import torch
from torch import nn

from mobile_vla.policy.heads.head import Head

STEPS = 10
"""Euler steps from the starting point to the actions."""
FREQUENCIES = 4


class FlowHead(Head):
    """A velocity field over chunks, conditioned on an LSTM over the window's states.

    Training draws a time and a starting point for each chunk from torch's generator. In
    evaluation the draws come from a fixed seed. `actions` follows the field from zero, the mean of
    the starting points, so that a policy acts the same on the same frames.
    """

    kind = "flow"

    def build(self, width: int) -> None:
        """An LSTM, and three linear layers that are the field."""
        self.rnn = nn.LSTM(width, self.hidden, num_layers=self.layers, batch_first=True)
        flat = self.chunk * self.action_dim
        self.field = nn.Sequential(
            nn.Linear(self.hidden + flat + 2 * FREQUENCIES, self.hidden), nn.GELU(),
            nn.Linear(self.hidden, self.hidden), nn.GELU(),
            nn.Linear(self.hidden, flat),
        )  # fmt: skip

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to the conditions (N, W, hidden)."""
        conditions: torch.Tensor = self.rnn(states)[0]
        return conditions

    def actions(self, output: torch.Tensor) -> torch.Tensor:
        """The chunks (N, W, C, A) at the end of the way from zero along the field."""
        chunk = output.new_zeros(*output.shape[:2], self.chunk, self.action_dim)
        for step in range(STEPS):
            time = output.new_full((*output.shape[:2], 1), step / STEPS)
            chunk = chunk + self.velocity(output, chunk, time) / STEPS
        return chunk

    def error(self, output: torch.Tensor, targets: torch.Tensor, delta: float) -> torch.Tensor:
        """The mean squared error of the field on the way to `targets`; `delta` has no effect."""
        start, time = self._draws(targets)
        way = start + time.unsqueeze(-1) * (targets - start)
        return (self.velocity(output, way, time) - (targets - start)).square().mean(-1)

    def velocity(
        self, conditions: torch.Tensor, chunk: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """The field (N, W, C, A) at chunks (N, W, C, A) and times (N, W, 1) from 0 to 1."""
        angles = time * torch.pi * 2.0 ** torch.arange(-1, FREQUENCIES - 1, device=time.device)
        inputs = torch.cat([conditions, chunk.flatten(-2), angles.sin(), angles.cos()], -1)
        flat: torch.Tensor = self.field(inputs)
        return flat.unflatten(-1, (self.chunk, self.action_dim))

    def _draws(self, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Starting points like `targets` and times (N, W, 1)."""
        device = targets.device
        fixed = None if self.training else torch.Generator(device).manual_seed(0)
        start = torch.randn(targets.shape, generator=fixed, device=device)
        time = torch.rand((*targets.shape[:2], 1), generator=fixed, device=device)
        return start, time
