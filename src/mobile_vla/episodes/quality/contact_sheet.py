"""The contact sheet: the episodes of a data set and the findings of its check, as one HTML file.

It has no scripts and fetches nothing; line style and position repeat what colours show.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mobile_vla.episodes.direction import path_from_above
from mobile_vla.episodes.episode_summary import EpisodeSummary
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.quality.run import CheckedFolder
from mobile_vla.messages.catalogue import phrase, sentence, term
from mobile_vla.messages.formats import Language
from mobile_vla.runs.files import write_named

SIDES = ("left", "right", "straight", "unknown")
LANES = ("ahead", "leftward", "turn")
_LANE = (250.0, 24.0)
_ABOVE, _MARGIN = (680.0, 420.0), 26.0
_GRID = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_OPEN = 12
"""Findings of a check up to which the page shows them unfolded."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class SequenceDrawing:
    """One distinct action sequence: how many episodes drive it, and one of them.

    `lanes` are (name, SVG points of positive values, of negative values); `path` is the path seen
    from above.
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
class FloorPlan:
    """The floor seen from above, the start at (0, 0): ahead is up, left is left."""

    width: float
    height: float
    x0: float
    y0: float
    scale: float
    grid: float

    @classmethod
    def around(cls, paths: Iterable[np.ndarray]) -> FloorPlan:
        """The floor that holds all `paths`, each (T + 1, 2) metres ahead and to the left."""
        points = np.concatenate([np.zeros((1, 2)), *paths])
        front, back = max(points[:, 0].max(), 0.5), min(points[:, 0].min(), 0.0)
        aside = max(float(np.abs(points[:, 1]).max()), 0.5)
        inner = (_ABOVE[0] - 2 * _MARGIN, _ABOVE[1] - 2 * _MARGIN)
        scale = float(min(inner[0] / (2 * aside), inner[1] / (front - back)))
        height = (front - back) * scale + 2 * _MARGIN
        grid = next((g for g in _GRID if g * scale >= 45), _GRID[-1])
        return cls(_ABOVE[0], height, _ABOVE[0] / 2, _MARGIN + front * scale, scale, grid)

    def points(self, metres: np.ndarray) -> list[Point]:
        """(N, 2) metres ahead and to the left, as points of the drawing."""
        return [
            (self.x0 - left * self.scale, self.y0 - ahead * self.scale) for ahead, left in metres
        ]

    def columns(self) -> list[tuple[float, float]]:
        """(metres to the left, x) of the grid's vertical lines."""
        most = int(self.x0 / self.scale / self.grid)
        return [
            (n * self.grid, self.x0 - n * self.grid * self.scale) for n in range(-most, most + 1)
        ]

    def rows(self) -> list[tuple[float, float]]:
        """(metres ahead, y) of the grid's horizontal lines."""
        first = -int((self.height - self.y0) / self.scale / self.grid)
        last = int(self.y0 / self.scale / self.grid)
        return [
            (n * self.grid, self.y0 - n * self.grid * self.scale) for n in range(first, last + 1)
        ]


def write_page(checked: CheckedFolder, path: Path, language: Language = "en") -> None:
    """Write the page of a set that was checked with strips."""
    write_named(path, render_page(checked, language).encode())


def render_page(checked: CheckedFolder, language: Language = "en") -> str:
    """The page: findings, counts, every distinct action sequence, every path from above."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobile_vla.episodes.quality", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    floor = FloorPlan.around(path_from_above(e.actions, e.step) for e in checked.episodes)
    return environment.get_template("contact_sheet.html.j2").render(
        report=checked.report,
        language=language,
        t=partial(_text, language),
        verdict=_verdict(checked),
        groups=_groups(checked.findings, language),
        counts=_counts(checked),
        sides=[side for side in SIDES if side in {_side(episode) for episode in checked.episodes}],
        drawings=draw_sequences(checked.episodes, floor),
        floor=floor,
        fastest=_fastest(checked.episodes),
        lane=_LANE,
    )


def draw_sequences(episodes: Sequence[EpisodeSummary], floor: FloorPlan) -> list[SequenceDrawing]:
    """One drawing for each distinct action sequence of a direction, the commonest first."""
    groups: dict[tuple[str, bytes], list[EpisodeSummary]] = {}
    for episode in episodes:
        groups.setdefault((_side(episode), episode.sequence), []).append(episode)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0][0], item[1][0].id))
    fastest = _fastest(episodes)
    return [_draw(direction, members, floor, fastest) for (direction, _), members in ordered]


def _draw(
    direction: str, members: Sequence[EpisodeSummary], floor: FloorPlan, fastest: float
) -> SequenceDrawing:
    shown = members[0]
    return SequenceDrawing(
        count=len(members),
        direction=direction,
        episode=shown.source,
        frames=len(shown.actions),
        seconds=len(shown.actions) * shown.step,
        pictures=[base64.b64encode(picture).decode() for picture in shown.strip],
        lanes=[
            (name, _lane(values.clip(0) / fastest), _lane(values.clip(max=0) / fastest))
            for name, values in zip(LANES, shown.actions.T, strict=False)
        ],
        path=_points(floor.points(path_from_above(shown.actions, shown.step))),
    )


def _lane(shares: np.ndarray) -> str:
    """A velocity, as shares of the fastest, as a filled step line about the lane's middle."""
    width, height = _LANE
    places = np.linspace(0, width, len(shares) + 1).repeat(2)
    levels = height / 2 * (1 - np.concatenate([[0], shares.repeat(2), [0]]))
    return _points(zip(places, levels, strict=True))


def _verdict(checked: CheckedFolder) -> str:
    if checked.report.spoils:
        return "bad"
    return "unsure" if checked.report.findings else "good"


def _groups(findings: Iterable[Finding], language: Language) -> list[dict[str, object]]:
    """Findings by check, spoiling ones first; a check with few is unfolded."""
    by_check: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: not f.spoils):
        by_check.setdefault(finding.check, []).append(finding)
    return [
        {
            "check": check,
            "meaning": term("check", check, language),
            "spoiling": sum(finding.spoils for finding in group),
            "findings": [(f.episode, sentence(f.reason, language), f.spoils) for f in group],
            "open": len(group) <= _OPEN,
        }
        for check, group in by_check.items()
    ]


def _counts(checked: CheckedFolder) -> list[tuple[str, list[tuple[str, dict[str, int]]], int]]:
    """(table, rows of (name, episodes by direction), most in a row): split, scene and date."""
    by_scene = _tally(checked.episodes, lambda e: e.parts.scene if e.parts else None)
    by_date = _tally(checked.episodes, lambda e: e.parts.date if e.parts else None)
    tables = {"split": checked.report.splits, "scene": by_scene, "date": by_date}
    return [
        (name, list(rows.items()), max(sum(row.values()) for row in rows.values()))
        for name, rows in tables.items()
        if rows
    ]


def _tally(
    episodes: Sequence[EpisodeSummary], key: Callable[[EpisodeSummary], str | None]
) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for episode in episodes:
        if name := key(episode):
            counts.setdefault(name, Counter())[_side(episode)] += 1
    return {name: dict(sides) for name, sides in sorted(counts.items())}


def _side(episode: EpisodeSummary) -> str:
    return episode.evidence.agreed or "unknown"


def _fastest(episodes: Sequence[EpisodeSummary]) -> float:
    return max((float(np.abs(e.actions).max()) for e in episodes), default=0.0) or 1.0


def _text(language: Language, key: str, **values: str | float) -> str:
    return phrase(f"contact_sheet.{key}", language, **values)


def _points(line: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
