"""A head with a causal transformer over the window."""

from __future__ import annotations

import torch
from torch import nn

from mobile_vla.policy.heads.head import Head

SLOWEST = 10_000.0
"""The longest wavelength of the positions, in frames / 2π (Vaswani et al. 2017)."""


class GptHead(Head):
    """A pre-norm transformer decoder without dropout; positions count from the window's start.

    `hidden` is its width and `layers` its blocks. Blocks have as many heads as divide the width,
    up to 8, and inner layers four times as wide.
    """

    kind = "gpt"

    def build(self, width: int) -> None:
        """The blocks, between a linear layer before and one after."""
        heads = next(count for count in (8, 4, 2, 1) if self.hidden % count == 0)
        self.input = nn.Linear(width, self.hidden)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                self.hidden, heads, 4 * self.hidden,
                dropout=0.0, activation="gelu", batch_first=True, norm_first=True,
            )
            for _ in range(self.layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(self.hidden)
        self.output = nn.Linear(self.hidden, self.chunk * self.action_dim)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        frames = states.shape[1]
        ahead = torch.ones(frames, frames, dtype=torch.bool, device=states.device).triu(1)
        hidden = self.input(states)
        hidden = hidden + positions(frames, self.hidden, states.device).to(hidden.dtype)
        for block in self.blocks:
            hidden = block(hidden, src_mask=ahead)
        flat: torch.Tensor = self.output(self.norm(hidden))
        return flat.unflatten(-1, (self.chunk, self.action_dim))


def positions(frames: int, width: int, device: torch.device | None = None) -> torch.Tensor:
    """Sines and cosines of the frame's number, (frames, width)."""
    half = (width + 1) // 2
    rates = SLOWEST ** (-torch.arange(half, device=device) / half)
    angles = torch.arange(frames, device=device).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width]
