"""Names of the factors that a study may declare a nuisance or ask about."""

from __future__ import annotations

import msgspec

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
ELSEWHERE = {"recipe.seed": "seed", "recipe.epochs": "optimiser_steps", "epochs": "optimiser_steps"}
"""Names that a question may mean, and the factor that answers it."""


def recipe_factors() -> tuple[str, ...]:
    """The factors of a recipe, nested keys joined by dots: `recipe.window`, `recipe.lora.r`, …."""
    names = []
    for key, value in msgspec.to_builtins(Recipe()).items():
        inner = [f".{name}" for name in value] if isinstance(value, dict) else [""]
        names += [f"recipe.{key}{name}" for name in inner]
    return tuple(name for name in names if name not in ELSEWHERE)


QUESTIONS = (
    "data_amount", "device", "direction_balance", "initial_weights", "optimiser_steps", "packages",
    "seed", "topology", "vlm", *recipe_factors(),
)  # fmt: skip
"""Factors that a question may ask about: what a study or a machine sets, and no consequence."""


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
