"""Metrics by hand, and what must hold of any prediction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.evaluation.metrics import (
    Prediction,
    definitions,
    episode_values,
    score,
    sideways,
)
from mobile_vla.runs.results import Metric, Scored

NAMES = ("linear_x", "linear_y")
SPEED = 1.0
FLOATS = st.floats(-2, 2, width=32)


def episode(predicted: list[list[float]], recorded: list[list[float]], **more: str) -> Prediction:
    named = {"episode": "e", "direction": "left", **more}
    return Prediction(predicted=np.array(predicted), recorded=np.array(recorded), **named)


def values(predicted: list[list[float]], recorded: list[list[float]]) -> dict[str, float]:
    return episode_values(episode(predicted, recorded), NAMES, SPEED)


def metric(scored: Scored, name: str) -> Metric:
    return next(m for m in scored.metrics if m.name == name)


def test_errors_by_hand() -> None:
    found = values([[1, 0], [0, 1]], [[0, 0], [0, 4]])
    assert found["mae"] == 1.0
    assert (found["mae_linear_x"], found["mae_linear_y"]) == (0.5, 1.5)
    assert (found["mse_linear_x"], found["mse_linear_y"]) == (0.5, 4.5)


def test_the_root_is_taken_of_the_mean_over_episodes() -> None:
    """Roots do not average: of errors 1 and 7 the RMSE is 5, not 4."""
    scored = score(
        "policy", [episode([[1, 0]], [[0, 0]]), episode([[7, 0]], [[0, 0]])], NAMES, SPEED
    )
    assert metric(scored, "rmse_linear_x").value == pytest.approx(5.0)
    assert metric(scored, "mae_linear_x").value == pytest.approx(4.0)


def test_phases_by_hand() -> None:
    predicted = np.zeros((18, 2))
    recorded = np.zeros((18, 2))
    recorded[:5], recorded[5:14], recorded[14:] = 1, 2, 3
    found = values(predicted.tolist(), recorded.tolist())
    assert [found[f"phase_{phase}_mae"] for phase in ("start", "middle", "end")] == [1, 2, 3]
    short = values(predicted[:5].tolist(), recorded[:5].tolist())
    assert "phase_middle_mae" not in short
    assert "phase_end_mae" not in short


LEFTWARDS = [[1, 0], [1, 1], [1, 1], [1, 0], [1, -1], [1, -1], [1, -1]]


def test_direction_is_of_the_first_manoeuvre_alone() -> None:
    """The way back, which is longer, goes to the other side."""
    there = [[1, -1], [1, 0.3], [1, -0.1], [1, -1], [1, -1], [1, -1], [1, -1]]
    assert sideways(np.array(there), np.array(LEFTWARDS), SPEED) == pytest.approx(0.1)
    assert values(there, LEFTWARDS)["direction_accuracy"] == 1
    mirrored = (np.array(LEFTWARDS) * [1, -1]).tolist()
    assert values(there, mirrored)["direction_accuracy"] == 0


def test_standing_still_goes_to_no_side() -> None:
    assert values([[0, 0]] * 7, LEFTWARDS)["direction_accuracy"] == 0


def test_a_recording_without_a_side_has_no_direction_accuracy() -> None:
    straight = [[1, 0], [1, 0.4]]
    assert sideways(np.ones((2, 2)), np.array(straight), SPEED) is None
    assert "direction_accuracy" not in values([[1, 1], [1, 1]], straight)
    scored = score("p", [episode([[1, 1]], [[1, 0]]), episode([[0, 1]], [[0, 1]])], NAMES, SPEED)
    assert metric(scored, "direction_accuracy").n == 1
    assert metric(scored, "mae").n == 2


def test_perfect_match_by_hand() -> None:
    """A key counts as pressed beyond half of full speed."""
    predicted = [[0.6, 0.0], [0.4, 0.0], [0.9, -0.6], [0.5, 0.0]]
    recorded = [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert values(predicted, recorded)["perfect_match"] == 0.5


@st.composite
def pairs(draw: st.DrawFn) -> Prediction:
    count = draw(st.integers(1, 20))
    rows = st.lists(st.tuples(FLOATS, FLOATS), min_size=count, max_size=count)
    return episode([*map(list, draw(rows))], [*map(list, draw(rows))])


@given(pairs())
def test_what_holds_of_any_prediction(prediction: Prediction) -> None:
    found = episode_values(prediction, NAMES, SPEED)
    for name in NAMES:
        assert found[f"mae_{name}"] ** 2 <= found[f"mse_{name}"] + 1e-6
    assert found["mae"] == pytest.approx((found["mae_linear_x"] + found["mae_linear_y"]) / 2)
    assert 0 <= found["perfect_match"] <= 1
    assert found.get("direction_accuracy", 0.0) in (0.0, 1.0)
    assert all(math.isfinite(value) for value in found.values())


@given(pairs())
def test_the_recording_itself_is_perfect(prediction: Prediction) -> None:
    truth = episode(prediction.recorded.tolist(), prediction.recorded.tolist())
    found = episode_values(truth, NAMES, SPEED)
    assert found["mae"] == 0
    assert found["perfect_match"] == 1
    assert found.get("direction_accuracy", 1.0) == 1.0


@given(pairs())
def test_mirrored_it_is_judged_the_same(prediction: Prediction) -> None:
    mirror = np.array([1.0, -1.0])
    turned = episode(
        (prediction.predicted * mirror).tolist(), (prediction.recorded * mirror).tolist()
    )
    ours, theirs = (episode_values(p, NAMES, SPEED) for p in (prediction, turned))
    assert ours == pytest.approx(theirs)


@given(st.lists(pairs(), min_size=1, max_size=6), st.data())
def test_scores_by_direction_weigh_up_to_the_whole(
    predictions: list[Prediction], data: st.DataObject
) -> None:
    turning_episodes = [
        Prediction(f"e{n}", data.draw(st.sampled_from(["left", "right"])), p.predicted, p.recorded)
        for n, p in enumerate(predictions)
    ]
    scored = score("policy", turning_episodes, NAMES, SPEED)
    parts = [m for side in scored.by_direction.values() for m in side if m.name == "mae"]
    assert sum(m.n for m in parts) == len(turning_episodes)
    total = sum(m.value * m.n for m in parts) / len(turning_episodes)
    assert metric(scored, "mae").value == pytest.approx(total)
    assert [row.episode for row in scored.episodes] == [p.episode for p in turning_episodes]


def test_every_metric_carries_its_definition_and_unit() -> None:
    defined = definitions(("linear_x", "linear_y", "angular_z"), 1.15)
    scored = score(
        "p", [Prediction("e", "left", np.ones((18, 3)), np.ones((18, 3)))],
        ("linear_x", "linear_y", "angular_z"), 1.15,
    )  # fmt: skip
    assert {m.name for m in scored.metrics} == defined.keys()
    assert all(m.definition and m.unit for m in scored.metrics)
    assert metric(scored, "mae_angular_z").unit == "rad/s"
    assert metric(scored, "rmse_linear_x").unit == "m/s"
    assert "0.575 m/s" in metric(scored, "perfect_match").definition
