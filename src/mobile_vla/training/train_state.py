"""The objects of a training run and its position, shared by the modules of training."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightning.fabric import Fabric

from mobile_vla.episodes.manifest import Manifest
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.events import EventLog
from mobile_vla.runs.folder import RunFolder
from mobile_vla.study.models import Recipe
from mobile_vla.training.averaging import WeightAverage
from mobile_vla.training.data import EpisodeTensors
from mobile_vla.training.loggers import MetricsLogger

if TYPE_CHECKING:
    from mobile_vla.training.rank_group import RankGroup
    from mobile_vla.training.validation_probes import ValidationProbes

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Model:
    """A policy and what trains it; `module` is the policy as Fabric wraps it."""

    fabric: Fabric
    policy: Policy
    module: Any
    optimizer: Any
    average: WeightAverage


@dataclass(slots=True)
class Position:
    """The position of training: steps done, losses of the current epoch, best validation value.

    `since_best`: epochs that ended since the best value.
    """

    step: int = 0
    epoch_losses: list[float] = field(default_factory=list)
    best: float = math.inf
    since_best: int = 0

    def gives_up(self, recipe: Recipe) -> bool:
        """Whether the recipe's patience is at its end."""
        return 0 < recipe.patience <= self.since_best


@dataclass(frozen=True, slots=True)
class Training:
    """Everything the loop works with."""

    fabric: Fabric
    run: RunFolder
    recipe: Recipe
    checkpoint_seconds: float
    keep_epochs: int
    manifest: Manifest
    policy: Policy
    module: Any
    optimizer: Any
    average: WeightAverage
    tensors: EpisodeTensors
    probes: ValidationProbes | None
    events: EventLog | None
    metrics: MetricsLogger | None
    metadata: dict[str, str]
    world: RankGroup
    stop: threading.Event
    progress: Progress
