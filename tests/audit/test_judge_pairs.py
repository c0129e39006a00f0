"""Verdicts on comparisons, differences and a page's own arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from made_claims import claim, context, known, run_view, speaking, terms
from mobile_vla.audit.judge import judge

SAME = {"recipe.learning_rate": "0.0001", "vlm": "kosmos", "initial_weights": "none",
        "data_amount": "200", "recipe.chunk": "10", "seed": "1"}  # fmt: skip


def facts(loss: float, chunk: int = 10, held_out: int = 50) -> list:
    """A loss, its chunk and its validation set."""
    return [
        known("val_loss", loss, qualifier="best", step=1e-6),
        known("chunk", chunk),
        known("episodes", held_out, split="val"),
        known("episodes", 200, split="train"),
    ]


def pair(own: list, other: list, own_factors: dict, other_factors: dict, **hashes: Any):
    """Two runs, "a" and "b"."""
    a = run_view("a", factors=own_factors, validation_hashes=hashes.get("a", []))
    b = run_view("b", factors=other_factors, validation_hashes=hashes.get("b", []))
    return context(own, own=a, others={"b": (b, other)})


def compared(comparator: str, made: Any, **fields: Any):
    """The verdict on "a's validation loss is … b's"."""
    fields = {"kind": "comparison", "comparator": comparator, "other_run": "b",
              "other_owner": "b", **fields}  # fmt: skip
    one = claim("val_loss", fields.pop("value", comparator), **fields)
    return judge(one, speaking(made), made)


@pytest.mark.parametrize(("comparator", "expected"), [
    ("better", "contradicted"), ("best", "contradicted"), ("times", "contradicted"),
    ("lower", "unsupported"),
])  # fmt: skip
def test_a_loss_over_one_step_beside_one_over_ten_shows_nothing(comparator, expected):
    chunks = {**SAME, "recipe.chunk": "1"}
    made = pair(facts(0.0005, chunk=1), facts(0.013), chunks, SAME)
    judged = compared(comparator, made, number=26.0, step=1.0)
    assert (judged.verdict, judged.reason.code) == (expected, "judge.losses_not_comparable")
    assert judged.reason.fields["factors"] == ["recipe.chunk"]
    assert judged.evidence


def test_validation_sets_are_held_apart_by_hash_and_by_count():
    by_count = pair(facts(0.013), facts(0.027, held_out=100), SAME, SAME)
    assert compared("better", by_count).reason.fields["factors"] == ["validation_set"]
    by_hash = pair(facts(0.013), facts(0.027), SAME, SAME, a=["x"], b=["y"])
    assert compared("better", by_hash).reason.fields["factors"] == ["validation_set"]
    same = pair(facts(0.013), facts(0.027), SAME, {**SAME, "seed": "2"}, a=["x"], b=["x"])
    assert compared("lower", same).verdict == "supported"
    assert compared("higher", same).verdict == "contradicted"


def test_better_is_judged_by_the_comparison_and_not_by_two_losses():
    made = pair(facts(0.013), facts(0.027), SAME, {**SAME, "data_amount": "400"})
    judged = compared("better", made)
    assert (judged.verdict, judged.reason.code) == ("unsupported", "judge.comparison_is")
    assert judged.reason.fields["comparison"] != "valid"


def test_a_rival_that_is_not_named_is_any_of_the_evidence():
    chunks = {**SAME, "recipe.chunk": "1"}
    made = pair(facts(0.0005, chunk=1), facts(0.013), chunks, SAME)
    assert compared("best", made, other_run=None, other_owner=None).verdict == "contradicted"
    alone = context(facts(0.0005), own=run_view("a", factors=SAME))
    judged = compared("best", alone, other_run=None, other_owner=None)
    assert (judged.verdict, judged.reason.code) == ("ambiguous", "judge.no_rival")


def test_n_times_by_the_numbers_where_they_are_of_one_definition():
    made = pair(facts(0.01), facts(0.03), SAME, {**SAME, "seed": "2"})
    assert compared("times", made, number=3.0, step=1.0).verdict == "supported"
    assert compared("times", made, number=5.0, step=1.0).verdict == "contradicted"


def differ(comparator: str, made: Any, *factors: str):
    """The verdict on what differs between "a" and "b"."""
    one = claim("comparison", comparator, kind="difference", comparator=comparator,
                factors=factors, other_run="b", other_owner="b")  # fmt: skip
    return judge(one, speaking(made), made)


def test_only_one_factor_differs():
    chunk = pair(facts(0.1), facts(0.1), SAME, {**SAME, "recipe.chunk": "1"})
    both = pair(facts(0.1), facts(0.1), SAME,
                {**SAME, "recipe.chunk": "1", "recipe.learning_rate": "0.001"})  # fmt: skip
    for comparator in ("only_differs", "same_except"):
        assert differ(comparator, chunk, "recipe.chunk").verdict == "supported"
        judged = differ(comparator, both, "recipe.chunk")
        assert (judged.verdict, judged.reason.code) == ("contradicted", "judge.also_moved")
        assert judged.reason.fields["factors"] == ["recipe.learning_rate"]
    held = differ("only_differs", pair(facts(0.1), facts(0.1), SAME, SAME), "recipe.chunk")
    assert (held.verdict, held.reason.code) == ("contradicted", "judge.did_not_move")


def test_what_no_file_gives_supports_no_difference():
    made = pair(facts(0.1), facts(0.1), {"recipe.chunk": "1"}, {"recipe.chunk": "10"})
    assert differ("only_differs", made, "recipe.chunk").verdict == "unsupported"


def test_same_and_differs():
    made = pair(facts(0.1), facts(0.1), SAME, {**SAME, "recipe.chunk": "1"})
    assert differ("same", made, "recipe.learning_rate").verdict == "supported"
    assert differ("same", made, "recipe.chunk").verdict == "contradicted"
    assert differ("same", made).verdict == "contradicted"
    assert differ("differs", made, "recipe.chunk").verdict == "supported"
    assert differ("differs", made, "recipe.learning_rate").verdict == "contradicted"


def test_comparable_by_the_casebook():
    made = pair(facts(0.1), facts(0.1), SAME,
                {**SAME, "recipe.chunk": "1", "data_amount": "400"})  # fmt: skip
    for word, expected in (("comparable", "contradicted"), ("not_comparable", "supported")):
        one = claim("comparison", word, kind="comparison", comparator=word, other_run="b",
                    factors=("data_amount",))  # fmt: skip
        assert judge(one, speaking(made), made).verdict == expected


@pytest.mark.parametrize(("comparator", "value", "beside", "expected"), [
    ("sum", "500", ("250", "250"), "supported"),
    ("sum", "500", ("200", "250"), "contradicted"),
    ("share", "0.8", ("200", "250"), "supported"),
    ("share", "0.7", ("200", "250"), "contradicted"),
    ("ratio", "2.1", ("0.027", "0.013"), "supported"),
    ("ratio", "3.5", ("0.027", "0.013"), "contradicted"),
    ("ratio", "0.52", ("0.027", "0.013"), "supported"),
    ("ratio", "2", ("0", "0"), "unsupported"),
    ("sum", "5", (), "unsupported"),
])  # fmt: skip
def test_arithmetic_of_the_page(comparator, value, beside, expected):
    one = claim("comparison", value, kind="arithmetic", comparator=comparator,
                terms=terms(*beside), run=None, sure="none")  # fmt: skip
    made = context([])
    assert judge(one, None, made).verdict == expected


def test_the_data_are_their_amount_and_their_balance():
    amount = pair(facts(0.1), facts(0.1), SAME, {**SAME, "data_amount": "400"})
    assert differ("only_differs", amount, "data").verdict == "supported"
    judged = differ("only_differs", amount, "direction_balance")
    assert judged.reason.fields["factors"] == ["data_amount"]
    neither = pair(facts(0.1), facts(0.1), SAME, SAME)
    assert differ("only_differs", neither, "data").verdict == "contradicted"
