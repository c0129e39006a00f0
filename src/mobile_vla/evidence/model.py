"""What the evidence tells of runs and cases: frozen values, each with its source."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from mobile_vla.messages.reason import Reason
from mobile_vla.messages.record import Record
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.study.models import Counts, ResolvedCase

State = Literal[
    "planned",
    "blocked",
    "queued",
    "running",
    "stalled",
    "killed",
    "failed",
    "finished",
    "unverified",
    "unknown",
]


Value = Record


class Evidence(Value, frozen=True, kw_only=True):
    """Where a fact was read: file, place in it ("line 12", "key recipe.seed"), hash of the file.

    `file` is relative to the workspace. `blake3` is empty for a folder and for a file too large
    to hash at every asking.
    """

    file: str
    where: str = ""
    blake3: str = ""


class CheckpointView(Value, frozen=True, kw_only=True):
    """A checkpoint on disk. `problem` says why it does not count, None when it loads."""

    path: str
    step: int | None
    epoch: int | None
    bytes: int
    val_loss: float | None
    problem: Reason | None
    evidence: Evidence


class Known(Value, frozen=True, kw_only=True):
    """What evidence tells of one factor of one run. `derived`: it follows from other factors.

    `exact`: equal values mean the same thing; a path to weights without their hash does not.
    """

    value: str
    evidence: Evidence
    derived: bool = False
    exact: bool = True


class Loss(Value, frozen=True, kw_only=True):
    """A validation loss as a log or a curve gives it, after `epoch` (from 0) or at `step`."""

    epoch: int | None
    value: float
    evidence: Evidence
    step: int | None = None


class EpisodesRead(Value, frozen=True, kw_only=True):
    """How many episodes a data set read by a glob; their directions are in no such log.

    `frames`, `pattern`, `folder` and `batch` as the log prints them, None where it does not.
    """

    episodes: int
    frames: int | None
    pattern: str | None
    folder: str | None
    batch: int | None
    evidence: Evidence


class EpochBar(Value, frozen=True, kw_only=True):
    """A full epoch (from 0) as a log's progress bar shows it: seconds, and numbers by name."""

    epoch: int
    seconds: float | None
    values: dict[str, float]
    evidence: Evidence


class Foreign(Value, frozen=True, kw_only=True):
    """What the files of a run tell that another program made. None: they do not tell.

    `maker`: whose files they are. `checkpoints`: None where no folder of the run was scanned.
    `samples_per_epoch`: steps of an epoch times batch. `frozen`: whether its configuration calls
    the VLM frozen. `settings`: its configuration, flat. `log_stamp`: the time in its log's name, of
    an unknown time zone. `trained_at`: where `trained_parameters` stands.
    """

    maker: str
    files: list[str]
    date: str | None = None
    train: EpisodesRead | None = None
    validation: EpisodesRead | None = None
    steps_per_epoch: int | None = None
    samples_per_epoch: int | None = None
    max_epochs: int | None = None
    trained_parameters: int | None = None
    frozen: bool | None = None
    val_losses: list[Loss] = []
    checkpoints: list[CheckpointView] | None = None
    settings: dict[str, Known] = {}
    bars: list[EpochBar] = []
    log_stamp: datetime | None = None
    trained_at: Evidence | None = None


class RobotDrives(Value, frozen=True, kw_only=True):
    """The recorded drives of a run's checkpoints, read from their logs.

    `robots`: drives by kind of robot. `fresh` of `steps` had a fresh action of the policy.
    `unfinished`: drives whose log does not say how they ended.
    """

    robots: dict[str, int]
    steps: int
    fresh: int
    deadman_stops: int
    unfinished: int
    evidence: list[Evidence]


class RunView(Value, frozen=True, kw_only=True):
    """One execution of a case, as its folder shows it. Unknown things are None.

    `path` and every file in `evidence` are relative to the workspace. `factors` holds what
    evidence tells: a name that is not there is unknown. `conflicts`: facts that contradict each
    other, and files that could not be read. `foreign`: of a run that another program made, whose
    directions, hashes and evaluations are unknown. `chained`: whether every event carries the hash
    of those before it; False for runs of earlier versions, in which an edit may go unnoticed.
    """

    path: str
    case: str
    resolved: ResolvedCase | None
    state: State
    why: Reason
    evidence: list[Evidence]
    started: datetime | None
    last_sign: datetime | None
    steps: int | None
    total_steps: int | None
    seconds_per_step: float | None
    epochs: int | None
    train: Counts | None
    validation: Counts | None
    manifest_hash: str | None
    train_hashes: list[str]
    trained_parts: dict[str, int]
    best_val_loss: float | None
    final_val_loss: float | None
    best: CheckpointView | None
    latest: CheckpointView | None
    offline: Offline | None
    rollouts: Rollouts | None
    conflicts: list[Reason]
    validation_hashes: list[str] = []
    factors: dict[str, Known] = {}
    checkpoints: list[CheckpointView] = []
    foreign: Foreign | None = None
    chained: bool | None = None
    drives: RobotDrives | None = None

    def __repr__(self) -> str:
        """One line; `msgspec.structs.asdict` gives all."""
        return f"<RunView {self.case}: {self.state}, {self.path}>"


class CaseView(Value, frozen=True, kw_only=True):
    """A case with all its runs, oldest first. `run` is the one that speaks for it, if any.

    `seeds`: those that the study's attempts name.
    """

    name: str
    label: str | None
    role: Literal["case", "control"]
    planned: ResolvedCase | None
    after: list[str]
    attempts: int
    runs: list[RunView]
    run: RunView | None
    state: State
    why: Reason
    seeds: list[int] = []

    def __repr__(self) -> str:
        """One line; `msgspec.structs.asdict` gives all."""
        return f"<CaseView {self.label or self.name}: {self.state}, {len(self.runs)} runs>"


class Survey(Value, frozen=True, kw_only=True):
    """All cases, and the files and folders that tell of no run, with why."""

    cases: list[CaseView]
    problems: list[Reason]
