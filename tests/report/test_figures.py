"""Figures show what the values are, in signs and words too, and are the same bytes every time."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.figures import (
    ENDINGS,
    LossCurves,
    ending_of,
    loss_curves,
    loss_figure,
    loss_limits,
    matrix_figure,
    paths_figure,
    svg,
    thinned,
)
from mobile_vla.runs.metrics_csv import MetricsFile, read_metrics
from mobile_vla.runs.results import Rollout

WORDS = {"train": "train", "validation": "val", "step_axis": "step", "loss_axis": "loss"}
ENDING_WORDS = {ending: ending for ending in ENDINGS}
NUMBER = r"-?[\d.]+"


def drawn(figure, title="t", description="d"):
    text = svg(figure, title, description)
    ElementTree.fromstring(text)
    return text


def points_of(text, name):
    """Coordinates of the lines of a class, px with y downwards."""
    paths = re.findall(rf'<g class="{name}">\s*<path d="([^"]+)"', text)
    return [
        [(float(x), float(y)) for x, y in re.findall(rf"[ML] ({NUMBER}) ({NUMBER})", path)]
        for path in paths
    ]


def test_curves_join_losses_to_their_steps_and_skip_what_is_no_number(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    metrics.append(step=1, train_loss=0.5)
    metrics.append(step=2, train_loss=math.nan)
    metrics.append(step=2, val_loss=0.25)
    metrics.append(train_loss=0.1)
    assert loss_curves(read_metrics(metrics.path)) == LossCurves([(1.0, 0.5)], [(2.0, 0.25)])


def test_a_tenth_of_the_loss_lies_one_decade_lower():
    curves = LossCurves([(0, 1.0), (5, 0.1), (10, 0.01)], [])
    ((x0, y0), (x1, y1), (x2, y2)) = points_of(
        drawn(loss_figure(curves, (0.01, 1.0), WORDS)), "train-loss"
    )[0]
    assert math.isclose(y1 - y0, y2 - y1, abs_tol=0.01) and y2 > y1 > y0
    assert math.isclose(x1 - x0, x2 - x1, abs_tol=0.01) and x1 > x0


def test_left_is_drawn_left_and_ahead_is_up():
    text = drawn(paths_figure([("success", [(0.0, 0.0), (1.0, 0.5)])], ENDING_WORDS))
    ((x0, y0), (x1, y1)) = points_of(text, "path-success")[0]
    assert x1 < x0 and y1 < y0


def test_endings_differ_in_line_style_and_the_legend_counts_them_in_words():
    styles = [style for _, style in ENDINGS.values()]
    assert len(set(styles)) == len(styles)
    paths = [("success", [(0, 0), (1, 1)])] * 2 + [("collision", [(0, 0), (1, -1)])]
    text = drawn(paths_figure(paths, ENDING_WORDS))
    assert ">success 2<" in text and ">collision 1<" in text and "not_reached" not in text
    assert "stroke-dasharray" in text


@pytest.mark.parametrize(
    ("changes", "ending"),
    [({}, "success"), ({"success": False, "collision": True}, "collision"),
     ({"success": False, "side": "right"}, "other_side"),
     ({"success": False, "side": None}, "not_reached")],
)  # fmt: skip
def test_how_a_rollout_ended(changes, ending):
    values = {"scene": 1, "direction": "left", "success": True, "collision": False, "side": "left",
              "path_length": 1.0, "steps": 2, "path": [(0.0, 0.0), (1.0, 0.5)]}  # fmt: skip
    assert ending_of(Rollout(**{**values, **changes})) == ending


def test_same_values_same_bytes_and_title_and_description_stand_in_the_svg():
    curves = LossCurves([(1, 0.5), (2, 0.3)], [(2, 0.4)])
    first, second = (svg(loss_figure(curves, (0.1, 1.0), WORDS), "<a>", "b & c") for _ in range(2))
    assert first == second
    root = ElementTree.fromstring(first)
    assert root.get("role") == "img" and root.get("aria-label") == "<a>"
    assert [child.text for child in root][:2] == ["<a>", "b & c"]
    assert "<metadata" not in first and "<style" not in first and "<!DOCTYPE" not in first


def test_two_figures_of_a_page_share_no_id():
    curves = LossCurves([(1, 0.5), (2, 0.3)], [(2, 0.4)])
    one, two = (svg(loss_figure(curves, (0.1, 1.0), WORDS), title, "") for title in ("a", "b"))
    ids = [re.findall(r'\bid="([^"]+)"', text) for text in (one, two)]
    assert ids[0] and not set(ids[0]) & set(ids[1])
    for text, own in zip((one, two), ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(own)


def test_a_name_with_signs_of_formulas_is_shown_as_it_stands():
    text = drawn(matrix_figure(["a$b$", "c_d"], [[("", "–"), ("valid", "x")]] * 2))
    assert ">a$b$<" in text and ">✓ x<" in text


@given(st.lists(st.floats(1e-8, 1e8), min_size=1), st.integers(1, 50))
def test_thinning_keeps_the_mean_range_and_the_last_step(values, most):
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thinned(points, most)
    assert len(kept) <= most and kept[-1][0] == points[-1][0]
    assert min(values) * 0.999999 <= min(v for _, v in kept)
    assert max(v for _, v in kept) <= max(values) * 1.000001


@given(st.lists(st.floats(1e-8, 1e8), max_size=20))
def test_limits_are_powers_of_ten_around_every_loss(values):
    low, high = loss_limits([LossCurves([(1.0, v) for v in values], [])])
    assert low < high and all(low * 0.999 <= v <= high * 1.001 for v in values)


def test_a_run_without_losses_still_draws():
    drawn(loss_figure(LossCurves([], []), loss_limits([]), WORDS))
