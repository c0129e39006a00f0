"""Distances on the floor in closed form: collisions, the goal, the side of a pass."""

from __future__ import annotations

import math

from mobile_vla.simulator.scene import Pose, Scene, SceneObject

ROBOT_RADIUS = 0.2
GOAL_RADIUS = 0.5


def to_frame(frame: Pose, x: float, y: float) -> tuple[float, float]:
    """A world point (m) in the coordinates of `frame`: + x ahead, + y to the left."""
    dx, dy = x - frame[0], y - frame[1]
    cosine, sine = math.cos(frame[2]), math.sin(frame[2])
    return cosine * dx + sine * dy, -sine * dx + cosine * dy


def from_frame(frame: Pose, x: float, y: float) -> tuple[float, float]:
    """The world point (m) that `frame` sees at (x, y)."""
    cosine, sine = math.cos(frame[2]), math.sin(frame[2])
    return frame[0] + cosine * x - sine * y, frame[1] + sine * x + cosine * y


def distance_to_object(obj: SceneObject, x: float, y: float) -> float:
    """Metres from a world point to the thing's outline on the floor; 0 inside it."""
    if obj.kind != "box":
        return max(0.0, math.hypot(x - obj.x, y - obj.y) - obj.half_x)
    ahead, left = to_frame((obj.x, obj.y, obj.yaw), x, y)
    return math.hypot(max(0.0, abs(ahead) - obj.half_x), max(0.0, abs(left) - obj.half_y))


def clearance(scene: Scene, x: float, y: float) -> float:
    """Metres between the robot's edge, its centre at (x, y), and the nearest obstacle.

    Negative where they overlap. The basket is the goal and no obstacle.
    """
    obstacles = (scene.box, *scene.distractors)
    return min(distance_to_object(obj, x, y) for obj in obstacles) - ROBOT_RADIUS


def extent(obj: SceneObject, yaw: float) -> tuple[float, float]:
    """Half lengths (m) of a box's bounding rectangle along the axes of a frame turned by `yaw`."""
    cosine, sine = abs(math.cos(obj.yaw - yaw)), abs(math.sin(obj.yaw - yaw))
    return (obj.half_x * cosine + obj.half_y * sine, obj.half_x * sine + obj.half_y * cosine)
