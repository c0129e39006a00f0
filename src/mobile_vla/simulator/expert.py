"""A driver with six keys, as the lab's: it passes the box on one side and stops at the basket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.geometry import ROBOT_RADIUS, clearance, extent, from_frame, to_frame
from mobile_vla.simulator.scene import Pose, Scene
from mobile_vla.simulator.world import FULL_SPEED, STEP_SECONDS, Side, World

FRAMES = 18
SLIP = 0.1
_REACH = FULL_SPEED * STEP_SECONDS
KEYS: dict[str, tuple[float, float]] = {
    "W": (1, 0),
    "A": (0, 1),
    "D": (0, -1),
    "Q": (1, 1),
    "E": (1, -1),
    "-": (0, 0),
}
"""Full-speed shares (ahead, left) of a key; "-" is no key."""


MARGIN = 0.25
"""Metres that the expert keeps between the robot's edge and an obstacle where it can."""
_CLOSE_ENOUGH = 0.45
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Habit:
    """How this drive is driven, in metres: what makes two drives of one scene differ."""

    clearance: float
    turn_at: float
    return_after: float
    tolerance: float
    wait: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Habit:
        """A habit that a careful driver could have."""
        return cls(
            clearance=rng.uniform(0.35, 0.55),
            turn_at=rng.uniform(1.2, 1.9),
            return_after=rng.uniform(0.0, 0.4),
            tolerance=rng.uniform(0.2, 0.32),
            wait=int(rng.choice(2, p=[0.8, 0.2])),
        )


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One successful drive, T = 18 frames at 0.4 s.

    actions: (T, 3) float32, m/s, m/s, rad/s; frame t is seen, then action t drives for 0.4 s;
    action 0 is rest. poses: (T, 3) float64, the world pose at each frame. keys: T letters.
    """

    actions: np.ndarray
    poses: np.ndarray
    keys: str


def demonstrate(
    scene: Scene, direction: Side, rng: np.random.Generator, *, slip: float = SLIP
) -> Demonstration:
    """Drive past the box on `direction` to the basket, wheels slipping `slip` m (sigma) a step.

    Drives that touch something, pass on the other side or do not arrive in time are repeated.

    Raises:
        UserError: the scene cannot be driven; no attempt in 100 succeeded.
    """
    for _ in range(_ATTEMPTS):
        world = World(scene)
        drive = _drive(world, direction, Habit.draw(rng), rng, slip)
        if world.reached and not world.collided and world.passed_side == direction:
            return drive
    raise UserError(
        f"The expert cannot pass the box of scene {scene.seed} on the {direction}: "
        "use another scene seed."
    )


def film(scene: Scene, poses: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Render `scene` from each of (T, 3) poses: (T, height, width, 3) uint8 RGB."""
    world = World(scene)
    frames = np.empty((len(poses), *image_size, 3), np.uint8)
    for frame, pose in zip(frames, poses, strict=True):
        world.place(tuple(pose))
        frame[:] = world.render(*image_size)
    return frames


def _drive(
    world: World, direction: Side, habit: Habit, rng: np.random.Generator, slip: float
) -> Demonstration:
    keys, poses = "", []
    for frame in range(FRAMES):
        poses.append(world.pose)
        waiting = frame <= habit.wait
        keys += "-" if waiting else choose_key(world, direction, habit)
        if keys[-1] != "-":
            world.step(FULL_SPEED * np.array(KEYS[keys[-1]]))
            world.slip(*rng.normal(0, slip, 2))
    actions = np.zeros((FRAMES, 3), np.float32)
    actions[:, :2] = [KEYS[key] for key in keys]
    return Demonstration(actions=actions * np.float32(FULL_SPEED), poses=np.array(poses), keys=keys)


def choose_key(world: World, direction: Side, habit: Habit) -> str:
    """The key of `KEYS` that a driver with this habit presses now."""
    scene, pose = world.scene, world.pose
    side = 1 if direction == "left" else -1
    box_ahead, box_left = to_frame(pose, scene.box.x, scene.box.y)
    half_ahead, half_left = extent(scene.box, pose[2])
    goal_ahead, goal_left = to_frame(pose, scene.basket_x, scene.basket_y)
    if np.hypot(goal_ahead, goal_left) < _CLOSE_ENOUGH and goal_ahead < _REACH / 2:
        return "-"
    if box_ahead + half_ahead + ROBOT_RADIUS + habit.return_after > 0:
        gap = box_ahead - half_ahead - ROBOT_RADIUS
        missing = side * (box_left + side * (half_left + ROBOT_RADIUS + habit.clearance))
        turning = missing > 0.1 and gap < habit.turn_at
        outward = "QA" if side > 0 else "ED"
        return _first_safe(scene, pose, outward if turning else "W" + outward)
    if abs(goal_left) < habit.tolerance:
        return "W"
    inward = "QA" if goal_left > 0 else "ED"
    return _first_safe(scene, pose, inward + "W" if goal_ahead > _REACH / 2 else inward[1])


def _first_safe(scene: Scene, pose: Pose, keys: str) -> str:
    """The first key whose step keeps `MARGIN` all along, or else the last."""
    for key in keys:
        ahead, left = KEYS[key]
        points = [from_frame(pose, s * _REACH * ahead, s * _REACH * left) for s in (0.4, 0.7, 1.0)]
        if min(clearance(scene, x, y) for x, y in points) >= MARGIN:
            return key
    return keys[-1]
