"""Charts say what the values say."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.report.svg_charts import (
    Curves,
    curves_of,
    loss_chart,
    loss_limits,
    outcome,
    paths_chart,
    thinned,
)
from mobile_vla.runs.metrics_csv import MetricsFile, read_metrics
from mobile_vla.runs.results import Rollout


def drive(**changes):
    values = {"scene": 1, "direction": "left", "success": True, "collision": False, "side": "left",
              "path_length": 1.0, "steps": 2, "path": [(0.0, 0.0), (1.0, 0.5)]}  # fmt: skip
    return Rollout(**{**values, **changes})


def test_curves_join_losses_to_their_steps_and_skip_what_is_no_number(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    metrics.append(step=1, train_loss=0.5)
    metrics.append(step=2, train_loss=math.nan)
    metrics.append(step=2, val_loss=0.25)
    metrics.append(train_loss=0.1)
    assert curves_of(read_metrics(metrics.path)) == Curves([(1.0, 0.5)], [(2.0, 0.25)])


def test_a_tenth_of_the_loss_lies_one_decade_lower():
    svg = loss_chart(Curves([], [(0, 1.0), (5, 0.1), (10, 0.01)]), "t", (0.01, 1.0), "en")
    points = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert math.isclose(y1 - y0, y2 - y1, abs_tol=0.11) and y2 > y1 > y0
    assert math.isclose(x1 - x0, x2 - x1, abs_tol=0.11) and x1 > x0


def test_left_is_drawn_left_and_ahead_is_up():
    svg = paths_chart([drive()], "t", "left")
    (x0, y0), (x1, y1) = re.findall(r'points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', svg)[0:1] and [
        tuple(map(float, pair.split(",")))
        for pair in re.search(r'points="([^"]+)"', svg)[1].split()
    ]
    assert x1 < x0 and y1 < y0
    assert "polyline" not in paths_chart([drive()], "t", "right")


def test_outcomes():
    assert outcome(drive()) == "success"
    assert outcome(drive(success=False, collision=True)) == "collision"
    assert outcome(drive(success=False)) == "other"


@given(st.lists(st.floats(1e-8, 1e8), min_size=1), st.integers(1, 50))
def test_thinning_keeps_the_mean_range_and_the_last_step(values, most):
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thinned(points, most)
    assert len(kept) <= most and kept[-1][0] == points[-1][0]
    assert min(values) * 0.999999 <= min(v for _, v in kept)
    assert max(v for _, v in kept) <= max(values) * 1.000001


@given(st.lists(st.floats(1e-8, 1e8), max_size=20))
def test_limits_are_powers_of_ten_around_every_loss(values):
    low, high = loss_limits([Curves([(1.0, v) for v in values], [])])
    assert low < high and all(low * 0.999 <= v <= high * 1.001 for v in values)


def test_a_run_without_losses_still_draws():
    assert loss_chart(Curves([], []), "<t>", loss_limits([]), "en").count("&lt;t&gt;") == 2
