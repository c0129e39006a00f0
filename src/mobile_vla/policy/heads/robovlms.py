"""RoboVLMs' policy heads, layer for layer, so that its checkpoints load into them and come back.

A robot here has no gripper. That branch is kept as it was loaded or drawn, for an export, and is
neither trained nor read.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.robovlms_networks import (
    FcNetwork,
    GptNetwork,
    LstmNetwork,
    RoboVlmsNetwork,
)


class RoboVlmsHead(Head):
    """One of RoboVLMs' networks; actions lie in -1…1, a share of full speed."""

    network_class: ClassVar[type[RoboVlmsNetwork]]
    decoder: ClassVar[str]
    """What RoboVLMs calls it under `act_head.type`."""

    def build(self, width: int) -> None:
        """The network, its gripper's branch frozen.

        Raises:
            UserError: the sizes do not fit it.
        """
        self.network = self.network_class(
            width, hidden=self.hidden, layers=self.layers, chunk=self.chunk,
            arm=self.action_dim, window=self.window,
        )  # fmt: skip
        self.network.gripper.requires_grad_(False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to actions (N, W, C, A)."""
        actions: torch.Tensor = self.network(states)[0]
        return actions


class RoboVlmsLstmHead(RoboVlmsHead):
    """RoboVLMs' `LSTMDecoder`; four layers there."""

    kind, decoder, network_class = "robovlms_lstm", "LSTMDecoder", LstmNetwork


class RoboVlmsFcHead(RoboVlmsHead):
    """RoboVLMs' `FCDecoder`: each frame alone; `layers` must be 1."""

    kind, decoder, network_class = "robovlms_fc", "FCDecoder", FcNetwork


class RoboVlmsGptHead(RoboVlmsHead):
    """RoboVLMs' `GPTDecoder`; eight layers there, and a learned position for each of W frames."""

    kind, decoder, network_class = "robovlms_gpt", "GPTDecoder", GptNetwork

    def settings(self) -> dict[str, Any]:
        """With the window, which the positions are made for."""
        return {**super().settings(), "window": self.window}
