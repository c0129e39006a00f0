"""`evaluation/*.json`: what a checkpoint did on a named set of episodes and scenes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record
from mobile_vla.runs.outside_files import decode_json, read_regular


class Metric(Record, frozen=True, kw_only=True):
    """A number that carries its definition, its unit and how many trials it rests on."""

    name: str
    definition: str
    unit: str
    value: float
    n: int


class EpisodeSet(Record, frozen=True, kw_only=True):
    """An evaluation set by content. `hash` is its manifest's identity.

    `leaked`: episodes left out because the run has seen them; `near`: those of them that show
    almost the same pictures as one it has seen.
    """

    name: str
    hash: str
    episodes: list[str]
    left: int
    right: int
    leaked: list[str] = []
    near: list[str] = []


class EpisodeScore(Record, frozen=True, kw_only=True):
    """One episode's values, for comparisons paired by episode. `episode` is its content hash."""

    episode: str
    direction: str
    values: dict[str, float]


class Scored(Record, frozen=True, kw_only=True):
    """A policy or a baseline on the evaluation set: in all and by direction."""

    name: str
    metrics: list[Metric]
    by_direction: dict[str, list[Metric]]
    episodes: list[EpisodeScore]


class Swap(Record, frozen=True, kw_only=True):
    """The same frames under the other instruction. `change`: mean |difference| in m/s."""

    change: float
    follows: float
    n: int


class Hearing(Record, frozen=True, kw_only=True):
    """Another text in the recorded instruction's place, on the same frames of `n` episodes.

    `series`: policy, blind (mean image in place of every frame) or deaf (text left out). `test`:
    swapped (the other side), blank, paraphrased or other_object. `change`: mean |difference| of
    the executed action to that under the recorded instruction, m/s. `turns`: share of episodes
    whose predicted linear_y over the recorded manoeuvre points to the recorded side. `follows`:
    the share that points to the side that the text tells, None where it tells none. `mirrored`:
    share of frames whose action is the recorded instruction's with linear_y's sign turned, as a
    rule on the words would do; where the action moves sideways at all. `refused`: why it was not
    measured, such as a word that the tokenizer does not know; then n is 0.
    """

    series: str
    test: Literal["swapped", "blank", "paraphrased", "other_object"]
    text: str
    language: Literal["en", "ko"] | None = None
    change: float | None = None
    turns: float | None = None
    follows: float | None = None
    mirrored: float | None = None
    n: int = 0
    refused: str | None = None


class Span(Record, frozen=True, kw_only=True):
    """Largest magnitudes of one action dimension, m/s (rad/s), and what normalises it."""

    name: str
    trained: float
    recorded: float
    predicted: float
    beyond: float
    """Share of the recorded frames beyond what training saw, by more than 2 %."""


class TrainingSplit(Record, frozen=True, kw_only=True):
    """What the baselines were made from, by direction.

    `common_sequence`: the share of the direction's episodes that press its most common key
    sequence; `count`: its episodes.
    """

    episodes: int
    common_sequence: dict[str, float]
    count: dict[str, int]


class Offline(Record, frozen=True, kw_only=True):
    """`offline.json`: a checkpoint and its baselines on one evaluation set."""

    time: datetime
    checkpoint: str
    checkpoint_blake3: str
    set: EpisodeSet
    policy: Scored
    baselines: list[Scored]
    swap: Swap
    hearing: list[Hearing] = []
    spans: list[Span] = []
    training: TrainingSplit | None = None


class Rollout(Record, frozen=True, kw_only=True):
    """One drive in the simulator: `scene` is its seed, `path` the positions in m."""

    scene: int
    direction: Literal["left", "right"]
    success: bool
    collision: bool
    side: Literal["left", "right"] | None
    path_length: float
    steps: int
    path: list[tuple[float, float]]


class ReplayDrives(Record, frozen=True, kw_only=True):
    """The drives of a replay of the training actions, by its name in `offline.json`."""

    name: str
    rollouts: list[Rollout]


class Rollouts(Record, frozen=True, kw_only=True):
    """`rollouts.json`: paired scenes, each driven under both instructions.

    `replays`: the same scenes and instructions, driven by replays of the training actions; empty
    in files of earlier versions.

    `out_of_world`: the policy was trained on recordings, not in the simulator that it drives in,
    so its success there says little about the robot. `step_seconds`: length of a step.
    """

    time: datetime
    checkpoint: str
    checkpoint_blake3: str
    simulator: str
    max_steps: int
    rollouts: list[Rollout]
    pictures: list[str] = []
    step_seconds: float = 0.4
    out_of_world: bool = False
    replays: list[ReplayDrives] = []

    def of_replay(self, replay: ReplayDrives) -> Rollouts:
        """The same evaluation with a replay's drives in the policy's place."""
        return msgspec.structs.replace(self, rollouts=replay.rollouts, replays=[], pictures=[])

    def without_paths(self) -> Rollouts:
        """The same drives without the positions on the way."""
        replays = [
            msgspec.structs.replace(replay, rollouts=_without_paths(replay.rollouts))
            for replay in self.replays
        ]
        return msgspec.structs.replace(
            self, rollouts=_without_paths(self.rollouts), replays=replays
        )


def _without_paths(drives: list[Rollout]) -> list[Rollout]:
    return [msgspec.structs.replace(drive, path=[]) for drive in drives]


MOST_BYTES = 256 << 20
Result = TypeVar("Result", Offline, Rollouts)


def read_result(path: Path, kind: type[Result]) -> Result:
    """Read `offline.json` or `rollouts.json`; `UserError` where it is missing or broken."""
    try:
        return decode_json(read_regular(path, MOST_BYTES), kind)
    except FileNotFoundError as error:
        raise UserError(f"There is no {path}: run `mvla evaluate` on its case.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): evaluate the case again.") from error
