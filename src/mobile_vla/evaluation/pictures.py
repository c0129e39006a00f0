"""Pictures of drives: what the camera saw, one row a drive."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobile_vla.record.files import write_atomic
from mobile_vla.record.results import Rollout

Film = list[np.ndarray]
COLUMNS = 7
TILE = 160
CAPTION = 22


def draw_rollouts(path: Path, rollouts: Sequence[Rollout], films: Sequence[Film]) -> None:
    """Write a PNG: a caption and seven frames, evenly spaced in time, of each drive."""
    from PIL import Image, ImageDraw

    height = TILE + CAPTION
    sheet = Image.new("RGB", (COLUMNS * TILE, height * len(rollouts)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (rollout, film) in enumerate(zip(rollouts, films, strict=True)):
        pen.text((4, row * height + 4), caption(rollout), fill="black")
        for column, index in enumerate(np.linspace(0, len(film) - 1, COLUMNS).round()):
            tile = Image.fromarray(film[int(index)]).resize((TILE, TILE))
            sheet.paste(tile, (column * TILE, row * height + CAPTION))
    png = io.BytesIO()
    sheet.save(png, "PNG")
    write_atomic(path, png.getvalue())


def caption(rollout: Rollout) -> str:
    """One line: scene, instruction and how it ended."""
    if rollout.success:
        ending = "reached the basket"
    elif rollout.collision:
        ending = "collision"
    elif rollout.side is not None and rollout.side != rollout.direction:
        ending = f"passed on the {rollout.side}"
    else:
        ending = "did not reach the basket"
    return f'scene {rollout.scene}, told "{rollout.direction}": {ending}, {rollout.steps} steps'
