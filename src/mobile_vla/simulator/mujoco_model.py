"""The MuJoCo model. Scenes are written into it, so it is compiled and rendered in one context."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mobile_vla.simulator.scene import (
    BASKET_HEIGHT,
    BASKET_RADIUS,
    CAMERA_HEIGHT,
    FIELD_OF_VIEW,
    MAX_PER_KIND,
    RGB,
    Appearance,
    Goal,
    Scene,
    SceneObject,
)

if TYPE_CHECKING:
    import mujoco

CAMERA_BACK = 0.1
LARGEST_PICTURE = 2048
SHOWN, HIDDEN = 0, 5
LABEL_BOX, LABEL_BASKET, LABEL_DISTRACTOR = 1, 2, 3
_TYPES = {"box": "box", "ball": "sphere", "cylinder": "cylinder"}
_GOALS: dict[Goal, tuple[float, float, float, float, float]] = {
    "basket": (BASKET_RADIUS, BASKET_HEIGHT, BASKET_RADIUS * 0.88, 0.004, BASKET_HEIGHT),
    "cup": (0.14, 0.24, 0.12, 0.004, 0.24),
    "bottle": (0.11, 0.4, 0.04, 0.08, 0.48),
}
"""Radius and height of a goal; radius, half height and middle of its hollow or its neck, m."""
SLOTS = tuple(f"{kind}{index}" for kind in _TYPES for index in range(MAX_PER_KIND))

# The plane's third size is its grid spacing: 0.1 would make a mesh that costs 5 ms a picture.
_XML = f"""
<mujoco model="left_right">
  <visual>
    <global offwidth="{LARGEST_PICTURE}" offheight="{LARGEST_PICTURE}" fovy="{FIELD_OF_VIEW}"/>
    <quality shadowsize="0" offsamples="4" numslices="20" numstacks="10"/>
    <map znear="0.01" zfar="60"/>
  </visual>
  <statistic extent="5" center="2.5 0 0"/>
  <asset>
    <texture name="tiles" type="2d" builtin="checker" rgb1="1 1 1" rgb2=".93 .93 .93"
             width="64" height="64"/>
    <material name="tiles" texture="tiles" texrepeat="12 12" specular="0" reflectance="0"/>
  </asset>
  <worldbody>
    <light name="lamp" type="directional" castshadow="false" specular="0 0 0"/>
    <geom name="floor" type="plane" size="14 14 6" material="tiles" rgba=".6 .6 .6 1"/>
    <geom name="wall_front" type="box" size=".1 14 4" pos="12 0 4"/>
    <geom name="wall_left" type="box" size="14 .1 4" pos="0 12 4"/>
    <geom name="wall_right" type="box" size="14 .1 4" pos="0 -12 4"/>
    <body name="box">
      <geom name="box" type="box" size=".2 .2 .2"/>
      <geom name="box_tape" type="box" size=".2 .2 .2"/>
    </body>
    <body name="basket">
      <geom name="basket" type="cylinder" size="{BASKET_RADIUS} {BASKET_HEIGHT / 2}"
            pos="0 0 {BASKET_HEIGHT / 2}"/>
      <geom name="basket_inside" type="cylinder" size="{BASKET_RADIUS * 0.88} .004"
            pos="0 0 {BASKET_HEIGHT}"/>
    </body>
    {{slots}}
    <body name="robot">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <joint name="yaw" type="hinge" axis="0 0 1"/>
      <geom name="robot" type="cylinder" size=".2 .15" pos="0 0 .16" group="{HIDDEN}"/>
      <camera name="front" pos="-{CAMERA_BACK} 0 {CAMERA_HEIGHT}" fovy="{FIELD_OF_VIEW}"/>
    </body>
  </worldbody>
</mujoco>
"""


def build_model() -> mujoco.MjModel:
    """Compile the model with one slot for every thing that a scene may hold."""
    import mujoco

    bodies = "".join(
        f'<body name="{slot}">'
        f'<geom name="{slot}" type="{_TYPES[slot[:-1]]}" size=".1 .1 .1"/></body>'
        for slot in SLOTS
    )
    return mujoco.MjModel.from_xml_string(_XML.format(slots=bodies))


def label_table(model: mujoco.MjModel) -> np.ndarray:
    """Label of each geom id, (ngeom + 1,) uint8; the last entry is for "no geom" (id -1)."""
    labels = np.zeros(model.ngeom + 1, np.uint8)
    for name, label in (
        ("box", LABEL_BOX),
        ("box_tape", LABEL_BOX),
        ("basket", LABEL_BASKET),
        ("basket_inside", LABEL_BASKET),
    ):
        labels[model.geom(name).id] = label
    for index, slot in enumerate(SLOTS):
        labels[model.geom(slot).id] = LABEL_DISTRACTOR + index
    return labels


def write_scene(model: mujoco.MjModel, scene: Scene) -> None:
    """Set sizes, positions, colours, light and camera of `model` to those of `scene`."""
    _write_object(model, "box", scene.box)
    _write_tape(model, scene.box)
    _write_goal(model, scene)
    _paint(model, "basket", scene.basket_rgb)
    _paint(model, "basket_inside", _shade(scene.basket_rgb, 0.35))
    _write_distractors(model, scene)
    _write_appearance(model, scene.appearance)


def _write_goal(model: mujoco.MjModel, scene: Scene) -> None:
    radius, height, *top = _GOALS[scene.goal]
    model.body("basket").pos[:2] = scene.basket_x, scene.basket_y
    model.geom("basket").size[:2] = radius, height / 2
    model.geom("basket").pos[2] = height / 2
    model.geom("basket_inside").size[:2] = top[:2]
    model.geom("basket_inside").pos[2] = top[2]


def _write_distractors(model: mujoco.MjModel, scene: Scene) -> None:
    free = list(SLOTS)
    for obj in scene.distractors:
        slot = next(name for name in free if name.startswith(obj.kind))
        free.remove(slot)
        _write_object(model, slot, obj)
        model.geom(slot).group = SHOWN
    for slot in free:
        model.geom(slot).group = HIDDEN


def _write_object(model: mujoco.MjModel, name: str, obj: SceneObject) -> None:
    sizes = {
        "box": (obj.half_x, obj.half_y, obj.half_z),
        "ball": (obj.half_x, 0, 0),
        "cylinder": (obj.half_x, obj.half_z, 0),
    }
    body = model.body(name)
    body.pos[:] = obj.x, obj.y, obj.half_z
    body.quat[:] = math.cos(obj.yaw / 2), 0, 0, math.sin(obj.yaw / 2)
    model.geom(name).size[:] = sizes[obj.kind]
    _paint(model, name, obj.rgb)


def _write_tape(model: mujoco.MjModel, box: SceneObject) -> None:
    """A strip of tape over the box, so that a person sees a carton and not a block."""
    tape = model.geom("box_tape")
    tape.size[:] = box.half_x + 0.002, 0.12 * box.half_y, box.half_z + 0.002
    _paint(model, "box_tape", _shade(box.rgb, 0.82))


def _write_appearance(model: mujoco.MjModel, appearance: Appearance) -> None:
    _paint(model, "floor", appearance.floor)
    for wall in ("wall_front", "wall_left", "wall_right"):
        _paint(model, wall, appearance.wall)
    light = np.asarray(appearance.light)
    model.light("lamp").dir[:] = light / np.linalg.norm(light)
    model.light("lamp").diffuse[:] = appearance.diffuse
    model.vis.headlight.ambient[:] = appearance.ambient
    model.vis.headlight.diffuse[:] = 0.25
    model.vis.headlight.specular[:] = 0
    model.camera("front").fovy[:] = appearance.field_of_view
    model.camera("front").pos[2] = appearance.camera_height
    model.camera("front").quat[:] = _camera_quaternion(appearance.pitch)


def _camera_quaternion(pitch: float) -> np.ndarray:
    """(4,) w x y z of a camera that looks ahead (+ x) and `pitch` radians down."""
    import mujoco

    ahead = np.array([math.cos(pitch), 0, -math.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    axes = np.stack([right, np.cross(-ahead, right), -ahead], axis=1)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    return quaternion


def _paint(model: mujoco.MjModel, geom: str, rgb: RGB) -> None:
    model.geom(geom).rgba[:] = (*rgb, 1)


def _shade(rgb: RGB, factor: float) -> RGB:
    return rgb[0] * factor, rgb[1] * factor, rgb[2] * factor
