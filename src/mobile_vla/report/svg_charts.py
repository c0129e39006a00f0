"""Charts as SVG text: loss curves and paths from above. Same values, same bytes; no scripts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from mobile_vla.analysis.wording import Language, plain
from mobile_vla.report.headings import text
from mobile_vla.runs.results import Rollout

Point = tuple[float, float]
WIDTH, HEIGHT = 320.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 10.0, 36.0
FLOOR_WIDTH, FLOOR_HEIGHT = 180.0, 280.0
MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class Curves:
    """Training and validation loss of one run: (optimiser step, loss)."""

    train: list[Point]
    val: list[Point]


def curves_of(columns: dict[str, list[tuple[int, float]]]) -> Curves:
    """The curves in a metrics file's columns, joined to their step by line number."""
    steps = dict(columns.get("step", []))

    def joined(name: str) -> list[Point]:
        return [
            (steps[line], value)
            for line, value in columns.get(name, [])
            if line in steps and math.isfinite(value) and value > 0
        ]

    return Curves(joined("train_loss"), joined("val_loss"))


def loss_chart(curves: Curves, title: str, limits: tuple[float, float], language: Language) -> str:
    """Training loss as a line, validation loss as points, on a logarithmic axis over `limits`."""
    last = max((step for step, _ in [*curves.train, *curves.val]), default=1.0) or 1.0
    low, high = (math.log10(limit) for limit in limits)

    def place(point: Point) -> Point:
        x = LEFT + (WIDTH - LEFT - RIGHT) * point[0] / last
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log10(point[1])) / (high - low)
        return x, y

    parts = [_axes(text("step_axis", language), text("loss_axis", language), last)]
    for exponent in range(math.ceil(low), math.floor(high) + 1):
        _, y = place((0, 10.0**exponent))
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "grid"))
        parts.append(_text(LEFT - 4, y + 4, plain(10.0**exponent, 1), "end"))
    train = _polyline([place(point) for point in thinned(curves.train)], "train")
    dots = "".join(_circle(*place(point)) for point in curves.val)
    return _svg(title, "".join(parts) + train + dots)


def loss_limits(runs: Iterable[Curves]) -> tuple[float, float]:
    """One range of powers of ten for all charts, so that they can be looked at side by side."""
    losses = [loss for run in runs for _, loss in (*run.train, *run.val)]
    if not losses:
        return 0.1, 1.0
    low, high = math.floor(math.log10(min(losses))), math.ceil(math.log10(max(losses)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points: means of equal runs of neighbours where there are more."""
    size = max(1, math.ceil(len(points) / most))
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def paths_chart(rollouts: Sequence[Rollout], title: str, direction: str) -> str:
    """Paths (m) under one instruction, coloured and dashed by outcome; + y (left) is left."""
    chosen = [drive for drive in rollouts if drive.direction == direction and drive.path]
    ahead = max([6.0, *(x for drive in rollouts for x, _ in drive.path)])
    across = max([1.5, *(abs(y) for drive in rollouts for _, y in drive.path)])
    floor = FLOOR_HEIGHT - TOP
    scale = min((floor - TOP) / (ahead + 0.5), (FLOOR_WIDTH - 40) / (2 * across))

    def place(point: Point) -> Point:
        return FLOOR_WIDTH / 2 + 10 - scale * point[1], floor - scale * point[0]

    parts = []
    for metres in range(0, math.floor(ahead) + 1, 2):
        _, y = place((metres, 0))
        parts.append(_line(30, y, FLOOR_WIDTH, y, "grid"))
        parts.append(_text(27, y + 4, f"{metres} m", "end"))
    parts += [_polyline([place(point) for point in drive.path], outcome(drive)) for drive in chosen]
    return _svg(title, "".join(parts), FLOOR_WIDTH, FLOOR_HEIGHT)


def outcome(drive: Rollout) -> str:
    """How a drive ended: "success", "collision" or "other"."""
    if drive.success:
        return "success"
    return "collision" if drive.collision else "other"


def _svg(title: str, content: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{content}</svg>'
    )


def _axes(x_label: str, y_label: str, last: float) -> str:
    bottom = HEIGHT - BOTTOM
    return (
        _line(LEFT, TOP, LEFT, bottom, "axis")
        + _line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis")
        + _text(LEFT, bottom + 14, "0", "middle")
        + _text(WIDTH - RIGHT, bottom + 14, f"{last:.0f}", "end")
        + _text((LEFT + WIDTH) / 2, HEIGHT - 6, x_label, "middle")
        + f'<text transform="translate(11 {(TOP + bottom) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, label: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(label)}</text>'


def _circle(x: float, y: float) -> str:
    return f'<circle class="val" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'


def _polyline(points: Sequence[Point], kind: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{joined}"/>' if points else ""
