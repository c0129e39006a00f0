"""Adapters for `vla-eval`: the simulated task as a benchmark, a run as a model server.

    python -m mobile_vla.evaluation.vla_eval --args.run runs/CASE/DATE --port 8000
    vla-eval run --config docs/vla_eval.yaml --render cpu --server-url ws://127.0.0.1:8000

Needs the extra `vla-eval`. The classes are independent: another model can drive in these
scenes, and a run can be evaluated in another benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder
from mobile_vla.simulator.render import choose_backend

try:
    from vla_eval.benchmarks.base import StepBenchmark, StepResult
    from vla_eval.model_servers.base import SessionContext
    from vla_eval.model_servers.predict import PredictModelServer
    from vla_eval.specs import IMAGE_RGB, LANGUAGE, DimSpec
except ImportError as error:
    raise UserError(
        "vla-eval is not installed: install it with `pip install 'mobile-vla[vla-eval]'`."
    ) from error

CAMERA = "front"
FIRST_SCENE = 9_000_000
"""As in the product's own rollouts, so that the same scenes are driven."""
VELOCITY = DimSpec("velocity", 2, "m_s_ahead_left")
Values = dict[str, Any]


class _Specs:
    """What both sides exchange: velocities against a picture and an instruction."""

    def get_action_spec(self) -> dict[str, DimSpec]:
        return {"velocity": VELOCITY}

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"image": IMAGE_RGB, "language": LANGUAGE}


class LeftRightBenchmark(_Specs, StepBenchmark):  # type: ignore[misc]
    """`mobile_vla/LeftRight-v0` under one task a scenario; episode n drives scene n."""

    render_backends: ClassVar[frozenset[str]] = frozenset({"gpu", "cpu"})

    @classmethod
    def configure_render(cls, mode: str) -> dict[str, str]:
        """Whichever headless OpenGL this machine has, Mesa's on the CPU included."""
        return {"MUJOCO_GL": choose_backend()}

    def __init__(
        self,
        scenarios: Sequence[str] = ("1box_hori_left", "1box_hori_right"),
        image_size: Sequence[int] = (128, 128),
        wording: Literal["study", "lab_en", "lab_ko"] = "study",
    ) -> None:
        """`image_size`: height and width of the pictures, px; `wording` as the environment's."""
        super().__init__()
        from mobile_vla.simulator.gym_env import LeftRightEnv

        height, width = image_size
        self._scenarios = tuple(scenarios)
        self._env = LeftRightEnv(image_size=(height, width), wording=wording)

    def get_tasks(self) -> list[Values]:
        """A task for each scenario."""
        return [{"name": name, "suite": "left_right"} for name in self._scenarios]

    def reset(self, task: Values) -> Values:
        """Put the robot at the start of the episode's scene."""
        scene = FIRST_SCENE + int(task.get("episode_idx", 0))
        return self._env.reset(options={"scene": scene, "scenario": task["name"]})[0]

    def step(self, action: Values) -> StepResult:
        """Drive 0.4 s with `actions` (2 or 3: m/s ahead, m/s left, rad/s)."""
        observation, reward, terminated, truncated, info = self._env.step(
            np.asarray(action["actions"])
        )
        return StepResult(obs=observation, reward=reward, done=terminated or truncated, info=info)

    def make_obs(self, raw_obs: Values, task: Values) -> Values:
        """The picture and the instruction under the names that vla-eval's models know."""
        return {"images": {CAMERA: raw_obs["image"]}, "task_description": raw_obs["instruction"]}

    def get_step_result(self, step_result: StepResult) -> Values:
        """How the drive ended."""
        return {name: step_result.info[name] for name in ("success", "collision", "path_length")}

    def get_metric_keys(self) -> dict[str, str]:
        """Means over drives."""
        return dict.fromkeys(("success", "collision", "path_length"), "mean")


class PolicyServer(_Specs, PredictModelServer):  # type: ignore[misc]
    """A run's checkpoint as a model server, one frame a step with its history kept."""

    def __init__(self, run: str, checkpoint: str = "best") -> None:
        """`run`: the run's folder; `checkpoint`: best, latest or a folder of `checkpoints/`."""
        super().__init__()
        from mobile_vla.evaluation.offline import load_run
        from mobile_vla.policy.controller import Controller

        trained = load_run(RunFolder(Path(run)), checkpoint)
        self._controller = Controller(trained.policy, trained.case.recipe.window)
        self._side = trained.policy.backbone.image_size
        self._session: str | None = None

    def predict(self, obs: Values, ctx: SessionContext) -> Values:
        """The next velocities, (A,) m/s and rad/s. A server drives one session at a time."""
        from mobile_vla.episodes.frame_store import resize

        if ctx.is_first:
            self._controller.reset([obs["task_description"]])
            self._session = ctx.session_id
        if ctx.session_id != self._session:
            raise UserError("Two sessions drive at once: start a server for each.")
        (picture,) = obs["images"].values()
        return {"actions": self._controller.act(resize(np.array(picture), self._side)[None])[0]}


if __name__ == "__main__":
    import sys

    from vla_eval.model_servers.serve import run_server

    if not any(word.startswith(("--host", "--address")) for word in sys.argv):
        sys.argv += ["--host", "127.0.0.1"]  # its default is every address, without a token
    run_server(PolicyServer)
