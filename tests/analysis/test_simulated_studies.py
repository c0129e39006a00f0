"""A hundred simulated studies whose truth is known: what is called valid, and what is claimed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from scipy.stats import binom

from in_english import note
from mobile_vla.analysis.comparison import ComparisonRequest, compare_pair
from mobile_vla.analysis.effects import adjust
from mobile_vla.analysis.model import Comparison
from mobile_vla.evidence.model import CaseView, Evidence, Known, RunView
from mobile_vla.evidence.run_factors import DERIVED
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.results import Rollout, Rollouts
from mobile_vla.study.models import NUISANCE

STUDIES = 100
LEVELS = {
    "vlm": ["kosmos-2", "other"],
    "initial_weights": ["none", "robovlms"],
    "data_amount": ["80", "160"],
    "direction_balance": ["left", "50 % left, 50 % right"],
    "optimiser_steps": ["200", "400"],
    "recipe.learning_rate": ["0.001", "0.003"],
    "code": ["1", "2"],
    "evaluation_scenes": ["a", "b"],
}
HELD = {"robot": "x, y", "seed": "1", "host": "h"}
ASKED = ("vlm", "initial_weights", "data_amount", "direction_balance")


def run_of(case: str, factors: dict[str, str], wins: Sequence[bool] = (True,)) -> RunView:
    where = Evidence(file=f"runs/{case}")
    drives = [
        Rollout(scene=scene, direction="left", success=won, collision=False, side="left",
                path_length=5.0, steps=18, path=[])
        for scene, won in enumerate(wins)
    ]  # fmt: skip
    driven = Rollouts(time=datetime.now(UTC), checkpoint="c", checkpoint_blake3="c",
                      simulator="s", max_steps=25, rollouts=drives)  # fmt: skip
    return RunView(
        path=f"runs/{case}/{factors['seed']}", case=case, resolved=None, state="finished",
        why=note(""), evidence=[], started=None, last_sign=None, steps=1, total_steps=1,
        seconds_per_step=None,
        epochs=1, train=None, validation=None, manifest_hash=None, train_hashes=[],
        trained_parts={}, best_val_loss=None, final_val_loss=None, best=None, latest=None,
        offline=None, rollouts=driven, conflicts=[],
        factors={name: Known(value=value, evidence=where, derived=name in DERIVED)
                 for name, value in factors.items()},
    )  # fmt: skip


def case_of(name: str, runs: list[RunView]) -> CaseView:
    return CaseView(name=name, label=None, role="case", planned=None, after=[], attempts=1,
                    runs=runs, run=runs[-1], state="finished", why=note(""))  # fmt: skip


def judged(a: CaseView, b: CaseView, factor: str, *, measure: bool = False) -> Comparison:
    return compare_pair(
        ComparisonRequest(a=a, b=b, question=None, factor=factor, nuisance=NUISANCE, cases=[a, b],
              seconds_per_step=None, measure=measure)
    )  # fmt: skip


def simulated(rng: random.Random) -> list[dict[str, str]]:
    """Cases of a study: the first, and others that differ from a random one in one to three."""
    cases = [HELD | {name: rng.choice(levels) for name, levels in LEVELS.items()}]
    for _ in range(5):
        row = dict(rng.choice(cases))
        row["host"] = rng.choice("xyz")
        for name in rng.sample(list(LEVELS), rng.choice([1, 1, 2, 3])):
            row[name] = next(level for level in LEVELS[name] if level != row[name])
        cases.append(row)
    return cases


@pytest.mark.parametrize("study", range(STUDIES))
def test_no_confounded_pair_is_called_valid_and_no_valid_pair_refused(study: int) -> None:
    rows = simulated(random.Random(study))
    cases = [case_of(f"case{n}", [run_of(f"case{n}", row)]) for n, row in enumerate(rows)]
    for x, a in enumerate(cases):
        for y, b in enumerate(cases):
            moved = {name for name in LEVELS if rows[x][name] != rows[y][name]}
            for factor in ASKED if x != y else ():
                if not moved:
                    with pytest.raises(UserError, match="one and the same"):
                        judged(a, b, factor)
                    continue
                found = judged(a, b, factor)
                assert (found.verdict == "valid") == (moved == {factor})
                if found.verdict == "confounded":
                    assert set(found.confounds) == moved - {factor}


@pytest.mark.parametrize("study", range(0, STUDIES, 5))
def test_what_a_study_hides_is_never_called_valid(study: int) -> None:
    """The same studies with one factor of one case unknown."""
    rng = random.Random(study)
    rows = simulated(rng)
    hidden = rng.choice([*ASKED, "optimiser_steps", "code", "recipe.learning_rate"])
    rows[1] = {name: value for name, value in rows[1].items() if name != hidden}
    a, b = (case_of(f"case{n}", [run_of(f"case{n}", rows[n])]) for n in (0, 1))
    for factor in ASKED:
        assert judged(a, b, factor).verdict != "valid"


def arm(
    name: str, row: dict[str, str], scenes: np.ndarray, seeds: int, rng: np.random.Generator
) -> CaseView:
    """A case whose seeds differ in skill, on scenes that differ in difficulty."""
    runs = []
    for seed in range(seeds):
        chance = 1 / (1 + np.exp(-(scenes + rng.normal(0, 0.5))))
        wins = [bool(won) for won in rng.random(len(scenes)) < chance]
        runs.append(run_of(name, row | {"seed": str(seed)}, wins))
    return case_of(name, runs)


def claims(seeds: int, studies: int) -> list[str]:
    """Findings of success after Holm's correction, where nothing has any effect."""
    found = []
    for study in range(studies):
        rng = np.random.default_rng(study)
        scenes = rng.normal(0, 1.5, 30)
        base = HELD | {name: levels[0] for name, levels in LEVELS.items()}
        a = arm("a", base, scenes, seeds, rng)
        pairs = [
            judged(a, arm(factor, base | {factor: LEVELS[factor][1]}, scenes, seeds, rng), factor,
                   measure=True)
            for factor in ASKED[:3]
        ]  # fmt: skip
        alone = [msgspec.structs.replace(c, effects=c.effects[:1]) for c in pairs]
        told = [e.finding for c in adjust(alone) for e in c.effects if e.metric == "success"]
        assert len(told) == 3
        found.append("difference" if "difference" in told else "none")
    return found


@pytest.mark.slow
def test_differences_are_claimed_falsely_at_the_stated_rate_at_most() -> None:
    wrong = claims(3, STUDIES).count("difference")
    assert wrong <= binom.ppf(0.99, STUDIES, 0.05)


def test_one_seed_claims_no_difference_ever() -> None:
    assert claims(1, 4).count("difference") == 0


def test_a_true_difference_is_found_with_five_seeds() -> None:
    found = []
    for study in range(3):
        rng = np.random.default_rng(study)
        scenes = rng.normal(0, 1.5, 30)
        base = HELD | {name: levels[0] for name, levels in LEVELS.items()}
        a = arm("a", base, scenes, 5, rng)
        b = arm("b", base | {"vlm": "other"}, scenes + 3, 5, rng)
        found += [e.finding for e in judged(a, b, "vlm", measure=True).effects[:1]]
    assert found.count("difference") >= 2
