"""An episode at a glance: frames in a row, velocities below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.runs.files import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

COLUMNS = (("ahead", "m/s"), ("left", "m/s"), ("turn", "rad/s"))
_LARGEST_ROW = 18
_HANGUL = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "NanumSquareRound", "UnDotum",
           "Malgun Gothic", "Apple SD Gothic Neo")  # fmt: skip


def draw_episode(episode: Episode, png_path: Path) -> None:
    """Draw up to 18 frames evenly chosen, and every action, to a PNG file."""
    from matplotlib.figure import Figure

    shown = np.unique(np.linspace(0, len(episode) - 1, _LARGEST_ROW).round().astype(int))
    height, width = episode.images.shape[1:3]
    row = 18 / len(shown) * height / width
    figure = Figure(figsize=(18, row + 3), layout="constrained")
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=[row + 0.5, 2.5])).ravel()
    _draw_frames(upper, episode, shown)
    _draw_actions(lower.subplots(), episode)
    title = f"{episode.id}: “{episode.instruction or 'no instruction'}”"
    figure.suptitle(title, fontsize=11, fontfamily=_families())
    with written_beside(png_path) as beside:
        figure.savefig(beside, format="png", dpi=100)


def _families() -> list[str]:
    """Matplotlib's font, then the fonts of this machine that have Hangul."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _HANGUL if name in installed)]


def _draw_frames(figure: SubFigure, episode: Episode, shown: np.ndarray) -> None:
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, index in zip(axes, shown, strict=True):
        axis.imshow(episode.images[index])
        axis.set_title(f"{index * episode.step:.1f} s", fontsize=8)
        axis.axis("off")


def _draw_actions(axis: Axes, episode: Episode) -> None:
    """One step line for each velocity: action t holds from t to t + step."""
    edges = np.arange(len(episode) + 1) * episode.step
    for column, (name, unit) in enumerate(COLUMNS[: episode.actions.shape[1]]):
        axis.stairs(episode.actions[:, column], edges, baseline=None, label=f"{name} ({unit})")
    axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axis.set_xlim(0, edges[-1])
    axis.set_xlabel("time (s)")
    axis.legend(loc="upper right", fontsize=8, ncols=len(COLUMNS))
