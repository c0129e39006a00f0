"""What the casebook answers with: frozen values, each with the evidence it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from mobile_vla.record.results import Offline, Rollouts
from mobile_vla.study.models import Counts, Question, ResolvedCase

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
Relation = Literal["held", "moved", "unknown"]
Verdict = Literal["valid", "confounded", "not_comparable", "evidence_missing"]
PlanState = Literal["done", "running", "to_do", "blocked"]
Finding = Literal["difference", "suggestive", "no_difference_found", "not_estimated"]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


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
    problem: str | None
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
    """A validation loss as a log or a curve gives it, after `epoch` (from 0)."""

    epoch: int | None
    value: float
    evidence: Evidence


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


class Foreign(Value, frozen=True, kw_only=True):
    """What the files of a run tell that another program made. None: they do not tell.

    `maker`: whose files they are. `checkpoints`: None where no folder of the run was scanned.
    `samples_per_epoch`: steps of an epoch times batch. `frozen`: whether its configuration calls
    the VLM frozen. `settings`: its configuration, flat.
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


class RunView(Value, frozen=True, kw_only=True):
    """One execution of a case, as its folder shows it. Unknown things are None.

    `path` and every file in `evidence` are relative to the workspace. `factors` holds what
    evidence tells: a name that is not there is unknown. `conflicts`: facts that contradict each
    other, and files that could not be read. `foreign`: of a run that another program made, whose
    directions, hashes and evaluations are unknown.
    """

    path: str
    case: str
    resolved: ResolvedCase | None
    state: State
    why: str
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
    conflicts: list[str]
    validation_hashes: list[str] = []
    factors: dict[str, Known] = {}
    checkpoints: list[CheckpointView] = []
    foreign: Foreign | None = None


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
    why: str
    seeds: list[int] = []


class Survey(Value, frozen=True, kw_only=True):
    """All cases, and the files and folders that tell of no run, with why."""

    cases: list[CaseView]
    problems: list[str]


class Factor(Value, frozen=True, kw_only=True):
    """One thing that may differ between two runs. `derived`: it follows from other factors."""

    name: str
    a: str | None
    b: str | None
    relation: Relation
    derived: bool = False
    nuisance: bool = False
    evidence_a: Evidence | None = None
    evidence_b: Evidence | None = None


class Effect(Value, frozen=True, kw_only=True):
    """B minus A in one metric, paired by episode or scene, with a 95 % interval.

    `low` and `high` are None where the interval cannot be estimated (finding "not_estimated").
    `detectable`: smallest true difference that `n` pairs show with 80 % power. `p_adjusted`: after
    Holm's correction over the study's questions, None where only one was asked. `exploratory`:
    measured of a pair that is not valid. `seeds`: the fewer of both sides. With several, `low`,
    `high` and `p_value` hold over pairs and over seeds alike, the wider and the larger of both;
    `of_pairs` and `p_pairs` are then of the pairs alone, of these very checkpoints.
    """

    metric: str
    definition: str
    unit: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    n: int
    seeds: int
    method: str
    p_value: float | None
    detectable: float | None
    finding: Finding
    p_adjusted: float | None = None
    exploratory: bool = False
    of_pairs: tuple[float, float] | None = None
    p_pairs: float | None = None


class Missing(Value, frozen=True, kw_only=True):
    """A run that would settle a comparison. `seconds`: forecast from measured steps, or None."""

    case: str | None
    description: dict[str, str]
    parts: str
    seconds: float | None


class Comparison(Value, frozen=True, kw_only=True):
    """May A and B be compared for this question, and what do they show.

    `question` is None where no question of the study was asked; `factor` is then what was judged.
    """

    question: Question | None
    a: str
    b: str
    verdict: Verdict
    factors: list[Factor]
    confounds: list[str]
    reasons: list[str]
    effects: list[Effect]
    would_settle: list[Missing]
    exploratory: bool = False
    factor: str | None = None


class Answer(Value, frozen=True, kw_only=True):
    """Whether the finished cases can answer a question: `factor` moving from level `a` to `b`.

    `pairs`: of finished cases that differ in nothing else; where there is none, an answer
    supposes that effects add up. `aliased_with`: factors that moved together with it in all of
    them. `lacking`: levels that no finished case has.
    """

    question: str
    factor: str
    a: str
    b: str
    answered: bool
    pairs: list[tuple[str, str]]
    aliased_with: list[str]
    lacking: list[str]


class Design(Value, frozen=True, kw_only=True):
    """What a study's finished cases can tell, and the fewest further cases for the rest.

    `factors`: levels of those that vary. `effects`: how many unknowns that makes, the mean among
    them, of which the cases fix `rank`. `incomplete`: cases left out, with what is unknown of
    them. `smallest`: no smaller set of further cases would do.
    """

    cases: list[str]
    incomplete: dict[str, list[str]]
    factors: dict[str, list[str]]
    effects: int
    rank: int
    answers: list[Answer]
    further: list[Missing]
    smallest: bool


class PlanItem(Value, frozen=True, kw_only=True):
    """One line of the plan. `command` is what to type next, None when nothing is to do."""

    case: str
    label: str | None
    state: PlanState
    why: str
    command: str | None
    seconds: float | None
    progress: float | None = None


class PageFault(Value, frozen=True, kw_only=True):
    """A question for which the study's page names a pair that cannot answer it.

    `confounds`: what moves as well. `fair`: the pair that the study holds against it, if any,
    with its verdict.
    """

    question: Question
    a: str
    b: str
    confounds: list[str]
    fair: tuple[str, str] | None
    fair_verdict: Verdict | None


class Plan(Value, frozen=True, kw_only=True):
    """Done, running, to do, blocked, in the order in which to do them.

    `faults`: where the study's page asks a pair for what it cannot answer. `design`: what the
    finished cases can answer, None where no study asks.
    """

    items: list[PlanItem]
    next_steps: list[str]
    faults: list[PageFault] = []
    design: Design | None = None
