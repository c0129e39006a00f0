"""The lab's eight scenarios: one box or two, lying or standing, passed on the left or the right."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.instructions import SIDE_WORDS, Language
from mobile_vla.simulator.scene import (
    Appearance,
    Goal,
    Scene,
    SceneObject,
    sample_rgb,
    sample_scene,
)
from mobile_vla.simulator.world import Side

SCENARIOS = tuple(
    f"{count}box_{pose}_{side}"
    for count in (1, 2)
    for pose in ("hori", "vert")
    for side in ("left", "right")
)
LAB_TEXTS: dict[Language, str] = {
    "en": "Navigate around the obstacle on the {side} side and reach the {goal}",
    "ko": "박스를 {side}으로 돌아서 {goal}까지 가세요",
}
"""The lab's instructions."""
GOAL_WORDS: dict[Language, dict[Goal, str]] = {
    "en": {"basket": "basket", "cup": "cup", "bottle": "bottle"},
    "ko": {"basket": "바구니", "cup": "컵", "bottle": "병"},
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario's name, read: how many boxes, how they lie, which side to pass."""

    boxes: Literal[1, 2]
    standing: bool
    direction: Side


def read_scenario(name: str) -> Scenario:
    """`1box_hori_left` and its like; another name is a `UserError`."""
    if name not in SCENARIOS:
        raise UserError(f'There is no scenario "{name}": use one of {", ".join(SCENARIOS)}.')
    boxes, pose, side = name.split("_")
    return Scenario(
        boxes=1 if boxes == "1box" else 2,
        standing=pose == "vert",
        direction="left" if side == "left" else "right",
    )


def scenario_scene(
    seed: int, scenario: Scenario, *, goal: Goal = "basket", varied_camera: bool = False
) -> Scene:
    """The scene of `seed` as that scenario has it; with one lying box it is `sample_scene`'s.

    The second box is behind the first. With `varied_camera`, its height, pitch and field of view
    are drawn too.
    """
    scene = sample_scene(seed)
    rng = np.random.default_rng([seed, 3])
    if scenario.standing:
        scene = replace(scene, box=_stood_up(scene.box, rng))
    if scenario.boxes == 2:
        scene = replace(scene, distractors=(_second(scene, scenario.standing, rng),))
    if varied_camera:
        scene = replace(
            scene, appearance=_varied(scene.appearance, np.random.default_rng([seed, 4]))
        )
    return replace(scene, goal=goal)


def lab_text(direction: Side, goal: Goal, language: Language) -> str:
    """The lab's instruction for a direction and a goal."""
    words = {"side": SIDE_WORDS[language][direction], "goal": GOAL_WORDS[language][goal]}
    return LAB_TEXTS[language].format(**words)


def _stood_up(box: SceneObject, rng: np.random.Generator) -> SceneObject:
    """The same box on its end: narrow and tall."""
    return replace(
        box,
        half_x=rng.uniform(0.15, 0.22),
        half_y=rng.uniform(0.15, 0.22),
        half_z=rng.uniform(0.36, 0.5),
    )


def _second(scene: Scene, standing: bool, rng: np.random.Generator) -> SceneObject:
    """A narrower box of another colour behind the first: past the one is past the other."""
    narrow = replace(
        scene.box,
        x=scene.box.x + rng.uniform(0.6, 0.8),
        y=scene.box.y + rng.uniform(-0.05, 0.05),
        half_x=0.15,
        half_y=min(scene.box.half_y, 0.2),
        yaw=rng.uniform(-0.3, 0.3),
        rgb=sample_rgb(rng, scene.appearance.floor, scene.box.rgb),
    )
    return _stood_up(narrow, rng) if standing else narrow


def _varied(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    return replace(
        appearance,
        pitch=appearance.pitch + math.radians(rng.uniform(-4, 4)),
        camera_height=rng.uniform(0.7, 0.9),
        field_of_view=rng.uniform(80, 100),
    )
