"""The policy's head: action-token states of a window in, a chunk of actions a frame out.

N windows of W frames, states of width D, chunks of C actions of A dimensions, all normalised.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from mobile_vla.messages.errors import UserError


class Head(nn.Module):
    """Two linear layers with a GELU between; as "lstm" behind an LSTM from a zero state a window.

    With the LSTM each frame sees the frames of its window up to itself; as "mlp" itself alone.
    `layers` counts the LSTM's layers and must be 1 for "mlp".
    """

    def __init__(
        self,
        kind: Literal["lstm", "mlp"],
        width: int,
        *,
        hidden: int,
        layers: int,
        chunk: int,
        action_dim: int,
    ) -> None:
        super().__init__()
        if kind not in ("lstm", "mlp"):
            raise UserError(f'There is no policy head "{kind}": choose "lstm" or "mlp".')
        if kind == "mlp" and layers != 1:
            raise UserError(f"An mlp head has 1 hidden layer, not {layers}: set layers to 1.")
        self.kind, self.hidden, self.layers = kind, hidden, layers
        self.chunk, self.action_dim = chunk, action_dim
        if kind == "lstm":
            self.rnn = nn.LSTM(width, hidden, num_layers=layers, batch_first=True)
            width = hidden
        first, last = nn.Linear(width, hidden), nn.Linear(hidden, chunk * action_dim)
        self.output = nn.Sequential(first, nn.GELU(), last)

    def settings(self) -> dict[str, Any]:
        """The arguments that build this head, but for the width."""
        names = ("kind", "hidden", "layers", "chunk", "action_dim")
        return {name: getattr(self, name) for name in names}

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        if self.kind == "lstm":
            states, _ = self.rnn(states)
        flat: torch.Tensor = self.output(states)
        return flat.unflatten(-1, (self.chunk, self.action_dim))
