"""What the analysis answers with: comparisons, effects, the design and the plan."""

from __future__ import annotations

from typing import Literal

import msgspec

from mobile_vla.evidence.model import Evidence, Value
from mobile_vla.messages.as_json import Joined
from mobile_vla.messages.reason import Reason
from mobile_vla.study.models import Question

Relation = Literal["held", "moved", "unknown"]
Verdict = Literal["valid", "confounded", "not_comparable", "evidence_missing"]
PlanState = Literal["done", "running", "to_do", "blocked"]
Finding = Literal["difference", "suggestive", "no_difference_found", "not_estimated"]


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
    method: Reason
    p_value: float | None
    detectable: float | None
    finding: Finding
    p_adjusted: float | None = None
    exploratory: bool = False
    of_pairs: tuple[float, float] | None = None
    p_pairs: float | None = None


class Missing(Value, frozen=True, kw_only=True):
    """A run that would settle a comparison, and what it `parts` or shows.

    `seconds`: forecast from measured steps, None where nothing was measured.
    """

    case: str | None
    description: dict[str, str]
    parts: Joined
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
    reasons: list[Reason]
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
    why: Reason
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
    next_steps: list[Reason]
    faults: list[PageFault] = msgspec.field(default_factory=list)
    design: Design | None = None
