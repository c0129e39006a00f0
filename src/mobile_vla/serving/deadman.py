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

    def __init__(self, limit: float, limiter: VelocityLimiter) -> None:
        self.limit = check_seconds("limit", limit, LONGEST_LIMIT)
        self.stops = 0
        self.limiter = limiter
        self._target: np.ndarray | None = None
        self._fresh_at = -math.inf
        self._number = -1

    def fresh(self, action: np.ndarray, number: int, now: float) -> bool:
        """Take an action as the one to drive with; False for a late, repeated or broken one.

        `number`: that of the request which the action answers.
        """
        if number <= self._number or not np.isfinite(action).all():
            return False
        self._target, self._number, self._fresh_at = np.asarray(action, float), number, now
        return True

    def stop(self) -> None:
        """Send zero from now on, until the next fresh action."""
        self._fresh_at, self._target = -math.inf, None

    def deadline(self) -> float:
        """When the last action ceases to be fresh."""
        return self._fresh_at + self.limit

    def command(self, now: float) -> VelocityCommand:
        """The command that is due: the limited velocity of a fresh action, or zero."""
        if self._target is not None and now < self.deadline():
            return VelocityCommand(self.limiter.limit(self._target, now), stop=False)
        self.stops += self._target is not None
        self._target = None
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
        self.failed_sends = 0
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def start(self) -> None:
        """Begin to send; zero until the first fresh action."""
        self._thread.start()

    def fresh(self, action: np.ndarray, number: int) -> bool:
        """Pass a new action to the deadman; False where it is not taken."""
        with self._changed:
            accepted = not self._ended and self.deadman.fresh(action, number, self._clock())
            self._version += 1
            self._changed.notify()
        return accepted

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
