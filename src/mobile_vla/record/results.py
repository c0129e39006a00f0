"""`evaluation/*.json`: what a checkpoint did on a named set of episodes and scenes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from mobile_vla.record.errors import UserError


class Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is stored."""


class Metric(Stored, frozen=True, kw_only=True):
    """A number that carries its definition, its unit and how many trials it rests on."""

    name: str
    definition: str
    unit: str
    value: float
    n: int


class EpisodeSet(Stored, frozen=True, kw_only=True):
    """An evaluation set by content. `hash` is its manifest's identity."""

    name: str
    hash: str
    episodes: list[str]
    left: int
    right: int
    leaked: list[str] = []


class EpisodeScore(Stored, frozen=True, kw_only=True):
    """One episode's values, for comparisons paired by episode. `episode` is its content hash."""

    episode: str
    direction: str
    values: dict[str, float]


class Scored(Stored, frozen=True, kw_only=True):
    """A policy or a baseline on the evaluation set: in all and by direction."""

    name: str
    metrics: list[Metric]
    by_direction: dict[str, list[Metric]]
    episodes: list[EpisodeScore]


class Swap(Stored, frozen=True, kw_only=True):
    """The same frames under the other instruction. `change`: mean |difference| in m/s."""

    change: float
    follows: float
    n: int


class Offline(Stored, frozen=True, kw_only=True):
    """`offline.json`: a checkpoint and its baselines on one evaluation set."""

    time: datetime
    checkpoint: str
    checkpoint_blake3: str
    set: EpisodeSet
    policy: Scored
    baselines: list[Scored]
    swap: Swap


class Rollout(Stored, frozen=True, kw_only=True):
    """One drive in the simulator: `scene` is its seed, `path` the positions in m."""

    scene: int
    direction: Literal["left", "right"]
    success: bool
    collision: bool
    side: Literal["left", "right"] | None
    path_length: float
    steps: int
    path: list[tuple[float, float]]


class Rollouts(Stored, frozen=True, kw_only=True):
    """`rollouts.json`: paired scenes, each driven under both instructions."""

    time: datetime
    checkpoint: str
    checkpoint_blake3: str
    simulator: str
    max_steps: int
    rollouts: list[Rollout]
    pictures: list[str] = []


Result = TypeVar("Result", Offline, Rollouts)


def read_result(path: Path, kind: type[Result]) -> Result:
    """Read `offline.json` or `rollouts.json`; `UserError` where it is missing or broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise UserError(f"There is no {path}: run `mvla evaluate` on its case.") from error
    except msgspec.DecodeError as error:
        raise UserError(f"{path} cannot be read ({error}): evaluate the case again.") from error
