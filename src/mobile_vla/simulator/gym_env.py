"""The task as a Gymnasium environment: `gymnasium.make("mobile_vla/LeftRight-v0")`.

Importing this module registers the name; `gymnasium.make` imports it by itself when given
`"mobile_vla.simulator.gym_env:mobile_vla/LeftRight-v0"` (Gymnasium loads no plugins any more).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces

from mobile_vla.messages.errors import UserError
from mobile_vla.simulator.instructions import Language, instruction
from mobile_vla.simulator.scenarios import lab_text, read_scenario, scenario_scene
from mobile_vla.simulator.scene import GOALS, Goal
from mobile_vla.simulator.task import MAX_STEPS, DriveEnv, DriveOutcome
from mobile_vla.simulator.world import FULL_SPEED, STEP_SECONDS, Side

ENV_ID = "mobile_vla/LeftRight-v0"
LONGEST_TEXT = 128
STUDY_SCENARIOS = ("1box_hori_left", "1box_hori_right")
_LETTERS = frozenset(chr(code) for code in (*range(32, 127), *range(0xAC00, 0xD7A4)))
Observation = dict[str, Any]


class LeftRightEnv(gymnasium.Env[Observation, np.ndarray]):
    """Pass the box on the instructed side and reach the goal; the same seed gives the same bytes.

    Observation: `image` (height, width, 3) uint8 RGB and `instruction`. Action: (3,) float32, m/s
    ahead, m/s left, rad/s. Reward: 1 for success when the drive ends, else 0. A drive terminates
    when the goal is reached or something is touched, and is truncated after `max_steps`; `info`
    has the scenario and the state of the drive.

    Args:
        scenario: one of the eight, or None for one box lying, its side drawn by the seed.
        image_size: height and width of the pictures, px.
        goal: basket, cup or bottle.
        wording: the study's sentence, or the lab's in either language.
        latency: steps of 0.4 s until an action acts; before that the robot rests.
        slip: standard deviation of the shift of slipping wheels, m a step.
        varied_camera: draw the camera's height, pitch and field of view.
        max_steps: steps until a drive is cut off.
        render_mode: `rgb_array` or None.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1 / STEP_SECONDS}

    def __init__(
        self,
        *,
        scenario: str | None = None,
        image_size: tuple[int, int] = (128, 128),
        goal: Goal = "basket",
        wording: Literal["study", "lab_en", "lab_ko"] = "study",
        latency: int = 0,
        slip: float = 0.0,
        varied_camera: bool = False,
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
    ) -> None:
        if goal not in GOALS:
            raise UserError(f'There is no goal "{goal}": use one of {", ".join(GOALS)}.')
        if wording not in ("study", "lab_en", "lab_ko"):
            raise UserError(f'There is no wording "{wording}": use study, lab_en or lab_ko.')
        self._scenarios = STUDY_SCENARIOS if scenario is None else (scenario,)
        for name in self._scenarios:
            read_scenario(name)
        self._goal, self._wording = goal, wording
        self._size = int(image_size[0]), int(image_size[1])
        self._varied_camera, self._max_steps = varied_camera, max_steps
        self._drive_options: dict[str, Any] = {
            "max_steps": max_steps, "latency": latency, "slip": slip,
        }  # fmt: skip
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (*self._size, 3), np.uint8),
                "instruction": spaces.Text(LONGEST_TEXT, charset=_LETTERS),
            }
        )
        self.action_space = spaces.Box(-FULL_SPEED, FULL_SPEED, (3,), np.float32)
        self._drive: DriveEnv | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a scene; `options` may name its `scene` (a seed) and its `scenario`."""
        super().reset(seed=seed)
        choices = options or {}
        sampled = self._scenarios[int(self.np_random.integers(len(self._scenarios)))]
        scene_seed = int(self.np_random.integers(2**40))
        self._scenario = str(choices.get("scenario", sampled))
        chosen = read_scenario(self._scenario)
        drawn, camera = int(choices.get("scene", scene_seed)), self._varied_camera
        scene = scenario_scene(drawn, chosen, goal=self._goal, varied_camera=camera)
        self._drive = DriveEnv(scene, chosen.direction, self._size, **self._drive_options)
        self._text = self._instruction(chosen.direction)
        self._image = self._drive.reset()
        return self._observation(), self._info(self._drive.outcome())

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Drive 0.4 s. A NaN action, or a step before `reset`, is a `UserError`."""
        if self._drive is None:
            raise UserError("The environment was not reset: call reset before step.")
        self._image, _ = self._drive.step(np.asarray(action, np.float64))
        outcome = self._drive.outcome()
        terminated = outcome.reached or outcome.collision
        reward = float(terminated and outcome.success)
        truncated = not terminated and outcome.steps >= self._max_steps
        return self._observation(), reward, terminated, truncated, self._info(outcome)

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The last picture (height, width, 3) uint8 RGB, None without a render mode."""
        return self._image.copy() if self.render_mode == "rgb_array" else None

    def _instruction(self, direction: Side) -> str:
        if self._wording == "study":
            return instruction(direction, self._goal)
        language: Language = "en" if self._wording == "lab_en" else "ko"
        return lab_text(direction, self._goal, language)

    def _observation(self) -> Observation:
        return {"image": self._image.copy(), "instruction": self._text}

    def _info(self, outcome: DriveOutcome) -> dict[str, Any]:
        return {
            "scenario": self._scenario,
            "scene": self._drive.scene.seed if self._drive else math.nan,
            "success": outcome.success,
            "collision": outcome.collision,
            "side": outcome.side or "none",
            "path_length": outcome.path_length,
        }


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, entry_point="mobile_vla.simulator.gym_env:LeftRightEnv")
