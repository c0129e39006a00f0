"""What every policy head does.

N windows of W frames, states of width D, chunks of C actions of A dimensions, all normalised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional


class Head(nn.Module, ABC):
    """A network over the states of a window, the actions it means, and its loss.

    `forward` runs the network. `actions` and `error` read its output, so that training runs the
    network once. A frame's output depends on the frames of its window up to itself only.
    `layers` counts the layers over the window.
    """

    kind: ClassVar[str]

    def __init__(
        self, width: int, *, hidden: int, layers: int, chunk: int, action_dim: int, window: int
    ) -> None:
        super().__init__()
        self.hidden, self.layers, self.window = hidden, layers, window
        self.chunk, self.action_dim = chunk, action_dim
        self.build(width)

    def settings(self) -> dict[str, Any]:
        """The arguments of `make_head` that build this head, without the width."""
        names = ("kind", "hidden", "layers", "chunk", "action_dim")
        return {name: getattr(self, name) for name in names}

    @abstractmethod
    def build(self, width: int) -> None:
        """Make the modules for states of `width`."""

    @abstractmethod
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (N, W, D) to the network's output (N, W, …)."""

    def actions(self, output: torch.Tensor) -> torch.Tensor:
        """The actions (N, W, C, A) that an output means; the same at every call."""
        return output

    def smooth_actions(self, output: torch.Tensor) -> torch.Tensor:
        """Actions (N, W, C, A) with a gradient; `actions` unless these have none."""
        return self.actions(output)

    def error(self, output: torch.Tensor, targets: torch.Tensor, delta: float) -> torch.Tensor:
        """The loss of each action (N, W, C) against `targets` (N, W, C, A).

        For heads that predict actions directly: Huber's loss with `delta`.
        """
        return functional.huber_loss(output, targets, delta=delta, reduction="none").mean(-1)
