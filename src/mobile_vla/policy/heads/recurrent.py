"""Heads that predict a chunk of actions by an LSTM over the window, or from each frame alone."""

from __future__ import annotations

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.heads.head import Head


class MlpHead(Head):
    """Two linear layers with a GELU between; each frame sees itself alone. `layers` must be 1."""

    kind = "mlp"

    def build(self, width: int) -> None:
        """Two linear layers.

        Raises:
            UserError: `layers` is not 1.
        """
        if self.layers != 1:
            raise UserError(f"An mlp head has 1 hidden layer, not {self.layers}: set layers to 1.")
        self.output = self.two_layers(width)

    def two_layers(self, width: int) -> nn.Sequential:
        """Linear layers from `width` to a flat chunk."""
        first, last = nn.Linear(width, self.hidden), nn.Linear(self.hidden, self.flat)
        return nn.Sequential(first, nn.GELU(), last)

    @property
    def flat(self) -> int:
        """Numbers in a chunk, C × A."""
        return self.chunk * self.action_dim

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        flat: torch.Tensor = self.output(states)
        return flat.unflatten(-1, (self.chunk, self.action_dim))


class LstmHead(MlpHead):
    """The layers of an mlp head behind an LSTM that starts every window from a zero state."""

    kind = "lstm"

    def build(self, width: int) -> None:
        """An LSTM and two linear layers."""
        self.rnn = nn.LSTM(width, self.hidden, num_layers=self.layers, batch_first=True)
        self.output = self.two_layers(self.hidden)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        return super().forward(self.rnn(states)[0])
