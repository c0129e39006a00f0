"""Labelled images for pretraining a small VLM, with labels from the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobile_vla.simulator.geometry import clearance, extent, to_frame
from mobile_vla.simulator.mujoco_model import LABEL_BASKET, LABEL_BOX
from mobile_vla.simulator.scene import Pose, Scene, colour_name, sample_scene
from mobile_vla.simulator.world import World

DISTRACTOR_SHARE = 0.3
LEAST_VISIBLE = 0.001
PixelBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the picture, + x right, + y down."""


@dataclass(frozen=True, slots=True)
class View:
    """An image and its labels. Metres are in the robot's frame: + x ahead, + y left.

    image: (S, S, 3) uint8 RGB. segmentation: (S, S) uint8, 0 other, 1 box, 2 basket, 3 and up
    distractors. A pixel box is None where its thing shows on less than 0.1 % of the picture.
    """

    image: np.ndarray
    segmentation: np.ndarray
    pose: Pose
    box_pixels: PixelBox | None
    basket_pixels: PixelBox | None
    box_front: float
    """Metres from the robot's centre ahead to the box's nearest face; negative when passed."""
    box_left_edge: float
    box_right_edge: float
    basket_ahead: float
    basket_left: float
    box_colour: str
    basket_colour: str
    box_left_of_basket: bool | None
    """Whether the box stands left of the basket in the picture; None unless both are visible."""


def sample_view(seed: int, size: int) -> View:
    """Draw a scene and a plausible pose in it by `seed`, and label the picture of `size` px.

    Three scenes in ten hold further things, and colours are any, the floor's own too.
    """
    rng = np.random.default_rng([seed, 1])
    scene = sample_scene(seed, distractors=rng.random() < DISTRACTOR_SHARE, contrast=False)
    world = World(scene)
    world.place(_sample_pose(rng, scene))
    return label_view(world, size)


def label_view(world: World, size: int) -> View:
    """Render `world` at `size` px and label the objects in front of its robot."""
    image, segmentation = world.render(size, size), world.segment(size, size)
    scene, pose = world.scene, world.pose
    box_pixels = pixel_box(segmentation == LABEL_BOX)
    basket_pixels = pixel_box(segmentation == LABEL_BASKET)
    ahead, left = to_frame(pose, scene.box.x, scene.box.y)
    half_ahead, half_left = extent(scene.box, pose[2])
    basket_ahead, basket_left = to_frame(pose, scene.basket_x, scene.basket_y)
    return View(
        image=image,
        segmentation=segmentation,
        pose=pose,
        box_pixels=box_pixels,
        basket_pixels=basket_pixels,
        box_front=ahead - half_ahead,
        box_left_edge=left + half_left,
        box_right_edge=left - half_left,
        basket_ahead=basket_ahead,
        basket_left=basket_left,
        box_colour=scene.box.colour,
        basket_colour=colour_name(scene.basket_rgb),
        box_left_of_basket=_is_left(box_pixels, basket_pixels),
    )


def pixel_box(mask: np.ndarray) -> PixelBox | None:
    """The bounding box of a (H, W) mask, or None where it covers next to nothing."""
    if mask.mean() < LEAST_VISIBLE:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def _sample_pose(rng: np.random.Generator, scene: Scene) -> Pose:
    """A pose on some way past the box, six in ten of them before it, touching nothing."""
    while True:
        before = rng.random() < 0.6
        far = scene.box.x - 0.3 if before else scene.basket_x - 0.3
        x = rng.uniform(-0.3, far) if before else rng.uniform(scene.box.x - 0.6, far)
        spread = np.interp(x, [0, scene.box.x - 0.5, scene.basket_x], [0.5, 1.3, 0.8])
        y, yaw = rng.uniform(-spread, spread), rng.normal(0, 0.06)
        pose = float(x), float(y), float(yaw)
        if clearance(scene, pose[0], pose[1]) > 0:
            return pose


def _is_left(box: PixelBox | None, basket: PixelBox | None) -> bool | None:
    if box is None or basket is None:
        return None
    return box[0] + box[2] < basket[0] + basket[2]
