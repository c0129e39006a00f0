"""What finished cases can answer: rank, aliasing, and the fewest further cases."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_vla.analysis.design.estimability import tied_with
from mobile_vla.analysis.design.row_reduction import RowSpan
from mobile_vla.analysis.model import Design
from mobile_vla.analysis.wording import FORBIDDEN
from mobile_vla.analysis.wording_design import design_lines, fault_sentence
from mobile_vla.messages.reason import reason

if TYPE_CHECKING:
    from run_folders import Maker

MATRIX = st.lists(st.lists(st.integers(-1, 1), min_size=5, max_size=5), min_size=1, max_size=6)


def dense(rows: list[list[int]]) -> list[dict[int, int]]:
    return [dict(enumerate(row)) for row in rows]


def answers(design: Design) -> dict[str, tuple[bool, list[str], list[str]]]:
    return {a.question: (a.answered, a.aliased_with, a.lacking) for a in design.answers}


@given(MATRIX, st.lists(st.integers(-2, 2), min_size=5, max_size=5))
@settings(max_examples=200, deadline=None)
def test_rank_and_membership_equal_numpys(rows: list[list[int]], goal: list[int]) -> None:
    rank = np.linalg.matrix_rank(np.array(rows))
    span = RowSpan(dense(rows))
    assert span.rank == rank
    assert span.holds(dict(enumerate(goal))) == (
        np.linalg.matrix_rank(np.array([*rows, goal])) == rank
    )


@given(MATRIX)
@settings(max_examples=200, deadline=None)
def test_a_column_is_tied_exactly_where_the_rows_do_not_tell_it(rows: list[list[int]]) -> None:
    span = RowSpan(dense(rows))
    tied = set().union(*span.tied())
    for column in range(5):
        seen = any(row[column] for row in rows)
        assert (column in tied) == (seen and not span.holds({column: 1}))


@pytest.mark.parametrize(
    "generators",
    ["a b ab", "a b c abc", "a b c ab", "a b c ab ac", "a b c d abcd", "a b c d abc bcd", "a b c"],
)
def test_aliasing_equals_pydoes_on_two_level_designs(generators: str) -> None:
    pydoe = pytest.importorskip("pydoe")
    design = np.asarray(pydoe.fracfact(generators))
    letters = "abcdefgh"[: design.shape[1]]
    words = [
        "".join(word)
        for size in range(1, len(letters) + 1)
        for word in itertools.combinations(letters, size)
    ]
    rows = [
        {word: str(math.prod(int(run[letters.index(x)]) for x in word)) for word in words}
        for run in design
    ]
    chains = [set(chain.split(" = ")) for chain in pydoe.fracfact_aliasing(design)[0]]
    for letter in letters:
        chain = next(chain for chain in chains if letter in chain)
        base = {word: "-1" for word in words}
        assert set(tied_with(rows, base, letter, "1")) == chain - {letter}


def test_the_labs_page_can_answer_neither_and_two_controls_part_them(maker: Maker) -> None:
    for name in ("left_10", "both_20"):
        maker.finish(name)
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    design = maker.book().design()
    assert answers(design) == {
        "balance": (False, ["data_amount", "optimiser_steps"], []),
        "vlm": (False, [], ["robovlms"]),
        "amount": (False, ["direction_balance", "optimiser_steps"], []),
    }
    assert (design.rank, design.effects, len(design.cases)) == (2, 4, 2)
    assert [one.case for one in design.further] == ["robot_10", "both_10", "left_20"]
    control = design.further[2]
    assert control.description["data_amount"] == "16"
    assert control.description["optimiser_steps"] == "40"
    assert control.seconds == pytest.approx(40 * 0.5)
    others = ["direction_balance", "optimiser_steps"]
    assert control.parts == [reason("design.separates", factor="data_amount", others=others)]
    assert design.smallest


def test_a_whole_study_answers_all_by_pairs_that_differ_in_nothing_else(
    whole_study: Maker,
) -> None:
    design = whole_study.book().design()
    assert all(answer.answered for answer in design.answers)
    pairs = {answer.question: answer.pairs for answer in design.answers}
    assert pairs["balance"] == [("left_10", "both_10")]
    assert ("left_10", "robot_10") in pairs["vlm"] and ("both_20", "robot_20") in pairs["vlm"]
    assert pairs["amount"] == [("left_10", "left_20")]
    assert design.further == []


def test_the_design_and_the_verdicts_on_pairs_agree(whole_study: Maker) -> None:
    book = whole_study.book()
    for answer in book.design().answers:
        for a, b in answer.pairs:
            assert book.compare(a, b, answer.factor).verdict == "valid"


def test_controls_that_nobody_planned_are_described(maker: Maker) -> None:
    cases = tuple(case for case in maker.study.cases if case.role == "case")
    questions = tuple(msgspec.structs.replace(q, fair_pair=None) for q in maker.study.questions)
    maker.study = msgspec.structs.replace(maker.study, cases=cases, questions=questions)
    for name in ("left_10", "both_20"):
        maker.finish(name)
    maker.finish("robot_10", attempt=1)
    further = maker.book().design().further
    assert [one.case for one in further] == [None, None]
    told = [(one.description["data_amount"], one.description["direction_balance"],
             one.description["optimiser_steps"]) for one in further]  # fmt: skip
    assert told == [("8", "50 % left, 50 % right", "40"), ("16", "left", "40")]


def test_an_empty_workspace_names_the_fewest_cases_of_the_study(maker: Maker) -> None:
    design = maker.book().design()
    assert (design.cases, design.rank) == ([], 0)
    assert [one.case for one in design.further] == ["left_10", "robot_10", "both_10", "left_20"]
    assert {one.seconds for one in design.further} == {None}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_no_smaller_set_would_do(maker: Maker, count: int) -> None:
    """Every smaller set of planned cases, finished for real, leaves a question open."""
    needed = ["left_10", "robot_10", "both_10", "left_20"]
    for name in needed[:count]:
        maker.finish(name, attempt=1 if name == "robot_10" else 0)
    design = maker.book().design()
    assert [one.case for one in design.further] == needed[count:]
    assert not all(answer.answered for answer in design.answers)


def test_a_case_with_an_unknown_factor_tells_nothing_and_is_named(whole_study: Maker) -> None:
    run = whole_study.book().case("both_10").run
    assert run is not None
    (whole_study.workspace / run.path / "environment.json").unlink()
    design = whole_study.book().design()
    assert design.incomplete == {"both_10": ["code", "device", "packages"]}
    assert not answers(design)["balance"][0]
    assert [one.case for one in design.further] == ["both_10"]


def test_a_question_of_which_the_pair_does_not_differ_asks_for_no_case(whole_study: Maker) -> None:
    question = msgspec.structs.replace(
        whole_study.study.questions[0], factor="vlm", pair=("left_10", "both_10")
    )
    whole_study.study = msgspec.structs.replace(whole_study.study, questions=(question,))
    design = whole_study.book().design()
    (only,) = design.answers
    assert (only.answered, only.a == only.b, design.further) == (False, True, [])


def test_other_training_episodes_of_the_same_counts_are_a_factor(whole_study: Maker) -> None:
    from mobile_vla.episodes.manifest import Manifest, write_manifest

    book = whole_study.book()
    run = book.case("robot_10").run
    assert run is not None
    path = whole_study.workspace / run.path / "manifest.json"
    old = msgspec.json.decode(path.read_bytes(), type=Manifest)
    other = [
        msgspec.structs.replace(e, hash=whole_study.digest(f"other {e.id}"), id=f"x{e.id}")
        for e in old.episodes
    ]
    write_manifest(path, Manifest.of("small", 0.4, other))
    assert book.compare("left_10", "robot_10", "vlm").confounds == ["training_episodes"]
    vlm = next(a for a in book.design().answers if a.question == "vlm")
    assert ("left_10", "robot_10") not in vlm.pairs


def test_the_plan_says_where_the_page_is_wrong_and_what_can_be_answered(
    whole_study: Maker,
) -> None:
    plan = whole_study.book().plan()
    assert [(f.question.name, f.a, f.b, f.fair) for f in plan.faults] == [
        ("balance", "left_10", "both_20", ("left_10", "both_10")),
        ("amount", "left_10", "both_20", ("left_10", "left_20")),
    ]
    assert {fault.fair_verdict for fault in plan.faults} == {"valid"}
    assert plan.design is not None
    assert all(answer.answered for answer in plan.design.answers)


def test_before_any_run_the_plan_already_says_so(maker: Maker) -> None:
    faults = maker.book().plan().faults
    assert [fault.confounds for fault in faults] == [
        ["data_amount", "optimiser_steps"],
        ["direction_balance", "optimiser_steps"],
    ]
    assert {fault.fair_verdict for fault in faults} == {"evidence_missing"}


@pytest.mark.parametrize("finished", [(), ("left_10", "both_20"), ("left_10", "both_10")])
def test_the_words_are_in_both_languages_and_claim_nothing(
    maker: Maker, finished: tuple[str, ...]
) -> None:
    for name in finished:
        maker.finish(name)
    book = maker.book()
    names = {case.name: case.label or case.name for case in book.cases()}
    for language in ("en", "ko"):
        titles = {q.name: getattr(q.title, language) for q in maker.study.questions}
        lines = list(design_lines(book.design(), names, titles, language))
        lines += [fault_sentence(fault, names, language) for fault in book.plan().faults]
        text = "\n".join(lines)
        assert not FORBIDDEN.search(text)
        assert ("_" in text) == any("_" in name for name in names.values() if name in text)
        assert any("가" <= letter <= "힣" for letter in text) == (language == "ko")
