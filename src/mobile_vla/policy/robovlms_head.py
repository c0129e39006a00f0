"""RoboVLMs' LSTM policy head, with its names and layers, at any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class RoboVlmsHead(nn.Module):
    """RoboVLMs' LSTM head: chunks of C steps of A velocities, and a gripper."""

    def __init__(
        self, width: int, *, hidden: int, layers: int, mlp: Sequence[int], chunk: int, arm: int
    ) -> None:
        super().__init__()
        self.chunk, self.arm = chunk, arm
        self.rnn = nn.LSTM(width, hidden, num_layers=layers, batch_first=True)
        self.actions = _Mlp([hidden, *mlp, chunk * arm])
        self.gripper = _Mlp([hidden, *mlp, chunk])

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States (N, W, D) to velocities (N, W, C, A) in -1…1 and gripper logits (N, W, C)."""
        hidden, _ = self.rnn(states)
        velocities = self.actions(hidden).tanh().unflatten(-1, (self.chunk, self.arm))
        return velocities, self.gripper(hidden)


class _Mlp(nn.Module):
    """Linear layers with ReLU between, under the name `mlp`."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])
        for layer in self.mlp[:-1:2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.mlp(hidden)
        return result
