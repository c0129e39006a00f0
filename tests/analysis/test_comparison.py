"""Verdicts on pairs: what moved, what is unknown, what is missing and what would settle it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from in_english import all_en
from mobile_vla.analysis.model import Comparison
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.environment import Environment
from mobile_vla.runs.files import write_json
from mobile_vla.runs.results import Offline

if TYPE_CHECKING:
    from run_folders import Maker

CLOSE = {"a": "left_10", "b": "both_10"}


def relation(comparison: Comparison, name: str) -> str:
    return next(f.relation for f in comparison.factors if f.name == name)


def test_the_labs_pair_answers_neither_balance_nor_amount(whole_study: Maker) -> None:
    book = whole_study.book()
    balance = book.compare("Case 1", "Case 3", "balance")
    assert balance.verdict == "confounded"
    assert balance.confounds == ["data_amount", "optimiser_steps"]
    amount = book.compare("Case 1", "Case 3", "amount")
    assert amount.verdict == "confounded"
    assert amount.confounds == ["direction_balance", "optimiser_steps"]
    assert not balance.effects and not amount.effects


def test_the_controls_are_named_with_their_cost(whole_study: Maker) -> None:
    book = whole_study.book()
    settled = {
        c.question.name: c.would_settle for c in book.comparisons() if c.question and c.confounds
    }
    assert [m.case for m in settled["balance"]] == ["both_10"]
    assert [m.case for m in settled["amount"]] == ["left_20"]
    assert settled["balance"][0].description["data_amount"] == "8"
    assert settled["balance"][0].seconds == pytest.approx(40 * 0.5)


def test_an_unplanned_control_is_described(whole_study: Maker) -> None:
    study = whole_study.study
    cases = tuple(case for case in study.cases if case.role == "case")
    questions = tuple(msgspec.structs.replace(q, fair_pair=None) for q in study.questions)
    whole_study.study = msgspec.structs.replace(study, cases=cases, questions=questions)
    missing = whole_study.book().compare("Case 1", "Case 3", "balance").would_settle[0]
    assert missing.case is None
    assert missing.description["direction_balance"] == "50 % left, 50 % right"
    assert any("Add a case" in step for step in all_en(whole_study.book().plan().next_steps))


def test_the_fair_pairs_are_valid_and_one_seed_is_suggestive(whole_study: Maker) -> None:
    for question, control in (("balance", "both_10"), ("amount", "left_20")):
        found = whole_study.book().compare("Case 1", control, question)
        assert (found.verdict, found.confounds) == ("valid", [])
        success = next(e for e in found.effects if e.metric == "success_left")
        assert (success.a, success.b, success.n) == (1.0, 0.5, 20)
        assert success.finding == "suggestive"
        assert "val_loss" not in {e.metric for e in found.effects}


def test_pretraining_can_be_compared_once_the_retry_has_finished(whole_study: Maker) -> None:
    found = whole_study.book().compare("Case 1", "Case 2", "vlm")
    assert found.verdict == "valid"
    assert relation(found, "initial_weights") == "moved"
    assert all(e.finding == "no_difference_found" for e in found.effects)


def test_a_failed_case_is_missing_evidence_with_its_reason(maker: Maker) -> None:
    maker.finish("left_10")
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    found = maker.book().compare("Case 1", "Case 2", "vlm")
    assert found.verdict == "evidence_missing"
    assert any("no/such.pt does not exist" in reason for reason in all_en(found.reasons))
    assert [m.case for m in found.would_settle] == ["robot_10"]


def test_before_any_run_the_plan_already_shows_the_confounds(maker: Maker) -> None:
    found = maker.book().compare("Case 1", "Case 3", "balance")
    assert found.verdict == "evidence_missing"
    assert found.confounds == ["data_amount", "optimiser_steps"]
    assert len(found.would_settle) == 2


def test_every_question_has_its_pair_and_its_fair_pair(whole_study: Maker) -> None:
    found = whole_study.book().comparisons()
    assert [(c.a, c.b, c.verdict) for c in found] == [
        ("left_10", "both_20", "confounded"),
        ("left_10", "both_10", "valid"),
        ("left_10", "robot_10", "valid"),
        ("left_10", "both_20", "confounded"),
        ("left_10", "left_20", "valid"),
    ]
    adjusted = [e for c in found for e in c.effects if e.metric == "success"]
    assert all(e.p_adjusted is not None and e.p_adjusted >= (e.p_value or 0) for e in adjusted)
    assert adjusted[0].p_adjusted == pytest.approx(3 * (adjusted[0].p_value or 0))


def test_identical_arms_are_an_error(maker: Maker) -> None:
    run = maker.finish("left_10")
    with pytest.raises(UserError, match="itself"):
        maker.book().compare("Case 1", "left_10")
    twin = maker.finish("both_10")
    twin.case = msgspec.structs.replace(run.case, case="both_10")
    twin.write_inputs()
    with pytest.raises(UserError, match="one and the same"):
        maker.book().compare("left_10", "both_10")
    assert maker.book().comparisons()[1].verdict == "not_comparable"


def test_a_factor_that_did_not_move_tells_nothing(whole_study: Maker) -> None:
    found = whole_study.book().compare("Case 1", "both_10", "vlm")
    assert found.verdict == "not_comparable"
    assert "the same in both" in all_en(found.reasons)[0]


def test_the_one_factor_that_moved_is_found_without_a_question(whole_study: Maker) -> None:
    found = whole_study.book().compare("Case 1", "both_10")
    assert (found.factor, found.verdict, found.question) == ("direction_balance", "valid", None)
    several = whole_study.book().compare("Case 1", "Case 3")
    assert (several.factor, several.verdict) == (None, "confounded")
    assert {"data_amount", "direction_balance"} <= set(several.confounds)


def test_an_exploratory_look_says_that_it_is_one(whole_study: Maker) -> None:
    found = whole_study.book().compare("Case 1", "Case 3", "balance", exploratory=True)
    assert found.verdict == "confounded"
    assert found.exploratory
    assert found.effects


def test_a_recipe_key_that_moved_is_a_confound(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    recipe = msgspec.structs.replace(run.case.recipe, learning_rate=3e-3)
    run.case = msgspec.structs.replace(run.case, recipe=recipe)
    run.write_inputs()
    found = maker.book().compare(**CLOSE, question="balance")
    assert found.confounds == ["recipe.learning_rate"]


def test_code_that_changed_is_a_confound(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    environment = msgspec.json.decode(run.folder.environment.read_bytes(), type=Environment)
    other = msgspec.structs.replace(environment, making_blake3="ff")
    write_json(run.folder.environment, other)
    assert maker.book().compare(**CLOSE, question="balance").confounds == ["code"]


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("environment.json", "code"),
        ("load_report.json", "vlm"),
        ("manifest.json", "data_amount"),
        ("evaluation/offline.json", "evaluation_set"),
    ],
)
def test_what_evidence_does_not_tell_is_never_assumed_equal(
    maker: Maker, name: str, unknown: str
) -> None:
    left = maker.finish("left_10")
    right = maker.finish("both_10")
    assert maker.book().compare(**CLOSE, question="balance").verdict == "valid"
    (right.folder.path / name).unlink()
    found = maker.book().compare(**CLOSE, question="balance")
    assert found.verdict == "evidence_missing"
    assert unknown in found.reasons[-1].fields["factors"]
    (left.folder.path / name).unlink()
    left.folder.rollouts.unlink()
    right.folder.rollouts.unlink()
    assert maker.book().compare(**CLOSE, question="balance").verdict == "evidence_missing"


def test_another_evaluation_set_is_a_confound(maker: Maker) -> None:
    maker.finish("left_10")
    maker.finish("both_10").evaluate(name="other")
    found = maker.book().compare(**CLOSE, question="balance")
    assert "evaluation_set" in found.confounds


def test_other_action_units_are_not_comparable(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    robot = msgspec.structs.replace(run.case.robot, step=0.2)
    run.case = msgspec.structs.replace(run.case, robot=robot)
    run.write_inputs()
    found = maker.book().compare(**CLOSE, question="balance")
    assert found.verdict == "not_comparable"
    assert "step length" in all_en(found.reasons)[0]


def test_episodes_that_one_trained_on_are_left_out_and_counted(maker: Maker) -> None:
    maker.finish("left_10").evaluate(leaked=4)
    maker.finish("both_10").evaluate(0.5, leaked=4)
    found = maker.book().compare(**CLOSE, question="balance")
    assert found.verdict == "valid"
    assert any(reason.startswith("4 of 40 evaluation episodes") for reason in all_en(found.reasons))
    assert next(e.n for e in found.effects if e.metric == "mae_linear_x") == 36


def test_a_set_from_which_each_cut_its_own_leaks_is_still_one_set(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    offline = msgspec.json.decode(run.folder.offline.read_bytes(), type=Offline)
    first = offline.set.episodes[0]
    cut = msgspec.structs.replace(
        offline.set, hash="other", episodes=offline.set.episodes[1:], leaked=[first]
    )
    policy = msgspec.structs.replace(offline.policy, episodes=offline.policy.episodes[1:])
    write_json(run.folder.offline, msgspec.structs.replace(offline, set=cut, policy=policy))
    found = maker.book().compare(**CLOSE, question="balance")
    assert found.verdict == "valid"
    assert all_en(found.reasons)[0].startswith("1 of 40 evaluation episodes")
    assert next(e.n for e in found.effects if e.metric == "mae_linear_x") == 39


def test_validation_episodes_that_the_other_trained_on_are_told(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    moved = [msgspec.structs.replace(e, split="train") for e in run.manifest().episodes]
    from mobile_vla.episodes.manifest import Manifest, write_manifest

    write_manifest(run.folder.manifest, Manifest.of("small", 0.4, moved))
    found = maker.book().compare(**CLOSE, question="balance")
    assert any("validation episodes of left_10" in reason for reason in all_en(found.reasons))


def test_unknown_names_get_the_nearest(whole_study: Maker) -> None:
    with pytest.raises(UserError, match="Case 1"):
        whole_study.book().compare("Case 11", "Case 3")
    with pytest.raises(UserError, match="balance"):
        whole_study.book().compare("Case 1", "Case 3", "balanse")
    with pytest.raises(UserError, match="mvla train"):
        type(whole_study.book())(whole_study.workspace / "empty").case("Case 1")


def test_a_metric_that_one_lacks_is_no_effect(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    text = run.folder.offline.read_text().replace("mae_linear_x", "mae_linear_y")
    run.folder.offline.write_text(text)
    found = maker.book().compare(**CLOSE, question="balance")
    assert not any(e.metric.startswith("mae") for e in found.effects)
    assert any(e.metric == "success" for e in found.effects)
