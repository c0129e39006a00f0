"""The contact sheet: what a data set holds and what is wrong with it, as one HTML file.

No scripts and nothing fetched; colours are told apart by line style too.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobile_vla.episodes.check import Checked, summary
from mobile_vla.episodes.seen import Seen
from mobile_vla.record.files import write_atomic

COLUMNS = ("ahead, m/s", "left, m/s", "turn, rad/s")
_PLOT = (300.0, 72.0)
_ABOVE = (560.0, 420.0)
_MARGIN = 14.0
Line = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One distinct action sequence: how many episodes drive it, of which one is shown.

    `path` is its trajectory from above and `curves` its velocities, as SVG points.
    """

    count: int
    direction: str
    episode: str
    frames: int
    pictures: list[str]
    curves: list[tuple[str, str]]
    zero: float
    path: str


def write_page(checked: Checked, path: Path) -> None:
    """Write the page of a set that was checked with strips, whole or not at all."""
    write_atomic(path, render_page(checked).encode())


def render_page(checked: Checked) -> str:
    """The page: findings, counts, every distinct action sequence, every trajectory from above."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobile_vla.episodes", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = draw_sequences(checked.seen)
    return environment.get_template("check.html.j2").render(
        report=checked.report,
        summary=summary(checked.report),
        drawn=drawn,
        plot=_PLOT,
        above=_ABOVE,
        reach=_reach(checked.seen),
    )


def draw_sequences(seen: Sequence[Seen]) -> list[Drawn]:
    """One drawing for each distinct action sequence of a direction, the commonest first."""
    groups: dict[tuple[str, bytes], list[Seen]] = {}
    for one in seen:
        groups.setdefault((one.told.agreed or "unknown", one.sequence), []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0][0], item[1][0].id))
    reach = _reach(seen)
    fastest = max((float(np.abs(one.actions).max()) for one in seen), default=0.0) or 1.0
    return [_draw(direction, ones, reach, fastest) for (direction, _), ones in ordered]


def from_above(actions: np.ndarray, step: float) -> np.ndarray:
    """(T + 1, 2) metres ahead and to the left of the start, velocities held `step` s each."""
    heading = np.zeros(len(actions))
    if actions.shape[1] == 3:
        heading[1:] = np.cumsum(actions[:-1, 2].astype(float) * step)
    ahead = np.cos(heading) * actions[:, 0] - np.sin(heading) * actions[:, 1]
    left = np.sin(heading) * actions[:, 0] + np.cos(heading) * actions[:, 1]
    steps = np.stack([ahead, left], axis=1) * step
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _draw(direction: str, ones: Sequence[Seen], reach: float, fastest: float) -> Drawn:
    shown = ones[0]
    return Drawn(
        count=len(ones),
        direction=direction,
        episode=shown.source,
        frames=len(shown.actions),
        pictures=[base64.b64encode(picture).decode() for picture in shown.strip],
        curves=[
            (name, _points(_curve(shown.actions[:, column], fastest)))
            for column, name in enumerate(COLUMNS[: shown.actions.shape[1]])
        ],
        zero=_PLOT[1] / 2,
        path=_points(_trajectory(from_above(shown.actions, shown.step), reach)),
    )


def _curve(values: np.ndarray, fastest: float) -> Line:
    """A velocity as a step line over the plot's width, full speed 4 px from the edges."""
    width, height = _PLOT
    high = height / 2 - 4
    points: Line = []
    for index, value in enumerate(values):
        y = height / 2 - float(value) / fastest * high
        points += [(index * width / len(values), y), ((index + 1) * width / len(values), y)]
    return points


def _trajectory(metres: np.ndarray, reach: float) -> Line:
    """Ahead is up, left is left; `reach` metres span half the width, the start is at the bottom."""
    width, height = _ABOVE
    scale = min((width / 2 - _MARGIN) / reach, (height - 2 * _MARGIN) / reach)
    return [
        (width / 2 - float(left) * scale, height - _MARGIN - float(ahead) * scale)
        for ahead, left in metres
    ]


def _reach(seen: Sequence[Seen]) -> float:
    furthest = [float(np.abs(from_above(one.actions, one.step)).max()) for one in seen]
    return max(furthest, default=0.0) or 1.0


def _points(line: Line) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
