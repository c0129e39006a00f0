"""Images of rollouts: rows of camera frames, GIFs, and all paths from above."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobile_vla.figures import ENDINGS, ending_of, paths_figure, png
from mobile_vla.messages.catalogue import phrase
from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.results import Rollout
from mobile_vla.simulator.geometry import GOAL_RADIUS, from_frame
from mobile_vla.simulator.scene import Scene

Film = list[np.ndarray]
COLUMNS = 7
TILE = 160
CAPTION = 22
FILM_HEIGHT = 240
"""Pixels: a film of pictures at full size would take 70 MB."""
FRAME_MILLISECONDS = 400


def film_frame(picture: np.ndarray) -> np.ndarray:
    """A camera picture (H, W, 3) as a film keeps it: at most `FILM_HEIGHT` px high."""
    from PIL import Image

    height, width = picture.shape[:2]
    if height <= FILM_HEIGHT:
        return picture.copy()
    size = max(1, round(width * FILM_HEIGHT / height)), FILM_HEIGHT
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


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
    paths = [(ending_of(rollout), rollout.path) for rollout in rollouts]
    words = {ending: phrase(f"report.ending_{ending}", "en") for ending in ENDINGS}
    distinct = dict.fromkeys(scenes)
    figure = paths_figure(
        paths,
        words,
        boxes=[_corners(scene) for scene in distinct],
        baskets=[(scene.basket_x, scene.basket_y) for scene in distinct],
        ahead=max(scene.basket_x + GOAL_RADIUS for scene in scenes),
    )
    write_atomic(path, png(figure))


def _corners(scene: Scene) -> list[tuple[float, float]]:
    box = scene.box
    frame = box.x, box.y, box.yaw
    return [
        from_frame(frame, ahead * box.half_x, left * box.half_y)
        for ahead, left in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]


def caption(rollout: Rollout) -> str:
    """One line: scene, instruction and ending."""
    ending = phrase(f"report.ending_{ending_of(rollout)}", "en")
    where, steps = f'scene {rollout.scene}, instruction "{rollout.direction}"', rollout.steps
    return f"{where}: {ending}, {steps} steps"
