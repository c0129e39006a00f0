"""Policies that cannot hear, follow, or that read the side off the words by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mobile_vla.evaluation.instruction_probes import (
    ProbedPolicy,
    as_swap,
    instruction_probes_of,
    swap_instruction,
    turning_episodes,
)
from mobile_vla.evaluation.metrics import Prediction
from mobile_vla.evaluation.predictions import RecordedEpisode
from mobile_vla.evaluation.training_coverage import spans, training_split
from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.instructions import PARAPHRASES, instruction

SPEED = 1.15


def episode(direction: str, seed: int = 0) -> RecordedEpisode:
    side = {"left": 1.0, "right": -1.0}.get(direction, 0.0)
    wait = seed % 3
    actions = np.array(
        [[0, 0]] * (1 + wait) + [[SPEED, side * SPEED]] * 4 + [[SPEED, 0]] * (13 - wait), np.float32
    )
    text = instruction(direction) if side else "go straight"  # type: ignore[arg-type]
    return RecordedEpisode(
        str(seed), f"{direction}{seed}", direction, text, actions, torch.zeros(18, 1, 1)
    )


EPISODES = [episode(side, seed) for side in ("left", "right") for seed in range(4)]


def probed(predict, episodes=EPISODES) -> ProbedPolicy:
    return ProbedPolicy("policy", predict, episodes, SPEED)


def by_rule(e: RecordedEpisode, text: str) -> np.ndarray:
    """The lab's: magnitudes from the picture, the sign from a word."""
    sign = -1 if "right" in text else 1
    return np.abs(e.actions) * np.array([1, sign])


def covered(e: RecordedEpisode, text: str) -> np.ndarray:
    """The image stands where the text should: no text changes anything."""
    return e.actions


def learned(e: RecordedEpisode, text: str) -> np.ndarray:
    """It goes to the told side its own way, and stays ahead where it is told nothing."""
    if text == e.instruction:
        return e.actions
    named = [side for side in ("left", "right") if side in text]
    if not named:
        return e.actions * np.array([1, 0])
    return 0.8 * np.abs(e.actions) * np.array([1, 1 if named[0] == "left" else -1])


def test_one_that_listens() -> None:
    found = swap_instruction(probed(learned))
    assert (found.follows, found.turns, found.n) == (1.0, 0.0, 8)
    assert found.mirrored == 0
    assert as_swap(found).follows == 1
    blank = instruction_probes_of(probed(learned))[1]
    assert (blank.test, blank.turns, blank.follows) == ("blank", 0.0, None)
    assert blank.change == pytest.approx(4 * SPEED / 18, rel=1e-5)


def test_one_whose_image_covers_its_text_moves_nothing() -> None:
    for found in instruction_probes_of(probed(covered)):
        assert found.change == 0
        assert found.turns == 1
    assert swap_instruction(probed(covered)).follows == 0


def test_a_rule_on_the_words_mirrors_every_sideways_action() -> None:
    found = swap_instruction(probed(by_rule))
    assert (found.follows, found.mirrored) == (1.0, 1.0)


def test_a_text_with_unknown_words_is_refused_and_the_others_are_asked() -> None:
    def english(e: RecordedEpisode, text: str) -> np.ndarray:
        if any(letter > "~" for letter in text):
            raise UserError("The VLM's tokenizer does not know every word")
        return learned(e, text)

    rows = [r for r in instruction_probes_of(probed(english)) if r.test == "paraphrased"]
    assert [row.text for row in rows] == [phrase.text for phrase in PARAPHRASES]
    for row in rows:
        assert (row.refused is not None) == (row.language == "ko")
        assert row.follows == (None if row.language == "ko" else 1.0)


def test_straight_episodes_cannot_be_swapped() -> None:
    assert turning_episodes([*EPISODES, episode("straight")]) == EPISODES
    with pytest.raises(UserError, match="No evaluation episode goes left or right"):
        turning_episodes([episode("straight")])


def test_the_share_of_one_key_sequence_by_direction() -> None:
    found = training_split([*EPISODES, episode("right", 3)], SPEED)
    assert found.common_sequence == {"left": 0.5, "right": 0.6}
    assert (found.episodes, found.count) == (9, {"left": 4, "right": 5})


def test_actions_beyond_what_training_saw() -> None:
    predictions = [Prediction("e", "left", e.actions.clip(-1, 1), e.actions) for e in EPISODES]
    x, y = spans(predictions, ("linear_x", "linear_y"), (1.0, 1.15))
    assert (x.trained, x.recorded, x.predicted) == (1.0, pytest.approx(1.15), 1.0)
    assert x.beyond == np.mean([np.abs(e.actions[:, 0]) > 1.1 for e in EPISODES])
    assert y.beyond == 0
