"""What a name of a page binds to, and why."""

from __future__ import annotations

import pytest
from tests.claims_evidence import BOTH, LEFT, RUNS, fact, read, run

from mobile_vla.claims.binding import KnownRun
from mobile_vla.claims.model import Binding
from mobile_vla.evidence.fact_table import FactTable


def binding(text: str, name: str, **options: object) -> Binding:
    return next(one for one in read(text, **options).bindings if one.name == name)


@pytest.mark.parametrize(
    "name", ["version_113", "baseline", "exp12", "run-3", "resnet50", "seed42", "20260503"]
)
def test_the_exact_name_of_a_run_binds(name: str) -> None:
    runs = [KnownRun(name=name, facts=FactTable()), KnownRun(name="version_1", facts=FactTable())]
    reading = read(f"## {name}\n\n- Val loss: 0.19\n", runs=runs)
    assert [(claim.run, claim.sure) for claim in reading.claims] == [(name, "exact")]
    assert reading.bindings[0].why[0].code == "claim.bound_exact"


def test_a_longer_name_is_not_its_beginning() -> None:
    runs = [KnownRun(name=name, facts=FactTable()) for name in ("version_1", "exp1")]
    reading = read(
        "- version_113: val loss 0.19\n- exp12: val loss 0.2\n- exp1_b: seed 3", runs=runs
    )
    assert {claim.run for claim in reading.claims} == {None}


def test_a_case_number_binds_by_its_own_heading() -> None:
    reading = read("## Case 2: left (nav_left_20260503)\n\n- Val loss: 0.5\n")
    (claim,) = reading.claims
    assert (claim.owner, claim.run, claim.sure) == ("Case 2", "nav_left_20260503", "exact")


def test_case_number_and_korean_label_are_one_name() -> None:
    reading = read("## Case 2: nav_left_20260503\n\n- 케이스 2: 검증 손실 0.5\n")
    assert [claim.run for claim in reading.claims] == ["nav_left_20260503"]


def test_a_case_number_alone_binds_to_nothing() -> None:
    one = binding("- Case 2: val loss 0.0138", "Case 2")
    assert (one.run, one.sure, one.claims) == (None, "candidate", 1)
    assert [candidate.run for candidate in one.candidates] == ["nav_left_20260503"]


def test_a_label_of_the_study_binds() -> None:
    runs = [run("nav_left_20260503", [0.05], label="Case 2"), BOTH]
    one = binding("- Case 2: val loss 0.4", "Case 2", runs=runs)
    assert (one.run, one.sure) == ("nav_left_20260503", "confirmed")


def test_the_page_goes_before_a_label_of_the_study() -> None:
    runs = [run("nav_left_20260503", [0.05], label="Case 2"), BOTH]
    text = "## Case 2 (nav_leftright_20260504)\n\n- Val loss: 0.4"
    assert binding(text, "Case 2", runs=runs).run == "nav_leftright_20260504"


@pytest.mark.parametrize("name", ["left_20260503", "nav_left", "leftright_20260504"])
def test_a_shorter_form_of_one_run_binds(name: str) -> None:
    one = binding(f"| Run | Val loss |\n|---|---|\n| {name} | 0.5 |\n", name)
    assert one.sure == "safe"
    assert one.run is not None and name in one.run


def test_a_shorter_form_of_two_runs_does_not() -> None:
    runs = [run("nav_left_a", [0.1]), run("nav_left_b", [0.2])]
    one = binding("| Run | Seed |\n|---|---|\n| nav_left | 5 |\n", "nav_left", runs=runs)
    assert (one.run, {candidate.run for candidate in one.candidates}) == (
        None,
        {"nav_left_a", "nav_left_b"},
    )


def test_two_values_of_one_run_bind_and_one_does_not() -> None:
    text = "| Case | Val loss | Train RMSE | Seed |\n|---|---|---|---|\n| 4 | 0.0138 | {} | 5 |\n"
    assert binding(text.format("0.112"), "Case 4").run == LEFT.name
    assert binding(text.format("0.9"), "Case 4").run is None


def test_a_claim_never_binds_itself() -> None:
    text = "| Case | Val loss | Train RMSE | Episodes |\n|---|---|---|---|\n| 4 | 0.0138 | 0.112 | 300 |\n"  # noqa: E501
    runs = {claim.quantity: claim.run for claim in read(text).claims}
    assert runs == {"val_loss": None, "rmse": None, "episodes": LEFT.name}


def test_losses_at_three_epochs_are_as_good_as_a_name() -> None:
    text = ("## Case 7 (other_name_20260503)\n\n| Epoch | Val loss |\n|---|---|\n"
            "| 0 | 0.0521 |\n| 1 | 0.0417 |\n| 2 | 0.0138 |\n| 2 | 0.5 |\n")  # fmt: skip
    reading = read(text)
    assert [claim.run for claim in reading.claims if claim.number == 0.5] == [LEFT.name]


def test_twin_runs_bind_to_neither() -> None:
    runs = [run("one", [0.05, 0.04, 0.03]), run("two", [0.05, 0.04, 0.03])]
    text = (
        "## Case 7\n\n| Epoch | Val loss |\n|---|---|\n| 0 | 0.05 |\n| 1 | 0.04 |\n| 2 | 0.03 |\n"
    )
    assert binding(text, "Case 7", runs=runs).run is None


def test_train_and_validation_loss_of_the_same_value_count_once() -> None:
    runs = [run("one", [0.5, 0.013], fact("train_loss", 0.013, epoch=1)), BOTH]
    text = "## Case 7\n\n- Val loss: 0.013\n- Train loss: 0.013\n- Seed: 3\n"
    assert binding(text, "Case 7", runs=runs).run is None


def test_a_full_name_that_the_evidence_lacks_binds_to_nothing() -> None:
    text = "## Case 4 (nav_left_slow_20260507)\n\n- Val loss: 0.0138\n- Train RMSE: 0.112\n"
    one = binding(text, "Case 4")
    assert (one.run, one.why[0].code) == (None, "claim.bind_foreign")


def test_a_checkpoint_file_that_one_run_wrote_binds() -> None:
    text = "## Case 4\n\n- Checkpoint: `epoch=02-loss=0.0138.ckpt`\n- Epochs: 7\n"
    assert {c.quantity: c.run for c in read(text).claims} == {
        "checkpoint_file": None,
        "epochs": LEFT.name,
    }


def test_a_run_that_started_after_the_page_is_no_candidate() -> None:
    text = "Date: 2026-05-01\n\n| Case | Val loss | Train RMSE | Seed |\n|---|---|---|---|\n| 4 | 0.0138 | 0.112 | 5 |\n"  # noqa: E501
    assert binding(text, "Case 4").candidates == []


def test_a_page_about_one_run_may_speak_of_another() -> None:
    text = "# nav_left_20260503\n\n- Epochs: 3\n\n## baseline\n\n- Epochs: 5\n\n## nav_left_20260503 vs baseline\n\n- Epochs: 7\n"  # noqa: E501
    assert [claim.run for claim in read(text).claims] == ["nav_left_20260503", "baseline"]


def test_a_rank_is_no_case() -> None:
    text = "| # | Run | Val loss |\n|---|---|---|\n| 4 | baseline | 0.19 |\n\n- Case 4: seed 3\n"
    assert {(c.quantity, c.run) for c in read(text).claims} == {
        ("val_loss", "baseline"),
        ("seed", None),
    }


def test_a_direction_in_the_data_never_names_the_run() -> None:
    text = "| Case | Date | Data |\n|---|---|---|\n| 4 | 2026-05-03 | left only |\n"
    assert binding(text, "Case 4").run is None


def test_a_comment_binds_what_it_names() -> None:
    reading = read(
        "- Case 2: val loss 0.4\n- No-Chunk: seed 3\n\n<!-- mvla: Case 2 = baseline; No-Chunk = nav_left_20260503 -->\n"  # noqa: E501
    )
    assert [(c.run, c.sure) for c in reading.claims] == [
        ("baseline", "confirmed"), ("nav_left_20260503", "confirmed"),
    ]  # fmt: skip


def test_confirmed_names_of_the_study_bind() -> None:
    reading = read("- No-Chunk: seed 3", aliases={"No-Chunk": "baseline"})
    assert [(c.run, c.sure) for c in reading.claims] == [("baseline", "confirmed")]


def test_a_comment_that_names_no_run_is_told() -> None:
    reading = read("- Case 2: val loss 0.4\n\n<!-- mvla: Case 2 = nobody; rubbish -->\n")
    assert [claim.run for claim in reading.claims] == [None]
    assert [(one.line, one.why.code) for one in reading.unread] == [
        (3, "claim.bind_no_such_run"), (3, "claim.comment_not_read"),
    ]  # fmt: skip


def test_two_comments_that_disagree_bind_nothing() -> None:
    reading = read(
        "<!-- mvla: Case 2 = baseline -->\n\n- Case 2: val loss 0.4\n\n<!-- mvla: case 2 = nav_left_20260503 -->\n"  # noqa: E501
    )
    assert [claim.run for claim in reading.claims] == [None]
    assert [one.why.code for one in reading.unread] == ["claim.comments_disagree"]


def test_candidates_come_with_their_reasons() -> None:
    one = binding("- Case 2: val loss 0.0138", "Case 2", runs=RUNS)
    assert [reason.code for reason in one.candidates[0].why] == ["claim.bound_values"]
