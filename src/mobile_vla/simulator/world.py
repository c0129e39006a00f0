"""A robot in a scene: motion, camera, collisions, arrival."""

from __future__ import annotations

import atexit
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from mobile_vla.simulator.geometry import GOAL_RADIUS, clearance, to_frame
from mobile_vla.simulator.scene import Pose, Scene

if TYPE_CHECKING:
    import mujoco

FULL_SPEED = 1.15
STEP_SECONDS = 0.4
_SUBSTEP = 0.02
Side = Literal["left", "right"]


class World:
    """One scene with a holonomic robot: two slides and a hinge, velocity-controlled.

    The base takes on a commanded velocity at once (qvel is set and integrated, no inertia), so
    1.15 m/s for 0.4 s is 0.46 m. Where it touches an obstacle it stops, and `collided` stays true.
    `pose` is x (m), y (m), yaw (rad) in the world frame. Worlds of one process share a compiled
    model; they may be used in turn, not from two threads.
    """

    def __init__(self, scene: Scene) -> None:
        """Put a robot at the start of `scene`."""
        self.scene = scene
        self.reset()

    def reset(self) -> None:
        """Put the robot at the scene's start, at rest, with nothing touched or passed."""
        self.pose: Pose = self.scene.start
        self.collided = False
        self.reached = False
        self.passed_side: Side | None = None
        self._notice(self.pose)

    def place(self, pose: Pose) -> None:
        """Put the robot at `pose` without driving there; nothing counts as touched or passed."""
        self.pose = pose

    def step(self, action: Sequence[float] | np.ndarray, seconds: float = STEP_SECONDS) -> None:
        """Drive with `action` (2 or 3: m/s ahead, m/s left, rad/s) in the robot's frame."""
        ahead, left, turn = (*(float(part) for part in action), 0.0)[:3]
        substeps = max(1, round(seconds / _SUBSTEP))
        for _ in range(substeps):
            self._advance(ahead, left, turn, seconds / substeps)

    def slip(self, ahead: float, left: float) -> None:
        """Shift the robot by metres in its own frame, as a wheel that slips would."""
        self._advance(ahead, left, 0.0, 1.0)

    def render(self, height: int, width: int) -> np.ndarray:
        """What the front camera sees: (height, width, 3) uint8 RGB."""
        return _stage().render(self.scene, self.pose, height, width)

    def segment(self, height: int, width: int) -> np.ndarray:
        """(height, width) uint8: 0 other, 1 box, 2 basket, 3 and up the distractors."""
        return _stage().segment(self.scene, self.pose, height, width)

    def _advance(self, ahead: float, left: float, turn: float, seconds: float) -> None:
        x, y, yaw = self.pose
        middle = yaw + turn * seconds / 2
        cosine, sine = math.cos(middle), math.sin(middle)
        moved = (
            x + (cosine * ahead - sine * left) * seconds,
            y + (sine * ahead + cosine * left) * seconds,
            yaw + turn * seconds,
        )
        if clearance(self.scene, moved[0], moved[1]) < 0:
            self.collided = True
            return
        self._notice(moved)
        self.pose = moved

    def _notice(self, moved: Pose) -> None:
        """Note that the basket is reached, and the side on which the box's middle is passed."""
        box, goal = self.scene.box, (self.scene.basket_x, self.scene.basket_y)
        self.reached = self.reached or math.dist(moved[:2], goal) <= GOAL_RADIUS
        before = to_frame(self.scene.start, *self.pose[:2])[0]
        after, left = to_frame(self.scene.start, *moved[:2])
        box_ahead, box_left = to_frame(self.scene.start, box.x, box.y)
        if before < box_ahead <= after:
            self.passed_side = "left" if left > box_left else "right"


def has_rendered() -> bool:
    """Whether this process holds an OpenGL context, which a forked copy of it could not use."""
    return _stage.cache_info().currsize > 0


class _Stage:
    """The process's one model and its renderers, one for each picture size."""

    def __init__(self) -> None:
        from mobile_vla.simulator.render import choose_backend

        choose_backend()
        import mujoco

        from mobile_vla.simulator.mujoco_model import build_model, label_table

        self.model = build_model()
        self.data = mujoco.MjData(self.model)
        self.labels = label_table(self.model)
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}
        self._scene: Scene | None = None

    def render(self, scene: Scene, pose: Pose, height: int, width: int) -> np.ndarray:
        image: np.ndarray = self._look(scene, pose, height, width).render()
        return image

    def segment(self, scene: Scene, pose: Pose, height: int, width: int) -> np.ndarray:
        renderer = self._look(scene, pose, height, width)
        renderer.enable_segmentation_rendering()
        try:
            geoms = renderer.render()[:, :, 0]
        finally:
            renderer.disable_segmentation_rendering()
        labels: np.ndarray = self.labels[geoms]
        return labels

    def _look(self, scene: Scene, pose: Pose, height: int, width: int) -> mujoco.Renderer:
        import mujoco

        from mobile_vla.simulator.mujoco_model import write_scene
        from mobile_vla.simulator.render import make_renderer

        if scene is not self._scene:
            write_scene(self.model, scene)
            self._scene = scene
        self.data.qpos[:] = pose
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        key = (height, width)
        if key not in self._renderers:
            self._renderers[key] = make_renderer(self.model, height, width)
            atexit.register(self._renderers[key].close)  # OSMesa cannot once Python shuts down
        self._renderers[key].update_scene(self.data, camera="front")
        return self._renderers[key]


@functools.cache
def _stage() -> _Stage:
    return _Stage()
