"""Exponential moving averages of the trained weights, which validation and checkpoints take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The average of some parameters. With `decay` 0 it is the parameters themselves.

    The decay rises with the steps, (1 + n) / (10 + n) up to `decay`, so that a short run is not
    held at its first weights.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], decay: float) -> None:
        self._parameters, self.decay = list(parameters), decay
        self._average = [p.detach().clone() for p in parameters] if decay else []

    def update(self, step: int) -> None:
        """Take the weights after optimiser step `step` (from 1) into the average."""
        if self.decay:
            decay = min(self.decay, (1 + step) / (10 + step))
            current = [parameter.detach() for parameter in self._parameters]
            get_ema_multi_avg_fn(decay)(self._average, current, step)  # type: ignore[no-untyped-call]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The parameters are the averages meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def restore(self, state: Sequence[torch.Tensor]) -> None:
        """Take the average of a checkpoint, on the parameters' device."""
        for mine, stored in zip(self._average, state, strict=True):
            mine.copy_(stored)

    def _swap(self) -> None:
        for parameter, average in zip(self._parameters, self._average, strict=bool(self._average)):
            parameter.data, average.data = average.data, parameter.data
