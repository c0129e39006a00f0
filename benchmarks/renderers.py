"""One renderer, timed alone: `python renderers.py NAME HEIGHT WIDTH SECONDS` prints frames/s.

Run by `rendering.py` with any interpreter, which need have nothing but numpy and the renderer: a
floor, two boxes and a basket (a third box where there is no cylinder), seen by a camera that moves,
every picture read back as (height, width, 3) bytes. Exit 3 where the renderer is not installed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

Frame = Callable[[int], np.ndarray]
ABSENT = 3
BOXES = ((2.0, 0.3, 0.2), (2.6, -0.5, 0.25))
BASKET = (4.2, 0.0, 0.33)


def mujoco(height: int, width: int) -> Frame:
    """The product's own scene and settings."""
    from mobile_vla.simulator.scene import sample_scene
    from mobile_vla.simulator.world import World

    world = World(sample_scene(1))

    def frame(step: int) -> np.ndarray:
        world.place((0.01 * (step % 100), 0.0, 0.0))
        return world.render(height, width)

    return frame


def mujoco_shadows(height: int, width: int) -> Frame:
    """The same with a shadow map of 1024 px."""
    from mobile_vla.simulator.render import choose_backend

    choose_backend()
    import mujoco as mj

    from mobile_vla.simulator import mujoco_model as model
    from mobile_vla.simulator import world

    model._XML = model._XML.replace('shadowsize="0"', 'shadowsize="1024"').replace(
        'castshadow="false"', 'castshadow="true"'
    )
    frame = mujoco(height, width)
    frame(0)
    renderer = world._stage()._renderers[height, width]
    renderer.scene.flags[mj.mjtRndFlag.mjRND_SHADOW] = 1
    return frame


def pyvista(height: int, width: int) -> Frame:
    """VTK off screen."""
    import pyvista as pv

    plotter = pv.Plotter(off_screen=True, window_size=[width, height])
    plotter.add_mesh(pv.Plane(i_size=28, j_size=28), color="grey")
    for x, y, half in BOXES:
        sides = {"x_length": 2 * half, "y_length": 2 * half, "z_length": 2 * half}
        plotter.add_mesh(pv.Cube(center=(x, y, half), **sides), color="brown")
    x, y, radius = BASKET
    plotter.add_mesh(
        pv.Cylinder(center=(x, y, 0.21), direction=(0, 0, 1), radius=radius, height=0.42),
        color="blue",
    )
    camera = plotter.camera
    camera.up, camera.view_angle = (0, 0, 1), 90

    def frame(step: int) -> np.ndarray:
        at = 0.01 * (step % 100)
        camera.position, camera.focal_point = (at, 0, 0.8), (at + 1, 0, 0.3)
        plotter.render()
        return np.asarray(plotter.screenshot(return_img=True))

    return frame


def pybullet(height: int, width: int) -> Frame:
    """Bullet's TinyRenderer."""
    import pybullet as bullet

    bullet.connect(bullet.DIRECT)

    def put(kind: int, place: tuple[float, float, float], colour: str, **size: object) -> None:
        rgba = {"grey": (0.6, 0.6, 0.6, 1), "brown": (0.6, 0.4, 0.2, 1), "blue": (0, 0, 1, 1)}
        shape = bullet.createVisualShape(kind, rgbaColor=rgba[colour], **size)
        bullet.createMultiBody(baseVisualShapeIndex=shape, basePosition=place)

    put(bullet.GEOM_BOX, (0, 0, -0.01), "grey", halfExtents=(14, 14, 0.01))
    for x, y, half in BOXES:
        put(bullet.GEOM_BOX, (x, y, half), "brown", halfExtents=(half,) * 3)
    put(bullet.GEOM_CYLINDER, (*BASKET[:2], 0.21), "blue", radius=BASKET[2], length=0.42)
    lens = bullet.computeProjectionMatrixFOV(90, width / height, 0.01, 60)

    def frame(step: int) -> np.ndarray:
        at = 0.01 * (step % 100)
        view = bullet.computeViewMatrix((at, 0, 0.8), (at + 1, 0, 0.3), (0, 0, 1))
        seen = bullet.getCameraImage(
            width, height, view, lens, renderer=bullet.ER_TINY_RENDERER, shadow=0
        )
        return np.asarray(seen[2], np.uint8).reshape(height, width, 4)[..., :3]

    return frame


def panda3d(height: int, width: int) -> Frame:
    """Panda's software renderer, three boxes and a floor."""
    from panda3d.core import CardMaker, Texture, loadPrcFileData

    loadPrcFileData(
        "", "load-display p3tinydisplay\nwindow-type offscreen\naudio-library-name null"
    )
    loadPrcFileData("", f"win-size {width} {height}")
    from direct.showbase.ShowBase import ShowBase

    base = ShowBase()
    picture = Texture()
    base.win.addRenderTexture(picture, base.win.RTMCopyRam)
    floor = CardMaker("floor")
    floor.setFrame(-14, 14, -14, 14)
    ground = base.render.attachNewNode(floor.generate())
    ground.setP(-90)
    ground.setColor(0.6, 0.6, 0.6, 1)
    for x, y, half in (*BOXES, BASKET):
        box = base.loader.loadModel("models/box")
        box.reparentTo(base.render)
        box.setPosHprScale(x - half, y - half, 0, 0, 0, 0, 2 * half, 2 * half, 2 * half)
    base.camLens.setFov(90 * width / height, 90)
    base.camLens.setNear(0.01)

    def frame(step: int) -> np.ndarray:
        at = 0.01 * (step % 100)
        base.camera.setPos(at, 0, 0.8)
        base.camera.lookAt(at + 1, 0, 0.3)
        base.graphicsEngine.renderFrame()
        bytes_ = np.frombuffer(picture.getRamImageAs("RGB"), np.uint8)
        return bytes_.reshape(height, width, 3)[::-1]

    return frame


RENDERERS: dict[str, Callable[[int, int], Frame]] = {
    "mujoco": mujoco,
    "mujoco_shadows": mujoco_shadows,
    "mujoco_osmesa": mujoco,
    "panda3d": panda3d,
    "pyvista": pyvista,
    "pybullet": pybullet,
}


def time_one(argv: list[str]) -> int:
    """Time one renderer on one core; 3 where it cannot be had."""
    name, height, width, seconds = argv[0], int(argv[1]), int(argv[2]), float(argv[3])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        frame = RENDERERS[name](height, width)
        first = frame(0)
    except (ImportError, OSError, AttributeError) as error:
        print(error, file=sys.stderr)
        return ABSENT
    assert first.shape == (height, width, 3) and first.std() > 5, (first.shape, first.std())
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        steps += 1
        frame(steps)
    print(steps / (time.perf_counter() - began), file=sys.__stdout__)
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    real, sys.stdout = sys.stdout, sys.stderr  # some libraries greet on standard output
    try:
        code = time_one(sys.argv[1:])
    finally:
        sys.stdout = real
    sys.exit(code)
