"""Velocity, acceleration and jerk limits of each axis, applied after the policy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

LONGEST_PAUSE = 0.1
"""Seconds of acceleration that a pause between commands may add up to."""
KINDS = ("velocity", "acceleration", "jerk")
NOISE = 1e-9
"""Relative change of a velocity below which no limit is said to bind."""


@dataclass(frozen=True, slots=True)
class AxisLimits:
    """Limits (A,) of each axis: m/s and rad/s, and the same per s and per s²; inf is no limit."""

    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray

    def __post_init__(self) -> None:
        """Raises a `UserError` where a limit is NaN, zero or negative."""
        for name in KINDS:
            for value in np.ravel(getattr(self, name)):
                if not value > 0:
                    message = phrase(
                        "serve.velocity_limit_bad", "en", name=name, value=float(value)
                    )
                    raise UserError(message)


def axis_limits(
    axes: int,
    velocity: float = math.inf,
    acceleration: float = math.inf,
    jerk: float = math.inf,
    robot: Mapping[str, Sequence[float | None]] | None = None,
) -> AxisLimits:
    """One limit for all axes, and below it the robot's own of each axis, where it has any."""
    values: dict[str, Any] = {}
    for name, limit in zip(KINDS, (velocity, acceleration, jerk), strict=True):
        axis_values = (robot or {}).get(name) or [None] * axes
        of_robot = np.array([math.inf if value is None else value for value in axis_values], float)
        values[name] = np.minimum(of_robot, limit)  # NaN stays NaN, and is refused
    return AxisLimits(**values)


class VelocityLimiter:
    """Keeps the commands to a robot within its limits.

    `bound`: how many commands each kind of limit has changed; `axes_bound`: by kind and axis.
    """

    def __init__(self, limits: AxisLimits) -> None:
        self._limits = limits
        self._last = np.zeros_like(limits.velocity)
        self._acceleration = np.zeros_like(limits.velocity)
        self._at = -math.inf
        self.bound: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.axes_bound: Counter[tuple[str, int]] = Counter()

    def limit(self, target: np.ndarray, now: float) -> np.ndarray:
        """The velocity (A,) to send at a time, on the way to `target`."""
        seconds = min(now - self._at, LONGEST_PAUSE)
        limits = self._limits
        clipped = np.clip(target, -limits.velocity, limits.velocity)
        self._note("velocity", target, clipped)
        reach = limits.acceleration * seconds
        reached = np.clip(clipped, self._last - reach, self._last + reach)
        self._note("acceleration", clipped, reached)
        smooth = self._within_jerk(clipped, reached, seconds)
        self._note("jerk", reached, smooth)
        if seconds > 0:
            self._acceleration = (smooth - self._last) / seconds
        self._last, self._at = smooth, now
        return smooth

    def zero(self, now: float) -> np.ndarray:
        """A stop, at once: no limit delays it."""
        self._last, self._at = np.zeros_like(self._last), now
        self._acceleration = np.zeros_like(self._last)
        return self._last

    def _within_jerk(self, target: np.ndarray, reached: np.ndarray, seconds: float) -> np.ndarray:
        """`reached`, with the acceleration changed by at most jerk times the time.

        The acceleration also stays low enough to end at `target`: sqrt(2 · jerk · distance).
        """
        limits = self._limits
        smooth = np.isfinite(limits.jerk)
        if seconds <= 0 or not smooth.any():
            return reached
        jerk = np.where(smooth, limits.jerk, 0.0)
        ending = np.sqrt(2 * jerk * np.abs(target - self._last))
        acceleration = np.clip((reached - self._last) / seconds, -ending, ending)
        change = jerk * seconds
        possible = np.clip(acceleration, self._acceleration - change, self._acceleration + change)
        velocity = self._last + possible * seconds
        return np.where(smooth, np.clip(velocity, -limits.velocity, limits.velocity), reached)

    def _note(self, kind: str, before: np.ndarray, after: np.ndarray) -> None:
        changed = np.abs(after - before) > NOISE * np.maximum(1.0, np.abs(before))
        self.bound[kind] += bool(changed.any())
        self.axes_bound.update((kind, int(axis)) for axis in np.flatnonzero(changed))
