"""The environment's entry in Gymnasium's registry, without importing the simulator."""

from __future__ import annotations

ENV_ID = "mobile_vla/LeftRight-v0"


def register() -> None:
    """Make `gymnasium.make("mobile_vla/LeftRight-v0")` known; called by Gymnasium's plugin loader.

    Where the package is not installed with its entry points, import `mobile_vla.simulator.gym_env`.
    """
    import gymnasium

    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point="mobile_vla.simulator.gym_env:LeftRightEnv")
