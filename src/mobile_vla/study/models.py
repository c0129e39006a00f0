"""Models of a study file. Every model is frozen and refuses unknown keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from mobile_vla.messages.record import Record

Direction = Literal["left", "right", "straight"]
Positive = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
Natural = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
ACTIONS = (
    ("linear_x", "linear_y"),
    ("linear_x", "angular_z"),
    ("linear_x", "linear_y", "angular_z"),
)
"""The actions a policy can be trained for; the second dimension takes the robot aside."""
NUISANCE = ("host", "wall_time", "note")
"""Differences between runs that are no factors, unless a study declares others."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*\Z")]


class Text(Record, frozen=True, kw_only=True):
    """A text in both languages."""

    en: str
    ko: str


class Lora(Record, frozen=True, kw_only=True):
    """Low-rank adapters (Hu et al. 2021): rank, scale numerator, dropout, which parts get them.

    Without parts there are none: head and action token train alone.
    `rslora`: the scale is alpha / √r, not alpha / r (Kalajdzievski 2023). `dora`: the magnitude of
    each adapted row trains apart from its direction (Liu et al. 2024).
    """

    r: Positive = 32
    alpha: Positive = 16
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    parts: tuple[Literal["vision", "projection", "text"], ...] = ("text",)
    rslora: bool = False
    dora: bool = False


class HeadSettings(Record, frozen=True, kw_only=True):
    """The action head over the action-token states of a window.

    `lstm`, `mlp` (each frame alone), `gpt` (causal transformer), `discrete` (bins), `flow` (flow
    matching), or one of RoboVLMs' own, which its checkpoints load into.
    """

    kind: Literal[
        "lstm", "mlp", "gpt", "discrete", "flow", "robovlms_lstm", "robovlms_fc", "robovlms_gpt"
    ] = "lstm"
    hidden: Positive = 512
    layers: Positive = 4


class Recipe(Record, frozen=True, kw_only=True):
    """How a case is trained. Batch counts episodes; one optimiser step sees batch × accumulate.

    `precision`: of the computation. `frozen_dtype`: of the frozen weights in memory. `views`: how
    many augmented versions of an episode take turns, one an epoch. `best_by`: the validation metric
    whose lowest value marks the best checkpoint. `gradient_checkpointing` keeps less for the
    backward pass and recomputes it; `compile` compiles the decoder's layers. The run reports the
    gain of both. `schedule`: the learning rate after its linear warm-up falls by a cosine or a line
    to `final_rate` of it, or stays. `ema`: decay of a moving average of the trained weights, which
    is validated and saved in their place; 0 is none. `patience`: the run ends after so many epochs
    without a new best value of `best_by`; 0 lets it train them all. `probe`: each validation also
    shows the frames with other instructions; `best_by: val_unheard` does so too.
    """

    window: Positive = 8
    chunk: Positive = 10
    action_dim: Annotated[int, msgspec.Meta(ge=2, le=3)] = 2
    lora: Lora = Lora()
    head: HeadSettings = HeadSettings()
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 1e-4
    weight_decay: NotNegative = 0.01
    warmup_steps: Natural = 0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    final_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    patience: Natural = 0
    probe: bool = False
    clip_norm: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    epochs: Positive = 10
    batch: Positive = 1
    accumulate: Positive = 8
    huber_delta: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    first_action_weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    seed: Seed = 123
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    frozen_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    views: Positive = 1
    best_by: Literal["val_loss", "val_mae", "val_unheard"] = "val_loss"
    gradient_checkpointing: bool = False
    compile: bool = False

    @property
    def probes(self) -> bool:
        """Whether a validation shows other instructions."""
        return self.probe or self.best_by == "val_unheard"


class Recording(Record, frozen=True, kw_only=True):
    """What a run records in addition to its weights; no option changes a computed number.

    `loggers`: trackers besides `metrics.csv`. `checkpoint_minutes`: within an epoch that lasts
    longer, a checkpoint is written each so many minutes; one ends every epoch anyway. Of those
    the latest and the best are kept, and, with `keep_epochs`, one each so many epochs, without
    what a resumed run would need of it.
    """

    loggers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ("tensorboard",)
    checkpoint_minutes: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    keep_epochs: Natural = 0


class Counts(Record, frozen=True, kw_only=True):
    """Episodes by direction."""

    left: Natural = 0
    right: Natural = 0
    straight: Natural = 0

    def by_direction(self) -> dict[Direction, int]:
        """The directions with at least one episode, and how many."""
        pairs: dict[Direction, int] = {
            "left": self.left,
            "right": self.right,
            "straight": self.straight,
        }
        return {direction: count for direction, count in pairs.items() if count}

    @property
    def total(self) -> int:
        """All episodes."""
        return self.left + self.right + self.straight

    def scaled(self, share: float) -> Counts:
        """The same ratios with `share` of the episodes, at least one where there was one."""
        return Counts(
            **{
                direction: max(1, round(count * share))
                for direction, count in self.by_direction().items()
            }
        )


class Attempt(Record, frozen=True, kw_only=True):
    """What one run of a case changes. An empty attempt changes nothing."""

    init_path: str | None = None
    seed: Seed | None = None
    note: str | None = None


class Case(Record, frozen=True, kw_only=True):
    """A named training configuration. `recipe` holds only what differs from the study's base.

    `may_miss`: what the initial checkpoint need not hold, as parts or names (`*` for any part of
    one). `epochs_share` shortens the profile's epochs, to hold optimiser steps while the amount
    moves.
    """

    name: Name
    label: str | None = None
    role: Literal["case", "control"] = "case"
    vlm: str
    init: str | None = None
    may_miss: tuple[str, ...] = ()
    data: Counts
    recipe: dict[str, object] = {}
    epochs_share: Share = 1.0
    attempts: tuple[Attempt, ...] = (Attempt(),)
    after: tuple[str, ...] = ()
    note: Text | None = None


class Question(Record, frozen=True, kw_only=True):
    """An effect the study asks about: one factor, the pair its page compares, and a fair pair.

    `factor`: what `mvla compare` lists and a study can set, such as `recipe.head.kind` or `seed`.
    """

    name: Name
    title: Text
    factor: str
    pair: tuple[str, str]
    fair_pair: tuple[str, str] | None = None


class RobotSettings(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The robot's actions: the trained dimensions, seconds a step, full speed in m/s.

    `full_turn` is the full turning speed in rad/s; without it, `full_speed` limits turning too.
    `acceleration` and `jerk` in m/s² and m/s³, `turn_acceleration` and `turn_jerk` in rad/s² and
    rad/s³ limit what `mvla drive` sends; None is no limit.
    """

    action: tuple[Literal["linear_x", "linear_y", "angular_z"], ...]
    step: Annotated[float, msgspec.Meta(gt=0)]
    full_speed: Annotated[float, msgspec.Meta(gt=0)]
    full_turn: Annotated[float, msgspec.Meta(gt=0)] | None = None
    acceleration: Annotated[float, msgspec.Meta(gt=0)] | None = None
    turn_acceleration: Annotated[float, msgspec.Meta(gt=0)] | None = None
    jerk: Annotated[float, msgspec.Meta(gt=0)] | None = None
    turn_jerk: Annotated[float, msgspec.Meta(gt=0)] | None = None

    @property
    def limits(self) -> tuple[float, float, float]:
        """Full speeds ahead, sideways (m/s) and turning (rad/s)."""
        return self.full_speed, self.full_speed, self.full_turn or self.full_speed

    @property
    def drive_limits(self) -> dict[str, list[float | None]]:
        """Limits of velocity, acceleration and jerk, one of each axis of `action`."""
        turning = {
            "velocity": (self.full_speed, self.limits[2]),
            "acceleration": (self.acceleration, self.turn_acceleration),
            "jerk": (self.jerk, self.turn_jerk),
        }
        return {
            kind: [values[name == "angular_z"] for name in self.action]
            for kind, values in turning.items()
        }

    @property
    def turns_to_steer(self) -> bool:
        """Whether the robot goes aside by turning: a differential drive."""
        return self.action == ("linear_x", "angular_z")


class FileNames(Record, frozen=True, kw_only=True):
    """How episode files are named: text with {date} {time} {scene} {direction} {any} in it.

    The other keys list the words for each direction in such a name.
    """

    pattern: str
    left: tuple[str, ...] = ("left",)
    right: tuple[str, ...] = ("right",)
    straight: tuple[str, ...] = ("straight",)


class Data(Record, frozen=True, kw_only=True):
    """Names of the data sets below the workspace's `data` folder, and of their episode files.

    Without `file_names`, names are read as the lab writes them.
    """

    train: Name
    evaluation: Name
    file_names: FileNames | None = None


class Profile(Record, frozen=True, kw_only=True):
    """Where the weights lie and how far the counts shrink on one kind of machine.

    `devices`: processes of a node that train a case together, each on a device of its own;
    `nodes`: machines.
    """

    note: Text
    vlms: dict[str, str]
    inits: dict[str, str]
    episodes: Share = 1.0
    evaluation: Counts
    rollout_scenes: Natural
    recipe: dict[str, object] = {}
    record: Recording = Recording()
    devices: Positive = 1
    nodes: Positive = 1


class Study(Record, frozen=True, kw_only=True):
    """Cases, the questions about them, and the nuisance factors.

    `nuisance`: names of factors that confound nothing; an empty list leaves none out.
    `aliases`: what documents call a case or a scanned run; an audit reads them as confirmed.
    `validation_losses`: names of metrics that are validation losses in other programs' files,
    besides the usual ones.
    """

    study: Name
    title: Text
    robot: RobotSettings
    data: Data
    base: dict[str, object] = {}
    nuisance: tuple[str, ...] = NUISANCE
    profiles: dict[str, Profile]
    cases: tuple[Case, ...]
    questions: tuple[Question, ...] = ()
    aliases: dict[str, tuple[str, ...]] = {}
    validation_losses: tuple[str, ...] = ()

    def names_of_cases(self) -> dict[str, str]:
        """The case that each alias means; an alias of two cases means none."""
        owners: dict[str, set[str]] = {}
        for case, names in self.aliases.items():
            for name in names:
                owners.setdefault(name, set()).add(case)
        return {name: min(cases) for name, cases in owners.items() if len(cases) == 1}

    def case(self, name: str) -> Case | None:
        """The case of that name or label, if there is one."""
        for case in self.cases:
            if name in (case.name, case.label):
                return case
        return None


class WeightSource(Record, frozen=True, kw_only=True):
    """Weights by the study's name for them and the path the profile gives."""

    name: str
    path: str | None


class InitialSource(WeightSource, frozen=True, kw_only=True):
    """An initial checkpoint, and what it need not hold: parts, or names with `*`."""

    may_miss: tuple[str, ...] = ()


class ResolvedCase(Record, frozen=True, kw_only=True):
    """A case as one run trains it: study, profile and attempt applied. A run's `case.yaml`."""

    study: str
    profile: str
    case: str
    label: str | None = None
    role: Literal["case", "control"] = "case"
    attempt: int
    note: str | None = None
    vlm: WeightSource
    init: InitialSource | None
    data: Counts
    train_data: str
    evaluation_data: str
    robot: RobotSettings
    recipe: Recipe
    record: Recording = Recording()
    devices: Positive = 1
    nodes: Positive = 1

    @property
    def ranks(self) -> int:
        """Processes that train the case together."""
        return self.devices * self.nodes

    @property
    def action_names(self) -> tuple[str, ...]:
        """The action dimensions that are trained, in order."""
        return self.robot.action[: self.recipe.action_dim]
