"""Labelled images as arrays, for pretraining a small VLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobile_vla.policy.small_vlm import IMAGE_SIZE, PATCH_SIZE
from mobile_vla.simulator.labelled_views import PixelBox, View, sample_view
from mobile_vla.simulator.scene import COLOURS

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the steps done and the steps in all."""

BOX, BASKET = 0, 1
BOX_GEOMETRY = 7
"""Corners x0, y0, x1, y1 (shares of the picture), front / 3 m, left and right edge (m)."""
BASKET_GEOMETRY = 6
"""Corners, distance ahead / 5 m, offset to the left (m)."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """The amount of pretraining: training views, held-out views, optimiser steps of each stage."""

    views: int = 24_000
    held_out: int = 1_000
    vision_steps: int = 2_400
    text_steps: int = 1_163
    robot_steps: int = 1_500


@dataclass(frozen=True, slots=True)
class Views:
    """N views; column 0 is the box's, column 1 the basket's.

    images (N, S, S, 3) uint8; shares (N, patches, 2) of each patch that the thing covers;
    visible (N, 2) bool; box (N, 7) and basket (N, 6) geometry, zero where not visible;
    colours (N, 2), places in `COLOURS`; left_of (N,): box left of basket 1, right 0, unknown -1.
    """

    images: np.ndarray
    shares: np.ndarray
    visible: np.ndarray
    box: np.ndarray
    basket: np.ndarray
    colours: np.ndarray
    left_of: np.ndarray

    def __len__(self) -> int:
        """The number of views."""
        return len(self.images)

    def rows(self, index: np.ndarray) -> Views:
        """The views at `index`."""
        return Views(*(getattr(self, name)[index] for name in Views.__slots__))


def collect_views(first_seed: int, count: int, progress: Progress) -> Views:
    """Render and label the views of `count` seeds from `first_seed` on."""
    rows = []
    for step in range(count):
        rows.append(_labels(sample_view(first_seed + step, IMAGE_SIZE)))
        progress("views", step + 1, count)
    columns = zip(*rows, strict=True)
    return Views(*(np.stack(column) for column in columns))


def _labels(view: View) -> tuple[np.ndarray, ...]:
    left_of = -1 if view.box_left_of_basket is None else int(view.box_left_of_basket)
    return (
        view.image,
        np.stack([patch_shares(view.segmentation == label) for label in (1, 2)], -1),
        np.array([view.box_pixels is not None, view.basket_pixels is not None]),
        _geometry(view.box_pixels, view.box_front / 3, view.box_left_edge, view.box_right_edge),
        _geometry(view.basket_pixels, view.basket_ahead / 5, view.basket_left),
        np.array([COLOURS.index(view.box_colour), COLOURS.index(view.basket_colour)]),
        np.array(left_of),
    )


def patch_shares(mask: np.ndarray) -> np.ndarray:
    """The share of each patch (patches,) that a mask (S, S) covers, row by row."""
    side = mask.shape[0] // PATCH_SIZE
    blocks = mask.reshape(side, PATCH_SIZE, side, PATCH_SIZE)
    shares: np.ndarray = blocks.mean(axis=(1, 3), dtype=np.float32).reshape(-1)
    return shares


def _geometry(pixels: PixelBox | None, *offsets: float) -> np.ndarray:
    """Corners and offsets; zeros where the thing is not visible."""
    if pixels is None:
        return np.zeros(4 + len(offsets), np.float32)
    return np.array([*pixels, *offsets], np.float32)
