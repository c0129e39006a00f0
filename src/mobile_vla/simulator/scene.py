"""One scene of the left-or-right task, and how scenes are sampled."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

RGB = tuple[float, float, float]
Pose = tuple[float, float, float]
"""x (m), y (m), yaw (rad) in the world frame."""
Kind = Literal["box", "ball", "cylinder"]

Goal = Literal["basket", "cup", "bottle"]
GOALS: tuple[Goal, ...] = ("basket", "cup", "bottle")

COLOURS = (
    "red", "orange", "yellow", "green", "cyan", "blue",
    "purple", "pink", "brown", "white", "grey", "black",
)  # fmt: skip
BASKET_RADIUS = 0.33
BASKET_HEIGHT = 0.42
CAMERA_HEIGHT = 0.8
FIELD_OF_VIEW = 90.0
MAX_PER_KIND = 2
LEAST_CONTRAST = 0.3


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object on the floor: centre (m), half sizes (m), yaw (rad), colour.

    A ball's radius is `half_x`; a cylinder's radius is `half_x`, its half height `half_z`.
    """

    kind: Kind
    x: float
    y: float
    half_x: float
    half_y: float
    half_z: float
    yaw: float
    rgb: RGB

    @property
    def colour(self) -> str:
        """The colour's name, one of `COLOURS`."""
        return colour_name(self.rgb)


@dataclass(frozen=True, slots=True)
class Appearance:
    """Floor, walls, light and camera of a scene.

    `pitch` in radians below the horizon, height in m, the vertical field of view in degrees.
    """

    floor: RGB
    wall: RGB
    ambient: float
    diffuse: float
    light: tuple[float, float, float]
    pitch: float
    camera_height: float = CAMERA_HEIGHT
    field_of_view: float = FIELD_OF_VIEW


@dataclass(frozen=True, slots=True)
class Scene:
    """A box to pass, a basket to reach, the robot's start, and how it all looks.

    Lengths in metres, angles in radians, the world frame; the seed that drew it makes it again.
    """

    seed: int
    box: SceneObject
    basket_x: float
    basket_y: float
    basket_rgb: RGB
    start: Pose
    appearance: Appearance
    distractors: tuple[SceneObject, ...] = ()
    goal: Goal = "basket"


def sample_scene(seed: int, *, distractors: bool = False, contrast: bool = True) -> Scene:
    """Draw the scene of `seed`; the same seed gives the same scene everywhere.

    With `distractors`, there are more boxes, balls and cylinders beside the way. With `contrast`,
    the box and the basket differ visibly from the floor: a policy cannot avoid what it cannot see.
    """
    rng = np.random.default_rng(seed)
    appearance = _sample_appearance(rng)
    floor = (appearance.floor,) if contrast else ()
    box_x, box_y = rng.uniform(1.6, 2.6), rng.uniform(-0.3, 0.3)
    box = SceneObject(
        kind="box",
        x=box_x,
        y=box_y,
        half_x=rng.uniform(0.15, 0.28),
        half_y=rng.uniform(0.25, 0.45),
        half_z=rng.uniform(0.18, 0.35),
        yaw=rng.uniform(-0.3, 0.3),
        rgb=sample_rgb(rng, *floor),
    )
    basket_x = box_x + rng.uniform(2.0, 2.8)
    basket_y = box_y + rng.uniform(-0.6, 0.6)
    return Scene(
        seed=seed,
        box=box,
        basket_x=basket_x,
        basket_y=basket_y,
        basket_rgb=sample_rgb(rng, *floor),
        start=(rng.uniform(-0.1, 0.1), rng.uniform(-0.2, 0.2), rng.uniform(-0.06, 0.06)),
        appearance=appearance,
        distractors=_sample_distractors(rng, box, basket_x) if distractors else (),
    )


def colour_name(rgb: RGB) -> str:
    """Name a colour (components 0 to 1) with one of `COLOURS`."""
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    if value < 0.2:
        return "black"
    if saturation < 0.2:
        return "white" if value > 0.8 else "grey"
    degrees = hue * 360
    if 12 <= degrees < 45:
        return "orange" if value > 0.65 else "brown"
    for limit, name in (
        (12, "red"), (70, "yellow"), (160, "green"), (200, "cyan"),
        (260, "blue"), (295, "purple"), (342, "pink"),
    ):  # fmt: skip
        if degrees < limit:
            return name
    return "red"


def _sample_appearance(rng: np.random.Generator) -> Appearance:
    tint = rng.uniform(-0.06, 0.06, 3)
    floor, wall = rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.95)
    turn, height = rng.uniform(0, 2 * math.pi), rng.uniform(1.0, 2.5)
    return Appearance(
        floor=_clip_rgb(floor + tint),
        wall=_clip_rgb(wall + rng.uniform(-0.1, 0.1, 3)),
        ambient=rng.uniform(0.4, 0.55),
        diffuse=rng.uniform(0.4, 0.65),
        light=(math.cos(turn), math.sin(turn), -height),
        pitch=math.radians(27 + rng.uniform(-1.5, 1.5)),
    )


def sample_rgb(rng: np.random.Generator, *others: RGB) -> RGB:
    """Draw a colour, one in five nearly grey, away from those given."""
    while True:
        low, high = (0.0, 0.2) if rng.random() < 0.2 else (0.2, 1.0)
        hsv = rng.uniform(0, 1), rng.uniform(low, high), rng.uniform(0.15, 1.0)
        rgb = colorsys.hsv_to_rgb(*(float(part) for part in hsv))
        if all(math.dist(rgb, other) > LEAST_CONTRAST for other in others):
            return rgb


def _sample_distractors(
    rng: np.random.Generator, box: SceneObject, basket_x: float
) -> tuple[SceneObject, ...]:
    """Draw one to four things beside the way, at most `MAX_PER_KIND` of a kind."""
    kinds: list[Kind] = ["box", "ball", "cylinder"] * MAX_PER_KIND
    chosen = rng.permutation(len(kinds))[: rng.integers(1, 5)]
    return tuple(_sample_object(rng, kinds[index], box, basket_x) for index in chosen)


def _sample_object(
    rng: np.random.Generator, kind: Kind, box: SceneObject, basket_x: float
) -> SceneObject:
    side = 1 if rng.random() < 0.5 else -1
    radius = rng.uniform(0.12, 0.3)
    return SceneObject(
        kind=kind,
        x=rng.uniform(1.0, basket_x + 1.0),
        y=box.y + side * rng.uniform(1.5, 3.0),
        half_x=radius,
        half_y=rng.uniform(0.12, 0.3),
        half_z=radius if kind == "ball" else rng.uniform(0.12, 0.35),
        yaw=rng.uniform(-math.pi, math.pi),
        rgb=sample_rgb(rng),
    )


def _clip_rgb(rgb: np.ndarray) -> RGB:
    red, green, blue = (float(part) for part in np.clip(rgb, 0, 1))
    return red, green, blue
