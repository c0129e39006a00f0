"""Distances on the floor, in closed form: what is a collision, what is reached, which side."""

from __future__ import annotations

import math

from mobile_vla.simulator.scene import Pose, Scene, Thing

ROBOT_RADIUS = 0.2
GOAL_RADIUS = 0.5


def to_frame(frame: Pose, x: float, y: float) -> tuple[float, float]:
    """A world point (m) seen from `frame`: + x ahead, + y to the left."""
    dx, dy = x - frame[0], y - frame[1]
    cosine, sine = math.cos(frame[2]), math.sin(frame[2])
    return cosine * dx + sine * dy, -sine * dx + cosine * dy


def from_frame(frame: Pose, x: float, y: float) -> tuple[float, float]:
    """The world point (m) that `frame` sees at (x, y)."""
    cosine, sine = math.cos(frame[2]), math.sin(frame[2])
    return frame[0] + cosine * x - sine * y, frame[1] + sine * x + cosine * y


def distance_to_thing(thing: Thing, x: float, y: float) -> float:
    """Metres from a world point to the thing's outline on the floor; 0 inside it."""
    if thing.kind != "box":
        return max(0.0, math.hypot(x - thing.x, y - thing.y) - thing.half_x)
    ahead, left = to_frame((thing.x, thing.y, thing.yaw), x, y)
    return math.hypot(max(0.0, abs(ahead) - thing.half_x), max(0.0, abs(left) - thing.half_y))


def clearance(scene: Scene, x: float, y: float) -> float:
    """Metres between the robot's edge, its centre at (x, y), and the nearest obstacle.

    Negative where they overlap. The basket is the goal and no obstacle.
    """
    things = (scene.box, *scene.distractors)
    return min(distance_to_thing(thing, x, y) for thing in things) - ROBOT_RADIUS


def goal_distance(scene: Scene, x: float, y: float) -> float:
    """Metres from the robot's centre to the basket's centre."""
    return math.hypot(x - scene.basket_x, y - scene.basket_y)


def extent(thing: Thing, yaw: float) -> tuple[float, float]:
    """Half lengths (m) of a box's bounding rectangle along the axes of a frame turned by `yaw`."""
    cosine, sine = abs(math.cos(thing.yaw - yaw)), abs(math.sin(thing.yaw - yaw))
    return (
        thing.half_x * cosine + thing.half_y * sine,
        thing.half_x * sine + thing.half_y * cosine,
    )
