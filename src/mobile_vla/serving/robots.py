"""What a robot and a camera are to the driver; the simulator and a recording as both."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.serving.drive_recorder import COLUMNS
from mobile_vla.simulator.scene import Scene
from mobile_vla.simulator.task import DriveOutcome
from mobile_vla.simulator.world import Side


class Robot(Protocol):
    """A base that takes velocities."""

    def send(self, velocity: np.ndarray) -> bool:
        """Command velocities (A,) in m/s and rad/s; True where the robot acknowledges them.

        Raises:
            OSError: it cannot be reached.
        """

    def close(self) -> None:
        """Let go of the robot."""


class Camera(Protocol):
    """A camera in front of the robot."""

    def read(self, timeout: float) -> np.ndarray | None:
        """A frame (H, W, 3) uint8 RGB that was not read before; None where none came in time."""


class ReplayedRobot:
    """A recorded episode as the camera, a frame a step; commands move nothing."""

    def __init__(self, episode: Episode, names: Sequence[str]) -> None:
        """`names`: the policy's action dimensions, whose recorded values are compared."""
        self.instruction = episode.instruction
        self._episode = episode
        self._columns = [COLUMNS.index(name) for name in names]
        self._next = 0

    def send(self, velocity: np.ndarray) -> bool:
        """Nothing moves, so every command counts as acknowledged."""
        return True

    def read(self, timeout: float) -> np.ndarray | None:
        """The next frame; None behind the last."""
        if self.arrived:
            return None
        self._next += 1
        frame: np.ndarray = self._episode.images[self._next - 1]
        return frame

    def recorded(self) -> np.ndarray | None:
        """The recorded action (A,) of the frame that was read last."""
        if not self._next:
            return None
        action = np.zeros(len(COLUMNS))
        row = self._episode.actions[self._next - 1]
        action[: len(row)] = row
        return action[self._columns]

    @property
    def arrived(self) -> bool:
        """Whether all frames were read."""
        return self._next >= len(self._episode)

    def close(self) -> None:
        """Nothing is held open."""


class SimulatedRobot:
    """A scene of the simulator in real time: a command acts until the next one.

    Commands may come from another thread; `read` and `outcome` from the thread that made it.
    """

    def __init__(self, scene: Scene, side: Side, image_size: tuple[int, int]) -> None:
        from mobile_vla.simulator.task import DriveEnv

        self._environment = DriveEnv(scene, side, image_size)
        self.instruction = self._environment.instruction
        self._world = self._environment.world
        self._lock = threading.Lock()
        self._velocity = np.zeros(2)
        self._at = time.monotonic()
        self._path = [self._world.pose[:2]]
        self.commands = 0

    def send(self, velocity: np.ndarray) -> bool:
        """Drive on with the last velocity until now, then take this one."""
        with self._lock:
            self._advance()
            self._velocity = velocity
            self.commands += 1
        return True

    def read(self, timeout: float) -> np.ndarray | None:
        """What the camera sees now."""
        with self._lock:
            self._advance()
        return self._world.render(*self._environment.image_size)

    @property
    def arrived(self) -> bool:
        """Whether the drive is over: the basket is reached, or something is touched."""
        with self._lock:
            self._advance()
            return self._world.reached or self._world.collided

    def outcome(self) -> DriveOutcome:
        """How the drive stands."""
        return self._environment.outcome()

    def close(self) -> None:
        """Nothing is held open."""

    def _advance(self) -> None:
        now = time.monotonic()
        if now > self._at:
            self._world.step(self._velocity, now - self._at)
        self._at = now
