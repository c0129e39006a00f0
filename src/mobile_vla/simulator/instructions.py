"""What the robot is told, in words."""

from __future__ import annotations

from mobile_vla.simulator.world import Side


def instruction(direction: Side, goal: str = "basket") -> str:
    """The task's sentence: pass the box on `direction`, go to `goal`."""
    return f"go around the box on the {direction}, to the {goal}"
