"""Images of rollouts: rows of camera frames, GIFs, and all paths from above."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.results import Rollout
from mobile_vla.simulator.geometry import GOAL_RADIUS, from_frame
from mobile_vla.simulator.scene import Scene

Film = list[np.ndarray]
Ending = Literal["success", "collision", "other_side", "not_reached"]
COLUMNS = 7
TILE = 160
CAPTION = 22
FILM_HEIGHT = 240
"""Pixels: a film of pictures at full size would take 70 MB."""
PIXELS_A_METRE = 120
MARGIN = 0.6
FRAME_MILLISECONDS = 400
COLOURS: dict[Ending, str] = {
    "success": "#1a7f37",
    "collision": "#c62828",
    "other_side": "#b26a00",
    "not_reached": "#616161",
}


def film_frame(picture: np.ndarray) -> np.ndarray:
    """A camera picture (H, W, 3) as a film keeps it: at most `FILM_HEIGHT` px high."""
    from PIL import Image

    height, width = picture.shape[:2]
    if height <= FILM_HEIGHT:
        return picture.copy()
    size = max(1, round(width * FILM_HEIGHT / height)), FILM_HEIGHT
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def ending_of(rollout: Rollout) -> Ending:
    """How a drive ended."""
    if rollout.success:
        return "success"
    if rollout.collision:
        return "collision"
    wrong = rollout.side is not None and rollout.side != rollout.direction
    return "other_side" if wrong else "not_reached"


def draw_rollouts(path: Path, rollouts: Sequence[Rollout], films: Sequence[Film]) -> None:
    """Write a PNG: a caption and seven frames, evenly spaced in time, of each drive."""
    from PIL import Image, ImageDraw

    row_height = TILE + CAPTION
    widths = [max(1, round(TILE * film[0].shape[1] / film[0].shape[0])) for film in films]
    sheet = Image.new("RGB", (COLUMNS * max(widths), row_height * len(rollouts)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (rollout, film, width) in enumerate(zip(rollouts, films, widths, strict=True)):
        pen.text((4, row * row_height + 4), caption(rollout), fill="black")
        for column, index in enumerate(np.linspace(0, len(film) - 1, COLUMNS).round()):
            tile = Image.fromarray(film[int(index)]).resize((width, TILE))
            sheet.paste(tile, (column * width, row * row_height + CAPTION))
    png = io.BytesIO()
    sheet.save(png, "PNG")
    write_atomic(path, png.getvalue())


def draw_gif(path: Path, film: Film) -> None:
    """Write a drive as a GIF that repeats, at the speed of the robot's steps."""
    from PIL import Image

    frames = [Image.fromarray(frame) for frame in film]
    gif = io.BytesIO()
    frames[0].save(
        gif, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0
    )
    write_atomic(path, gif.getvalue())


def draw_paths(path: Path, rollouts: Sequence[Rollout], scenes: Sequence[Scene]) -> None:
    """Write a PNG of all paths from above, ahead up and left left, with each scene's box.

    `scenes` are those of `rollouts`, in their order. The colour shows how a rollout ended.
    """
    from PIL import Image, ImageDraw

    reach = max(scene.basket_x + GOAL_RADIUS for scene in scenes) + MARGIN
    aside = max([2.0, *(abs(y) for rollout in rollouts for _, y in rollout.path)]) + MARGIN
    size = round(2 * aside * PIXELS_A_METRE), round((reach + MARGIN) * PIXELS_A_METRE) + CAPTION

    def place(x: float, y: float) -> tuple[float, float]:
        return (aside - y) * PIXELS_A_METRE, CAPTION + (reach - x) * PIXELS_A_METRE

    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for scene in dict.fromkeys(scenes):
        corners = [place(*corner) for corner in _corners(scene)]
        pen.polygon(corners, outline="#90a4ae")
        x, y = place(scene.basket_x, scene.basket_y)
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline="#90a4ae")
    for rollout in rollouts:
        line = [place(*point) for point in rollout.path]
        pen.line(line, fill=COLOURS[ending_of(rollout)], width=2)
    _legend(pen, rollouts)
    png = io.BytesIO()
    sheet.save(png, "PNG")
    write_atomic(path, png.getvalue())


def _corners(scene: Scene) -> list[tuple[float, float]]:
    box = scene.box
    frame = box.x, box.y, box.yaw
    return [
        from_frame(frame, ahead * box.half_x, left * box.half_y)
        for ahead, left in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]


def _legend(pen: object, rollouts: Sequence[Rollout]) -> None:
    endings = [ending_of(rollout) for rollout in rollouts]
    left = 4.0
    for ending, colour in COLOURS.items():
        text = f"{ending.replace('_', ' ')} {endings.count(ending)}"
        pen.text((left, 4), text, fill=colour)  # type: ignore[attr-defined]
        left += math.ceil(pen.textlength(text)) + 16  # type: ignore[attr-defined]


def caption(rollout: Rollout) -> str:
    """One line: scene, instruction and how it ended."""
    endings = {
        "success": "reached the basket",
        "collision": "collision",
        "other_side": f"passed on the {rollout.side}",
        "not_reached": "did not reach the basket",
    }
    ending = endings[ending_of(rollout)]
    return f'scene {rollout.scene}, told "{rollout.direction}": {ending}, {rollout.steps} steps'
