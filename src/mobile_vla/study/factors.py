"""Names of the factors that a study may declare a nuisance or ask about."""

from __future__ import annotations

from mobile_vla.study.models import Recipe

FACTORS = (
    "code", "data_amount", "device", "direction_balance", "episodes_left", "episodes_right",
    "episodes_straight", "epochs", "evaluation_scenes", "evaluation_set", "host",
    "initial_weights", "note", "optimiser_steps", "packages", "profile", "robot", "seed",
    "topology", "training_episodes", "validation_set", "vlm", "wall_time", "weights_as_loaded",
)  # fmt: skip
"""Factors of our runs, without those of the recipe."""
SETTING = "setting."
"""Before the keys of another program's configuration, which can be called anything."""
RECIPE = tuple(f"recipe.{key}" for key in Recipe.__struct_fields__)


def is_factor(name: str) -> bool:
    """Whether a run can have a factor of that name.

    >>> is_factor("host"), is_factor("recipe.lora.r"), is_factor("setting.batch")
    (True, True, True)
    >>> is_factor("hots"), is_factor("recipe.loar.r")
    (False, False)
    """
    if name.startswith(SETTING):
        return True
    return name in FACTORS or ".".join(name.split(".")[:2]) in RECIPE
