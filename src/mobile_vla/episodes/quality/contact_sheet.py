"""The contact sheet: what a data set holds and what is wrong with it, as one HTML file.

No scripts and nothing fetched; colours are told apart by line style and place too.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobile_vla.episodes.direction import from_above
from mobile_vla.episodes.episode_summary import Seen
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.quality.contact_sheet_words import Language, Words, words_of
from mobile_vla.episodes.quality.run import Checked
from mobile_vla.runs.files import write_atomic

SIDES = ("left", "right", "straight", "unknown")
LANES = ("ahead", "leftward", "turn")
_LANE = (250.0, 24.0)
_ABOVE, _MARGIN = (680.0, 420.0), 26.0
_GRID = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_OPEN = 12
"""Findings of a check up to which they stand open on the page."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One distinct action sequence: how many episodes drive it, of which one is shown.

    `lanes` are (name, SVG points of what is positive, of what is negative); `path` is its way from
    above.
    """

    count: int
    direction: str
    episode: str
    frames: int
    seconds: float
    pictures: list[str]
    lanes: list[tuple[str, str, str]]
    path: str


@dataclass(frozen=True, slots=True)
class Ground:
    """The floor seen from above, the start at (0, 0): ahead is up, left is left."""

    width: float
    height: float
    x0: float
    y0: float
    scale: float
    grid: float

    @classmethod
    def around(cls, ways: Iterable[np.ndarray]) -> Ground:
        """The floor that holds all of these (T + 1, 2) metres ahead and to the left."""
        points = np.concatenate([np.zeros((1, 2)), *ways])
        front, back = max(points[:, 0].max(), 0.5), min(points[:, 0].min(), 0.0)
        aside = max(float(np.abs(points[:, 1]).max()), 0.5)
        inner = (_ABOVE[0] - 2 * _MARGIN, _ABOVE[1] - 2 * _MARGIN)
        scale = float(min(inner[0] / (2 * aside), inner[1] / (front - back)))
        height = (front - back) * scale + 2 * _MARGIN
        grid = next((g for g in _GRID if g * scale >= 45), _GRID[-1])
        return cls(_ABOVE[0], height, _ABOVE[0] / 2, _MARGIN + front * scale, scale, grid)

    def points(self, metres: np.ndarray) -> list[Point]:
        """(N, 2) metres ahead and to the left, as places on the drawing."""
        return [
            (self.x0 - left * self.scale, self.y0 - ahead * self.scale) for ahead, left in metres
        ]

    def columns(self) -> list[tuple[float, float]]:
        """(metres to the left, place) of the grid's upright lines."""
        most = int(self.x0 / self.scale / self.grid)
        return [
            (n * self.grid, self.x0 - n * self.grid * self.scale) for n in range(-most, most + 1)
        ]

    def rows(self) -> list[tuple[float, float]]:
        """(metres ahead, place) of the grid's level lines."""
        first = -int((self.height - self.y0) / self.scale / self.grid)
        last = int(self.y0 / self.scale / self.grid)
        return [
            (n * self.grid, self.y0 - n * self.grid * self.scale) for n in range(first, last + 1)
        ]


def write_page(checked: Checked, path: Path, language: Language = "en") -> None:
    """Write the page of a set that was checked with strips, whole or not at all."""
    write_atomic(path, render_page(checked, language).encode())


def render_page(checked: Checked, language: Language = "en") -> str:
    """The page: findings, counts, every distinct action sequence, every way from above."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobile_vla.episodes.quality", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = words_of(language)
    ground = Ground.around(from_above(one.actions, one.step) for one in checked.seen)
    return environment.get_template("check.html.j2").render(
        report=checked.report,
        language=language,
        words=words,
        verdict=_verdict(checked),
        groups=_groups(checked.report.findings, words),
        counts=_counts(checked),
        sides=[side for side in SIDES if side in {_side(one) for one in checked.seen}],
        drawn=draw_sequences(checked.seen, ground),
        ground=ground,
        fastest=_fastest(checked.seen),
        lane=_LANE,
    )


def draw_sequences(seen: Sequence[Seen], ground: Ground) -> list[Drawn]:
    """One drawing for each distinct action sequence of a direction, the commonest first."""
    groups: dict[tuple[str, bytes], list[Seen]] = {}
    for one in seen:
        groups.setdefault((_side(one), one.sequence), []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0][0], item[1][0].id))
    fastest = _fastest(seen)
    return [_draw(direction, ones, ground, fastest) for (direction, _), ones in ordered]


def _draw(direction: str, ones: Sequence[Seen], ground: Ground, fastest: float) -> Drawn:
    shown = ones[0]
    return Drawn(
        count=len(ones),
        direction=direction,
        episode=shown.source,
        frames=len(shown.actions),
        seconds=len(shown.actions) * shown.step,
        pictures=[base64.b64encode(picture).decode() for picture in shown.strip],
        lanes=[
            (name, _lane(values.clip(0) / fastest), _lane(values.clip(max=0) / fastest))
            for name, values in zip(LANES, shown.actions.T, strict=False)
        ],
        path=_points(ground.points(from_above(shown.actions, shown.step))),
    )


def _lane(shares: np.ndarray) -> str:
    """A velocity, as shares of the fastest, as a filled step line about the lane's middle."""
    width, height = _LANE
    places = np.linspace(0, width, len(shares) + 1).repeat(2)
    levels = height / 2 * (1 - np.concatenate([[0], shares.repeat(2), [0]]))
    return _points(zip(places, levels, strict=True))


def _verdict(checked: Checked) -> str:
    if checked.report.spoils:
        return "bad"
    return "unsure" if checked.report.findings else "good"


def _groups(findings: Iterable[Finding], words: Words) -> list[dict[str, object]]:
    """Findings by check, those first that spoil training; a check's few stand open."""
    by_check: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: not f.spoils):
        by_check.setdefault(finding.check, []).append(finding)
    return [
        {
            "check": check,
            "meaning": words.meaning[found[0].check],
            "spoiling": sum(one.spoils for one in found),
            "findings": [(one.episode, words.finding(one.what), one.spoils) for one in found],
            "open": len(found) <= _OPEN,
        }
        for check, found in by_check.items()
    ]


def _counts(checked: Checked) -> list[tuple[str, list[tuple[str, dict[str, int]]], int]]:
    """(what, rows of (name, episodes by direction), most in a row): split, scene and date."""
    by_scene = _tally(checked.seen, lambda one: one.parts.scene if one.parts else None)
    by_date = _tally(checked.seen, lambda one: one.parts.date if one.parts else None)
    tables = {"split": checked.report.splits, "scene": by_scene, "date": by_date}
    return [
        (what, list(rows.items()), max(sum(row.values()) for row in rows.values()))
        for what, rows in tables.items()
        if rows
    ]


def _tally(seen: Sequence[Seen], key: Callable[[Seen], str | None]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for one in seen:
        name = key(one)
        if name:
            found.setdefault(name, Counter())[_side(one)] += 1
    return {name: dict(sides) for name, sides in sorted(found.items())}


def _side(one: Seen) -> str:
    return one.told.agreed or "unknown"


def _fastest(seen: Sequence[Seen]) -> float:
    return max((float(np.abs(one.actions).max()) for one in seen), default=0.0) or 1.0


def _points(line: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
