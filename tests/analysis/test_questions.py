"""Questions about any factor: what is judged valid, what confounds, and what the design says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from mobile_vla.study.load_study import load_study

if TYPE_CHECKING:
    from run_folders import Maker

QUESTION = """
  - name: mine
    title: {{en: mine, ko: 질문}}
    factor: {factor}
    pair: [left_10, other]
"""
CASE = "  - {{name: other, vlm: kosmos-2, data: {{left: 10}}, {change}}}\nquestions:"


def ask(maker: Maker, factor: str, change: str) -> Maker:
    """The small study with another case and a question on it, both cases finished."""
    text = maker.path.read_text().replace("questions:", CASE.format(change=change))
    maker.path.write_text(text.rstrip() + QUESTION.format(factor=factor))
    maker.study = load_study(maker.path)
    maker.finish("left_10")
    maker.finish("other", good=0.5)
    return maker


VARIED = {
    "recipe.head.kind": "recipe: {head: {kind: mlp}}",
    "recipe.window": "recipe: {window: 4}",
    "recipe.lora.r": "recipe: {lora: {r: 8}}",
    "recipe.learning_rate": "recipe: {learning_rate: 0.001}",
    "recipe.batch": "recipe: {batch: 4, epochs: 20}",
    "optimiser_steps": "recipe: {epochs: 20}",
    "seed": "recipe: {seed: 7}",
}


@pytest.mark.parametrize(("factor", "change"), VARIED.items())
def test_a_pair_that_differs_in_the_factor_alone_answers(
    maker: Maker, factor: str, change: str
) -> None:
    book = ask(maker, factor, change).book()
    answer = book.compare("left_10", "other", "mine")
    assert (answer.verdict, answer.confounds) == ("valid", [])
    assert {effect.metric for effect in answer.effects} >= {"success_left"}
    design = book.design()
    assert {a.question: a.answered for a in design.answers}["mine"]


def test_what_else_moves_confounds(maker: Maker) -> None:
    book = ask(maker, "recipe.head.kind", "recipe: {head: {kind: mlp}, window: 4}").book()
    answer = book.compare("left_10", "other", "mine")
    assert (answer.verdict, answer.confounds) == ("confounded", ["recipe.window"])
    assert not answer.effects
    design = {a.question: a for a in book.design().answers}["mine"]
    assert not design.answered
    assert design.aliased_with == ["recipe.window"]


def test_a_larger_batch_at_the_same_epochs_confounds_with_fewer_steps(maker: Maker) -> None:
    answer = (
        ask(maker, "recipe.batch", "recipe: {batch: 4}").book().compare("left_10", "other", "mine")
    )
    assert (answer.verdict, answer.confounds) == ("confounded", ["optimiser_steps"])


def test_a_factor_held_in_both_is_no_question_of_theirs(maker: Maker) -> None:
    book = ask(maker, "recipe.views", "recipe: {window: 4}").book()
    assert book.compare("left_10", "other", "mine").verdict == "not_comparable"
    assert msgspec.json.encode(book.printed_plan().next_steps)
