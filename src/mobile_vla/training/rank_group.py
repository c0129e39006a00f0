"""The processes (ranks) that train one case together, and what they add up."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from mobile_vla.training.launch import launch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RankGroup:
    """Rank `rank` of `size` processes. One process alone adds nothing up and waits for nobody."""

    rank: int = 0
    size: int = 1
    fabric: Fabric | None = None

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder: rank 0 alone does."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part of `items`; all ranks' parts make the whole, each item once."""
        return items[self.rank :: self.size]

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """`values` added up over the ranks."""
        if self.fabric is None:
            return values
        summed = self.fabric.all_reduce(values.to(self.fabric.device), reduce_op="sum")
        assert isinstance(summed, torch.Tensor)
        return summed.to(values.device)

    def any(self, true_here: bool) -> bool:
        """Whether it is true on any rank."""
        if self.fabric is None:
            return true_here
        return bool(self.total(torch.tensor(float(true_here))) > 0)

    def gather(self, value: T) -> list[T]:
        """Every rank's value on rank 0, and an empty list on the others."""
        if self.fabric is None:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.gather_object(value, values if self.writes else None)
        return values if self.writes else []

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add the gradients of all ranks up, once a step; each rank ends with the sum.

        A rank may have no episode in a short step: its gradients count as zero. A parameter
        without a gradient on every rank stays without one.
        """
        if self.fabric is None:
            return
        trained = list(parameters)
        present = torch.tensor([float(p.grad is not None) for p in trained])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = self.total(torch.cat([gradient.flatten() for gradient in gradients]))
        anywhere = self.total(present).tolist()
        parts = flat.split([p.numel() for p in trained])
        for parameter, part, count in zip(trained, parts, anywhere, strict=True):
            parameter.grad = part.view_as(parameter) if count else None


ALONE = RankGroup()


def join(precision: str) -> Fabric:
    """Join the run's other processes; returns once all of the launch are there."""
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import TorchElasticEnvironment
    from lightning.fabric.strategies import DDPStrategy

    started = launch()
    plugins = [TorchElasticEnvironment()] if "RANK" in os.environ else []
    fabric = Fabric(
        accelerator="auto",
        devices=started.size // started.nodes,
        num_nodes=started.nodes,
        strategy=DDPStrategy(broadcast_buffers=False),
        precision=precision,  # type: ignore[arg-type]
        plugins=plugins,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
