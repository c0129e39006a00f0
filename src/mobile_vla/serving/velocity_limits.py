"""Velocity and acceleration limits of each axis, applied after the policy."""

from __future__ import annotations

import math

import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError


class VelocityLimiter:
    """Clips to ±`velocity`, and the change to `acceleration` times the time since the last command.

    `velocity` m/s and rad/s, `acceleration` m/s² and rad/s², the same for each axis; an infinite
    acceleration sets no limit. `bound`: how many commands each of the two has changed.
    """

    def __init__(self, axes: int, velocity: float, acceleration: float = math.inf) -> None:
        """Raises a `UserError` where a limit is NaN, zero or negative."""
        for name, value in (("velocity", velocity), ("acceleration", acceleration)):
            if not value > 0:
                raise UserError(phrase("serve.velocity_limit_bad", "en", name=name, value=value))
        self._velocity, self._acceleration = velocity, acceleration
        self._last, self._at = np.zeros(axes), -math.inf
        self.bound = {"velocity": 0, "acceleration": 0}

    def limit(self, target: np.ndarray, now: float) -> np.ndarray:
        """The velocity (A,) to send at a time, on the way to `target`."""
        clipped = np.clip(target, -self._velocity, self._velocity)
        self.bound["velocity"] += bool((clipped != target).any())
        reach = self._acceleration * min(now - self._at, LONGEST_PAUSE)
        reached = np.clip(clipped, self._last - reach, self._last + reach)
        self.bound["acceleration"] += bool((reached != clipped).any())
        self._last, self._at = reached, now
        return reached

    def zero(self, now: float) -> np.ndarray:
        """A stop, at once: no limit delays it."""
        self._last, self._at = np.zeros_like(self._last), now
        return self._last


LONGEST_PAUSE = 0.1
"""Seconds of acceleration that a pause between commands may add up to."""
