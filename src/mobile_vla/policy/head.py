"""Policy heads: action-token states of a window in, a chunk of actions a frame out.

N windows of W frames, states of width D, chunks of C actions of A dimensions, all normalised.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from mobile_vla.messages.errors import UserError


class LstmHead(nn.Module):
    """An LSTM from a zero state a window, then two linear layers with a GELU between.

    Each frame sees the frames of its window up to itself.
    """

    def __init__(self, width: int, *, hidden: int, layers: int, chunk: int, action_dim: int):
        super().__init__()
        self.chunk = chunk
        self.action_dim = action_dim
        self.rnn = nn.LSTM(width, hidden, num_layers=layers, batch_first=True)
        self.output = _output(hidden, hidden, chunk * action_dim)

    def settings(self) -> dict[str, Any]:
        """The arguments of `build_head` that build this head, but for the width."""
        return {
            "kind": "lstm",
            "hidden": self.rnn.hidden_size,
            "layers": self.rnn.num_layers,
            "chunk": self.chunk,
            "action_dim": self.action_dim,
        }

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        hidden, _ = self.rnn(states)
        flat: torch.Tensor = self.output(hidden)
        return flat.unflatten(-1, (self.chunk, self.action_dim))


class MlpHead(nn.Module):
    """Two linear layers with a GELU between; each frame by itself, without a history."""

    def __init__(self, width: int, *, hidden: int, chunk: int, action_dim: int):
        super().__init__()
        self.chunk = chunk
        self.action_dim = action_dim
        self.output = _output(width, hidden, chunk * action_dim)

    def settings(self) -> dict[str, Any]:
        """The arguments of `build_head` that build this head, but for the width."""
        return {
            "kind": "mlp",
            "hidden": self.output[0].out_features,
            "layers": 1,
            "chunk": self.chunk,
            "action_dim": self.action_dim,
        }

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        flat: torch.Tensor = self.output(states)
        return flat.unflatten(-1, (self.chunk, self.action_dim))


Head = LstmHead | MlpHead


def build_head(
    kind: Literal["lstm", "mlp"],
    width: int,
    *,
    hidden: int,
    layers: int,
    chunk: int,
    action_dim: int,
) -> Head:
    """A head by name; `layers` counts the LSTM's layers and must be 1 for `mlp`."""
    if kind == "lstm":
        return LstmHead(width, hidden=hidden, layers=layers, chunk=chunk, action_dim=action_dim)
    if kind == "mlp":
        if layers != 1:
            raise UserError(f"An mlp head has 1 hidden layer, not {layers}: set layers to 1.")
        return MlpHead(width, hidden=hidden, chunk=chunk, action_dim=action_dim)
    raise UserError(f'There is no policy head "{kind}": choose "lstm" or "mlp".')


def _output(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))
