"""The networks of RoboVLMs' policy heads, with its names and layers, at any size.

N windows of W frames, states of width D, chunks of C actions of A arm dimensions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from mobile_vla.messages.errors import UserError

WIDTHS = (1024, 512, 256)
"""Hidden widths of the two branches in RoboVLMs itself."""
GPT_HEADS = 8


class RoboVlmsNetwork(nn.Module, ABC):
    """Layers over the window, then a branch for the arm's actions and one for a gripper."""

    def __init__(
        self,
        width: int,
        *,
        hidden: int,
        layers: int,
        chunk: int,
        arm: int,
        window: int = 1,
        mlp: Sequence[int] = WIDTHS,
    ) -> None:
        super().__init__()
        self.chunk, self.arm = chunk, arm
        self.build(width, hidden, layers, window)
        self.actions = Mlp([hidden, *mlp, chunk * arm])
        self.gripper = Mlp([hidden, *mlp, chunk])

    @abstractmethod
    def build(self, width: int, hidden: int, layers: int, window: int) -> None:
        """Make the layers over the window."""

    @abstractmethod
    def over_window(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to hidden states (N, W, hidden)."""

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States (N, W, D) to actions (N, W, C, A) in -1…1 and gripper logits (N, W, C)."""
        hidden = self.over_window(states)
        actions = self.actions(hidden).tanh().unflatten(-1, (self.chunk, self.arm))
        return actions, self.gripper(hidden)


class LstmNetwork(RoboVlmsNetwork):
    """An LSTM that starts every window from a zero state (`LSTMDecoder`)."""

    def build(self, width: int, hidden: int, layers: int, window: int) -> None:
        """The LSTM."""
        self.rnn = nn.LSTM(width, hidden, num_layers=layers, batch_first=True)

    def over_window(self, states: torch.Tensor) -> torch.Tensor:
        """Each frame's output of the last layer."""
        hidden: torch.Tensor = self.rnn(states)[0]
        return hidden


class FcNetwork(RoboVlmsNetwork):
    """Each frame alone, through two linear layers (`FCDecoder`)."""

    def build(self, width: int, hidden: int, layers: int, window: int) -> None:
        """Down to half the width, then to `hidden`.

        Raises:
            UserError: `layers` is not 1.
        """
        if layers != 1:
            raise UserError(f"A robovlms_fc head has 1 layer, not {layers}: set layers to 1.")
        half = width // 2
        self.mlp = nn.Sequential(nn.Linear(width, half), nn.ReLU(), nn.Linear(half, hidden))

    def over_window(self, states: torch.Tensor) -> torch.Tensor:
        """No frame sees another."""
        hidden: torch.Tensor = self.mlp(states)
        return hidden


class GptNetwork(RoboVlmsNetwork):
    """GPT-2's blocks over the window, with its learned positions and dropout (`GPTDecoder`)."""

    def build(self, width: int, hidden: int, layers: int, window: int) -> None:
        """The blocks; a linear layer before them where `hidden` is not the states' width.

        Raises:
            UserError: eight attention heads do not divide `hidden`.
        """
        from transformers import GPT2Config, GPT2Model

        if hidden % GPT_HEADS:
            raise UserError(
                f"A robovlms_gpt head has {GPT_HEADS} attention heads, which do not divide "
                f"{hidden}: set hidden to a multiple of {GPT_HEADS}."
            )
        config = GPT2Config(
            n_layer=layers, n_head=GPT_HEADS, n_embd=hidden, n_positions=window, vocab_size=1,
            bos_token_id=None, eos_token_id=None, use_cache=False,
        )  # fmt: skip
        self.gpt = GPT2Model(config)
        self.gpt.wte = nn.Identity()  # frames come as embeddings; RoboVLMs has no vocabulary here
        self.fc = nn.Linear(width, hidden) if hidden != width else nn.Identity()

    def over_window(self, states: torch.Tensor) -> torch.Tensor:
        """A frame attends to itself and those before it; positions count from the window's start.

        Raises:
            UserError: the window is longer than the one that the positions were made for.
        """
        frames, known = states.shape[1], self.gpt.wpe.num_embeddings
        if frames > known:
            raise UserError(
                f"The head knows {known} positions, not {frames}: set window to {known}."
            )
        hidden: torch.Tensor = self.gpt(inputs_embeds=self.fc(states)).last_hidden_state
        return hidden


class Mlp(nn.Module):
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
        """The last layer's output."""
        result: torch.Tensor = self.mlp(hidden)
        return result
