"""A head that chooses each velocity from bins, as RT-1 does (Brohan et al. 2022)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.heads.head import Head

BINS_A_SIDE = 127
BIN = 0.01
"""A bin's width as a share of full speed. Standing still and full speed are centres of bins."""
RANGE = (BINS_A_SIDE + 0.5) * BIN


class DiscreteHead(Head):
    """Logits of 255 bins for each number of a chunk, by an LSTM over the window.

    Bins reach to 1.275 times full speed. `actions` are the centres of the likeliest bins.
    """

    kind = "discrete"

    def build(self, width: int) -> None:
        """An LSTM and a linear layer to the logits."""
        self.rnn = nn.LSTM(width, self.hidden, num_layers=self.layers, batch_first=True)
        bins = 2 * BINS_A_SIDE + 1
        self.output = nn.Linear(self.hidden, self.chunk * self.action_dim * bins)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to logits (N, W, C, A, bins)."""
        flat: torch.Tensor = self.output(self.rnn(states)[0])
        return flat.unflatten(-1, (self.chunk, self.action_dim, -1))

    def actions(self, output: torch.Tensor) -> torch.Tensor:
        """The centres (N, W, C, A) of the likeliest bins; NaN where a logit is not finite."""
        not_finite = output.amax(-1) * 0
        return (output.argmax(-1) - BINS_A_SIDE) * BIN + not_finite

    def smooth_actions(self, output: torch.Tensor) -> torch.Tensor:
        """The expected centres (N, W, C, A) under the logits."""
        bins = torch.arange(-BINS_A_SIDE, BINS_A_SIDE + 1, device=output.device)
        expected: torch.Tensor = output.softmax(-1) @ (bins * BIN).to(output.dtype)
        return expected

    def error(self, output: torch.Tensor, targets: torch.Tensor, delta: float) -> torch.Tensor:
        """The mean cross-entropy of an action's dimensions; `delta` has no effect.

        Raises:
            UserError: a target lies outside the bins.
        """
        largest = float(targets.abs().max())
        if not largest <= RANGE:
            raise UserError(
                f"An action is {largest:.4g} times full speed, but a discrete head reaches to "
                f"{RANGE:g}: raise the study's full speed, or choose another head."
            )
        bins = (targets / BIN).round().long() + BINS_A_SIDE
        bins = bins.clamp(0, 2 * BINS_A_SIDE)
        loss = functional.cross_entropy(output.movedim(-1, 1), bins, reduction="none")
        return loss.mean(-1)
