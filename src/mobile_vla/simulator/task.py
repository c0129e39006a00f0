"""The task as an environment: an image out, a velocity in, and how the drive ended."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.instructions import instruction
from mobile_vla.simulator.scene import Scene
from mobile_vla.simulator.world import FULL_SPEED, STEP_SECONDS, Side, World

MAX_STEPS = 25
DRIVE_SECONDS = MAX_STEPS * STEP_SECONDS


def steps_of_drive(step_seconds: float) -> int:
    """The most steps of a drive: as many as ten seconds hold."""
    return max(1, round(DRIVE_SECONDS / step_seconds))


@dataclass(frozen=True, slots=True)
class DriveOutcome:
    """How a drive ended.

    success: the basket was reached, nothing was touched, and the box was passed on the side that
    the instruction names. side: where the box was passed, None if never. path_length in metres.
    path: (x, y) in metres, world frame, one a step and the start. limited: steps whose command
    was beyond the base's speed.
    """

    success: bool
    reached: bool
    collision: bool
    side: Side | None
    direction: Side
    path_length: float
    steps: int
    path: list[tuple[float, float]]
    limited: int


class DriveEnv:
    """One scene and one instruction, driven step by step until it ends or the steps are over.

    It ends when the basket is reached or something is touched. Pictures are (H, W, 3) uint8 RGB;
    actions are 2 or 3 of m/s ahead, m/s left, rad/s, which the base limits to `limits`, its full
    speed on each axis. `step_seconds`: how long an action drives. `latency`: steps until an action
    acts, the robot resting before; `slip`: standard deviation in m of the shift of slipping
    wheels at every step, drawn by the scene.
    """

    def __init__(
        self,
        scene: Scene,
        direction: Side,
        image_size: tuple[int, int],
        *,
        max_steps: int = MAX_STEPS,
        step_seconds: float = STEP_SECONDS,
        limits: tuple[float, float, float] = (FULL_SPEED, FULL_SPEED, FULL_SPEED),
        latency: int = 0,
        slip: float = 0.0,
    ) -> None:
        """Put a robot at the scene's start; call `reset` for the first picture."""
        self.scene, self.direction = scene, direction
        self.image_size, self.max_steps = image_size, max_steps
        if latency < 0 or slip < 0 or max_steps < 1:
            raise UserError(
                f"latency {latency}, slip {slip}, max_steps {max_steps}: give no negative latency "
                "or slip, and at least one step."
            )
        self.latency, self.slip = latency, slip
        self.step_seconds, self.limits = step_seconds, np.array(limits)
        self.instruction = instruction(direction)
        self.world = World(scene)
        self._begin()

    def reset(self) -> np.ndarray:
        """Back to the start, at rest; the first picture."""
        self.world.reset()
        self._begin()
        return self.world.render(*self.image_size)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool]:
        """Drive one step; the next picture, and whether the drive is over.

        Raises:
            UserError: the action is NaN or infinite.
        """
        self.move(action)
        return self.world.render(*self.image_size), self.done

    def move(self, action: np.ndarray) -> None:
        """Drive one step without a picture, for what does not look.

        Raises:
            UserError: the action is NaN or infinite.
        """
        if not np.isfinite(action).all():
            raise UserError(
                f"The policy gave the action {action} at step {self._steps}, which is no velocity: "
                "its training diverged or its checkpoint is damaged."
            )
        limits = self.limits[: len(action)]
        limited = np.clip(action, -limits, limits)
        self._limited += int(np.abs(limited - action).max() > 1e-6)
        self._waiting.append(limited)
        self.world.step(self._waiting.pop(0), self.step_seconds)
        if self.slip:
            self.world.slip(*self._rng.normal(0, self.slip, 2))
        self._steps += 1
        self._path.append(self.world.pose[:2])

    @property
    def done(self) -> bool:
        """Whether the drive is over."""
        return self.world.reached or self.world.collided or self._steps >= self.max_steps

    def outcome(self) -> DriveOutcome:
        """The state of the drive, or how it ended."""
        world = self.world
        clean = world.reached and not world.collided
        return DriveOutcome(
            success=clean and world.passed_side == self.direction,
            reached=world.reached,
            collision=world.collided,
            side=world.passed_side,
            direction=self.direction,
            path_length=sum(math.dist(*pair) for pair in itertools.pairwise(self._path)),
            steps=self._steps,
            path=list(self._path),
            limited=self._limited,
        )

    def _begin(self) -> None:
        self._steps = self._limited = 0
        self._path = [self.world.pose[:2]]
        self._waiting = [np.zeros(3) for _ in range(self.latency)]
        self._rng = np.random.default_rng([self.scene.seed, 2])
