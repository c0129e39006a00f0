"""Several training seeds of a case: the unit of a claim about a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind
from statsmodels.stats.power import TTestIndPower

from in_english import all_en, en
from mobile_vla.analysis import statistics as s
from mobile_vla.analysis.wording import effect_sentence
from mobile_vla.runs.files import write_json
from mobile_vla.runs.results import Rollouts

if TYPE_CHECKING:
    from mobile_vla.analysis.model import Effect
    from run_folders import Maker


def seeded(maker: Maker, name: str, seed: int, good: float = 1.0) -> None:
    run = maker.begin(name)
    recipe = msgspec.structs.replace(run.case.recipe, seed=seed)
    run.case = msgspec.structs.replace(run.case, recipe=recipe)
    run.write_inputs()
    run.train()
    run.exit("finished")
    run.evaluate(good)


def success(maker: Maker, a: str = "left_10", b: str = "both_10") -> Effect:
    found = maker.book().compare(a, b, "balance")
    assert found.verdict == "valid", all_en(found.reasons)
    return next(e for e in found.effects if e.metric == "success")


def test_seeds_that_agree_carry_a_claim_and_one_each_does_not(maker: Maker) -> None:
    seeded(maker, "left_10", 1)
    seeded(maker, "both_10", 1, 0.5)
    assert (success(maker).seeds, success(maker).finding) == (1, "suggestive")
    for seed, (good, bad) in enumerate([(0.95, 0.5), (1.0, 0.4), (0.9, 0.45)], 2):
        seeded(maker, "left_10", seed, good)
        seeded(maker, "both_10", seed, bad)
    found = success(maker)
    assert (found.seeds, found.finding) == (4, "difference")
    assert found.a == pytest.approx(np.mean([1, 0.95, 1, 0.9]))
    assert found.b == pytest.approx(np.mean([0.5, 0.5, 0.4, 0.45]))
    assert "4 and 4 training seeds" in en(found.method)
    assert "One training seed" not in effect_sentence(found, "A", "B", "en")


def test_seeds_that_disagree_leave_a_suggestion_of_these_checkpoints(maker: Maker) -> None:
    for seed, (good, other) in enumerate([(1.0, 0.5), (0.5, 0.6), (1.0, 0.5)], 1):
        seeded(maker, "left_10", seed, good)
        seeded(maker, "both_10", seed, other)
    found = success(maker)
    assert (found.seeds, found.finding) == (3, "suggestive")
    assert found.p_pairs is not None and found.p_value is not None
    assert found.p_pairs < 0.05 < found.p_value
    assert found.low is not None and found.of_pairs is not None
    assert found.low <= found.of_pairs[0]


def test_three_seeds_that_agree_to_the_digit_are_too_few_for_a_claim(maker: Maker) -> None:
    for seed in (1, 2, 3):
        seeded(maker, "left_10", seed)
        seeded(maker, "both_10", seed, 0.5)
    assert success(maker).p_value == pytest.approx(2 / 20)
    assert success(maker).finding == "suggestive"


def test_the_same_seed_twice_is_one_trial_and_the_later_counts(maker: Maker) -> None:
    for good in (0.2, 1.0):
        seeded(maker, "left_10", 1, good)
    seeded(maker, "both_10", 1, 0.5)
    assert (success(maker).seeds, success(maker).a) == (1, 1.0)


def test_one_seed_against_several_takes_the_seed_that_both_have(maker: Maker) -> None:
    seeded(maker, "left_10", 1)
    for seed, good in ((1, 0.5), (2, 0.9)):
        seeded(maker, "both_10", seed, good)
    found = maker.book().compare("left_10", "both_10", "balance")
    assert (found.verdict, found.confounds) == ("valid", [])
    assert next(e for e in found.effects if e.metric == "success").b == 0.5


def test_other_seeds_on_each_side_are_no_confound_where_there_are_several(maker: Maker) -> None:
    for seed in (1, 2):
        seeded(maker, "left_10", seed)
        seeded(maker, "both_10", seed + 2, 0.5)
    found = maker.book().compare("left_10", "both_10", "balance")
    assert (found.verdict, found.confounds) == ("valid", [])
    seed = next(f for f in found.factors if f.name == "seed")
    assert (seed.a, seed.b, seed.nuisance) == ("1, 2", "3, 4", True)


def test_a_run_that_differs_in_more_than_its_seed_is_no_replicate(maker: Maker) -> None:
    seeded(maker, "left_10", 2)
    run = maker.workspace / maker.book().case("left_10").runs[0].path / "case.yaml"
    run.write_text(run.read_text().replace("window: 8", "window: 4"))
    seeded(maker, "left_10", 1)
    seeded(maker, "both_10", 1)
    seeded(maker, "both_10", 2)
    assert success(maker).seeds == 1


def test_scenes_that_one_seed_never_drove_are_left_out(maker: Maker) -> None:
    for seed in (1, 2):
        seeded(maker, "left_10", seed)
        seeded(maker, "both_10", seed)
    path = maker.workspace / maker.book().case("both_10").runs[0].path
    rollouts = msgspec.json.decode((path / "evaluation/rollouts.json").read_bytes(), type=Rollouts)
    cut = [drive for drive in rollouts.rollouts if drive.scene < 15]
    write_json(path / "evaluation/rollouts.json", msgspec.structs.replace(rollouts, rollouts=cut))
    assert success(maker).seeds == 1, "other scenes are another evaluation, so no replicate"


def test_holm_keeps_a_suggestion_of_pairs_where_seeds_disagree(maker: Maker) -> None:
    for seed, (good, other) in enumerate([(1.0, 0.5), (0.5, 0.6), (1.0, 0.5)], 1):
        seeded(maker, "left_10", seed, good)
        seeded(maker, "both_10", seed, other)
    found = maker.book().comparisons("balance")[1]
    effect = next(e for e in found.effects if e.metric == "success")
    assert (effect.p_adjusted, effect.finding) == (effect.p_value, "suggestive")


def test_welch_equals_scipys_and_its_power_statsmodels() -> None:
    a, b = [0.5, 0.55, 0.45, 0.6, 0.5], [0.8, 0.7, 0.9, 0.75, 0.85]
    interval, p_value, detectable = s.welch(a, b) or ((0.0, 0.0), 0.0, 0.0)
    theirs = ttest_ind(b, a, equal_var=False)
    assert p_value == pytest.approx(theirs.pvalue)
    assert interval == pytest.approx(tuple(theirs.confidence_interval()))
    deviation = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    least = TTestIndPower().solve_power(nobs1=5, alpha=0.05, power=0.8) * deviation
    assert detectable == pytest.approx(least, rel=0.05)


def test_seeds_that_agree_exactly_have_the_permutation_tests_p() -> None:
    for n, m in ((2, 2), (3, 3), (4, 4), (3, 4)):
        a, b = [1.0] * n, [0.5] * m
        exact = permutation_test((a, b), lambda x, y: np.mean(x) - np.mean(y), n_resamples=np.inf)
        assert s.welch(a, b) == ((-0.5, -0.5), pytest.approx(exact.pvalue), 0.0)
    assert s.welch([1.0, 1.0], [1.0, 1.0]) == ((0.0, 0.0), 1.0, 0.0)
    assert s.welch([1.0], [1.0, 0.5]) is None


def test_seeds_that_differ_by_rounding_alone_have_no_variance() -> None:
    a, b = [0.1 + 0.2, 0.3, 0.3], [0.5, 0.5, 0.5]
    assert s.welch(a, b) == ((pytest.approx(0.2), pytest.approx(0.2)), pytest.approx(0.1), 0.0)


def test_the_plan_trains_the_seeds_that_the_study_names(maker: Maker) -> None:
    from mobile_vla.study.models import Attempt

    attempts = (Attempt(seed=1), Attempt(seed=2))
    cases = tuple(
        msgspec.structs.replace(case, attempts=attempts) if case.name == "left_10" else case
        for case in maker.study.cases
    )
    maker.study = msgspec.structs.replace(maker.study, cases=cases)
    maker.finish("left_10")
    item = next(item for item in maker.book().plan().items if item.case == "left_10")
    assert (item.state, item.command) == ("to_do", 'mvla train "Case 1"')
    assert en(item.why) == "finished with seed 1; seed 2 remains"
    maker.finish("left_10", attempt=1)
    item = next(item for item in maker.book().plan().items if item.case == "left_10")
    assert item.state == "done"
