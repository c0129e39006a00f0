"""The deadman: no fresh action within the limit, and the robot is sent zero until it acknowledges.

Commands go out from one thread, in order, so a motion command that was delayed on its way is always
followed by another stop. All times are monotonic seconds.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.serving.chunk_execution import ChunkExecution
from mobile_vla.serving.robots import Robot
from mobile_vla.serving.velocity_limits import VelocityLimiter

LONGEST_LIMIT = 5.0
RESEND_SECONDS = 0.05


def check_seconds(name: str, seconds: float, longest: float) -> float:
    """A time above 0 and at most `longest`.

    Raises:
        UserError: it is NaN, infinite, zero, negative or longer.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= longest):
        raise UserError(
            phrase("serve.seconds_bad", "en", name=name, seconds=str(seconds), longest=longest)
        )
    return seconds


@dataclass(frozen=True, slots=True)
class VelocityCommand:
    """Velocities (A,) in m/s and rad/s; `stop` where it is a deadman's or the driver's zero."""

    velocity: np.ndarray
    stop: bool


class Deadman:
    """Which command is due at a time. Holds no clock and no thread."""

    def __init__(
        self, limit: float, limiter: VelocityLimiter, execution: ChunkExecution | None = None
    ) -> None:
        self.limit = check_seconds("limit", limit, LONGEST_LIMIT)
        self.stops = 0
        self.limiter = limiter
        self._execution = execution or ChunkExecution()
        self._moving = False
        self._fresh_at = -math.inf
        self._number = -1

    def fresh(
        self, actions: np.ndarray, number: int, now: float, seen_at: float | None = None
    ) -> bool:
        """Take actions (A,) or (C, A) to drive with; False for late, repeated or broken ones.

        `number`: that of the request which they answer. `seen_at`: when its frame was seen.
        """
        if number <= self._number or not np.isfinite(actions).all():
            return False
        self._execution.add(
            np.atleast_2d(actions).astype(float), now if seen_at is None else seen_at
        )
        self._moving, self._number, self._fresh_at = True, number, now
        return True

    def stop(self) -> None:
        """Send zero from now on, until the next fresh action."""
        self._fresh_at, self._moving = -math.inf, False
        self._execution.clear()

    def deadline(self) -> float:
        """When the last action ceases to be fresh."""
        return self._fresh_at + self.limit

    def command(self, now: float) -> VelocityCommand:
        """The command that is due: the limited velocity of a fresh action, or zero."""
        target = self._execution.velocity(now) if now < self.deadline() else None
        if target is not None:
            return VelocityCommand(self.limiter.limit(target, now), stop=False)
        self.stops += self._moving
        self.stop()
        return VelocityCommand(self.limiter.zero(now), stop=True)


class CommandSender:
    """Sends a deadman's commands to a robot from a thread, again and again while they are fresh.

    A zero is repeated until the robot acknowledges it, and at the end; a robot that cannot be
    reached is tried again.
    """

    def __init__(
        self, robot: Robot, deadman: Deadman, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._robot, self.deadman, self._clock = robot, deadman, clock
        self._changed = threading.Condition()
        self._version = 0
        self._ended = False
        self._stopped = False
        self._travel: np.ndarray | float = 0.0
        self._last, self._last_at = VelocityCommand(np.zeros(1), stop=True), clock()
        self.failed_sends = 0
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def start(self) -> None:
        """Begin to send; zero until the first fresh action."""
        self._thread.start()

    def fresh(self, actions: np.ndarray, number: int, seen_at: float | None = None) -> bool:
        """Pass new actions to the deadman; False where they are not taken."""
        with self._changed:
            now = self._clock()
            accepted = not self._ended and self.deadman.fresh(actions, number, now, seen_at)
            self._version += 1
            self._changed.notify()
        return accepted

    def travel(self) -> np.ndarray | float:
        """The time integral of the velocities that were sent (A,), in m and rad."""
        with self._changed:
            return self._travel + self._last.velocity * (self._clock() - self._last_at)

    def end(self, seconds: float = 1.0) -> bool:
        """Stop the robot, and repeat it for at most `seconds`; whether it acknowledged."""
        with self._changed:
            self.deadman.stop()
            self._ended, self._stopped = True, False
            self._version += 1
            self._changed.notify()
        self._thread.join(seconds)
        return self._stopped

    def _run(self) -> None:
        while True:
            with self._changed:
                version = self._version
                command = self.deadman.command(self._clock())
            acknowledged = self._send(command)
            with self._changed:
                now = self._clock()
                self._travel = self._travel + self._last.velocity * (now - self._last_at)
                self._last, self._last_at = command, now
                self._stopped = command.stop and acknowledged
                if self._stopped and self._ended:
                    return
                if version == self._version:
                    self._changed.wait(self._pause(command))

    def _pause(self, command: VelocityCommand) -> float | None:
        """Seconds until the next command is due; None after a stop that was acknowledged."""
        if command.stop:
            return None if self._stopped else RESEND_SECONDS
        return max(0.0, min(RESEND_SECONDS, self.deadman.deadline() - self._clock()))

    def _send(self, command: VelocityCommand) -> bool:
        try:
            return self._robot.send(command.velocity)
        except OSError:
            self.failed_sends += 1
            return False
