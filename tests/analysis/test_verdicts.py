"""Bad pairs and bad studies: each gets its verdict or a clear error, and no number slips by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from in_english import all_en
from mobile_vla.cli.compare import print_comparisons
from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Heartbeat
from mobile_vla.runs.files import write_json
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.study.load_study import load_study

if TYPE_CHECKING:
    from run_folders import Maker, RunMaker

PAIR = {"a": "left_10", "b": "both_10", "question": "balance"}


def offline(run: RunMaker) -> Offline:
    return msgspec.json.decode(run.folder.offline.read_bytes(), type=Offline)


def redrive(run: RunMaker, success: bool, scenes: int = 20) -> None:
    old = msgspec.json.decode(run.folder.rollouts.read_bytes(), type=Rollouts)
    drives = [msgspec.structs.replace(d, success=success) for d in old.rollouts if d.scene < scenes]
    write_json(run.folder.rollouts, msgspec.structs.replace(old, rollouts=drives))


def declare(maker: Maker, *names: str) -> None:
    maker.study = msgspec.structs.replace(maker.study, nuisance=names)


def reseed(run: RunMaker, seed: int) -> None:
    recipe = msgspec.structs.replace(run.case.recipe, seed=seed)
    run.case = msgspec.structs.replace(run.case, recipe=recipe)
    run.write_inputs()


def test_a_seed_is_a_factor_until_the_study_declares_it_none(maker: Maker) -> None:
    maker.finish("left_10")
    reseed(maker.finish("both_10"), 7)
    assert maker.book().compare(**PAIR).confounds == ["seed"]
    declare(maker, "host", "wall_time", "note", "seed")
    found = maker.book().compare(**PAIR)
    assert (found.verdict, found.confounds) == ("valid", [])
    assert next(f for f in found.factors if f.name == "seed").nuisance


@pytest.mark.parametrize(
    ("declared", "confounds"), [("", []), ("nuisance: [host]\n", ["wall_time"]),
                                ("nuisance: []\n", ["wall_time"])],
)  # fmt: skip
def test_time_taken_is_a_factor_only_where_a_study_says_so(
    maker: Maker, declared: str, confounds: list[str]
) -> None:
    text, line = maker.path.read_text(), "nuisance: [host, wall_time, note]\n"
    assert line in text
    maker.path.write_text(text.replace(line, declared))
    maker.study = load_study(maker.path)
    maker.finish("left_10")
    slow = maker.begin("both_10")
    slow.train()
    slow.log(Heartbeat(step=slow.total, epoch=9), seconds=40)
    slow.exit("finished")
    slow.evaluate()
    assert maker.book().compare(**PAIR).confounds == confounds


def test_runs_that_share_no_scene_are_measured_unpaired(maker: Maker) -> None:
    maker.finish("left_10")
    other = maker.finish("both_10")
    old = msgspec.json.decode(other.folder.rollouts.read_bytes(), type=Rollouts)
    moved = [msgspec.structs.replace(d, scene=d.scene + 1000, success=True) for d in old.rollouts]
    write_json(other.folder.rollouts, msgspec.structs.replace(old, rollouts=moved))
    declare(maker, "host", "wall_time", "note", "evaluation_scenes")
    (effect,) = [e for e in maker.book().compare(**PAIR).effects if e.metric == "success"]
    assert effect.method.code == "compare.method_rates_unpaired"
    assert effect.b == 1.0
    assert effect.low is not None and effect.high is not None
    assert effect.low < effect.difference < effect.high


def test_a_nuisance_that_is_no_factor_is_an_error_with_the_nearest(maker: Maker) -> None:
    declare(maker, "hots")
    with pytest.raises(UserError, match=r"'hots' is no factor.*host"):
        maker.book().comparisons()


def test_a_question_about_a_declared_nuisance_is_an_error(maker: Maker) -> None:
    declare(maker, "direction_balance")
    with pytest.raises(UserError, match="question balance asks of direction_balance"):
        maker.book().comparisons()


def test_identical_arms_are_an_error_whatever_is_asked(maker: Maker) -> None:
    run = maker.finish("left_10")
    twin = maker.finish("both_10")
    twin.case = msgspec.structs.replace(run.case, case="both_10")
    twin.write_inputs()
    with pytest.raises(UserError, match="one and the same"):
        maker.book().compare(**PAIR)


def test_another_unit_of_a_metric_is_told_and_not_compared(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    text = run.folder.offline.read_text().replace("m/s", "cm/s")
    run.folder.offline.write_text(text)
    found = maker.book().compare(**PAIR)
    assert "of another unit or definition in each, so not compared: mae_linear_x" in all_en(
        found.reasons
    )
    assert not any(e.metric == "mae_linear_x" for e in found.effects)


def test_a_metric_that_one_lacks_is_named(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    text = run.folder.offline.read_text().replace("mae_linear_x", "mae_linear_y")
    run.folder.offline.write_text(text)
    reasons = all_en(maker.book().compare(**PAIR).reasons)
    assert "measured in left_10 alone, so not compared: mae_linear_x" in reasons
    assert "measured in both_10 alone, so not compared: mae_linear_y" in reasons


def test_a_pair_that_shares_no_metric_is_missing_evidence(maker: Maker) -> None:
    for name in ("left_10", "both_10"):
        maker.finish(name).folder.rollouts.unlink()
    run = maker.workspace / maker.book().case("both_10").runs[0].path / "evaluation/offline.json"
    run.write_text(run.read_text().replace("mae_linear_x", "mae_linear_y"))
    assert maker.book().compare(**PAIR).verdict == "evidence_missing"


def test_a_case_that_never_drove_says_what_to_run(maker: Maker) -> None:
    maker.finish("left_10")
    maker.finish("both_10").folder.rollouts.unlink()
    found = maker.book().compare(**PAIR)
    assert found.verdict == "evidence_missing"
    assert "driving of both_10 is not measured: run `mvla evaluate` on it" in all_en(found.reasons)


def test_a_set_that_is_leaked_whole_is_refused(maker: Maker) -> None:
    for name in ("left_10", "both_10"):
        run = maker.finish(name)
        found = offline(run)
        every = msgspec.structs.replace(found.set, leaked=found.set.episodes)
        write_json(run.folder.offline, msgspec.structs.replace(found, set=every))
    judged = maker.book().compare(**PAIR)
    assert judged.verdict == "not_comparable"
    assert "every evaluation episode is one that one of them trained on" in all_en(judged.reasons)


def test_near_duplicates_that_one_arm_saw_are_cut_for_both_and_counted(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    found = offline(run)
    near = found.set.episodes[:3]
    rest = msgspec.structs.replace(
        found.set, episodes=found.set.episodes[3:], leaked=near, near=near
    )
    policy = msgspec.structs.replace(found.policy, episodes=found.policy.episodes[3:])
    write_json(run.folder.offline, msgspec.structs.replace(found, set=rest, policy=policy))
    judged = maker.book().compare(**PAIR)
    assert judged.verdict == "valid"
    assert all_en(judged.reasons)[0].startswith("3 of 40 evaluation episodes")
    assert all_en(judged.reasons)[1].startswith("3 of those left out only show almost")
    assert next(e.n for e in judged.effects if e.metric == "mae_linear_x") == 37


@pytest.mark.parametrize("success", [True, False])
def test_all_or_no_successes_have_an_interval_and_no_difference(
    maker: Maker, success: bool
) -> None:
    for name in ("left_10", "both_10"):
        redrive(maker.finish(name), success)
    effect = next(e for e in maker.book().compare(**PAIR).effects if e.metric == "success")
    assert (effect.a, effect.b) == (float(success), float(success))
    assert effect.finding == "no_difference_found"
    assert effect.low is not None and effect.high is not None
    assert effect.low < 0 < effect.high


def test_one_scene_and_one_episode_claim_nothing(maker: Maker) -> None:
    for name, success in (("left_10", True), ("both_10", False)):
        run = maker.finish(name)
        redrive(run, success, scenes=1)
        found = offline(run)
        one = found.set.episodes[:1]
        policy = msgspec.structs.replace(found.policy, episodes=found.policy.episodes[:1])
        cut = msgspec.structs.replace(found.set, episodes=one)
        write_json(run.folder.offline, msgspec.structs.replace(found, set=cut, policy=policy))
    found_effects = maker.book().compare(**PAIR).effects
    assert {e.finding for e in found_effects} <= {"no_difference_found", "not_estimated"}
    assert next(e for e in found_effects if e.metric == "mae_linear_x").low is None


def test_a_question_about_a_factor_that_no_case_varies_says_so(maker: Maker) -> None:
    maker.finish("left_10")
    maker.finish("both_10")
    reasons = all_en(maker.book().compare("left_10", "both_10", "recipe.window").reasons)
    assert "no case varies recipe window: plan one that does" in reasons
    reasons = all_en(maker.book().compare("left_10", "both_10", "initial_weights").reasons)
    assert not any("no case varies" in reason for reason in reasons)


def test_one_question_can_be_asked_of_all_pairs_and_an_unknown_one_is_an_error(
    whole_study: Maker,
) -> None:
    found = whole_study.book().comparisons("amount")
    assert [(c.a, c.b) for c in found] == [("left_10", "both_20"), ("left_10", "left_20")]
    with pytest.raises(UserError, match="amount"):
        whole_study.book().comparisons("amuont")


def test_every_printed_line_of_an_exploratory_look_says_that_it_is_one(
    whole_study: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    book = whole_study.book()
    print_comparisons([book.compare("Case 1", "Case 3", "balance", True)], book.cases())
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    while not lines[-1].startswith("exploratory"):  # what is wrong with the cases, of no pair
        del lines[-1]
    assert len(lines) > 10
    assert all(line.startswith("exploratory, not valid: ") for line in lines)
    print_comparisons([book.compare("Case 1", "both_10", "balance", True)], book.cases())
    assert "exploratory" not in capsys.readouterr().out


def test_an_exploratory_look_marks_each_effect_for_programs(
    whole_study: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--question", "balance", "--exploratory", "--json", "--study"]
    arguments += [str(whole_study.path), "--workspace", str(whole_study.workspace)]
    assert main(["compare", "Case 1", "Case 3", *arguments]) == 1
    found = msgspec.json.decode(capsys.readouterr().out)[0]
    assert found["effects"] and all(effect["exploratory"] for effect in found["effects"])
