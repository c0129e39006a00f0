"""Headless pictures: the OpenGL backend is chosen here, before MuJoCo is imported."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import TYPE_CHECKING, Any

from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    import mujoco

MISSING_RENDERER = (
    "No headless OpenGL was found, so the simulator cannot render: install it with "
    "`apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri` (EGL) or "
    "`apt-get install libosmesa6` (OSMesa), then run the same command again."
)
_EGL_PLATFORM_DEVICE = 0x313F
_OSMESA_NAMES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


@functools.cache
def choose_backend() -> str:
    """Set `MUJOCO_GL` to what this machine has, EGL first, OSMesa second, and return it.

    A value that the user has set stays. Call it before `mujoco` is imported.

    Raises:
        UserError: neither can be had; the message names the system packages.
    """
    chosen = os.environ.get("MUJOCO_GL")
    if not chosen:
        chosen = "egl" if egl_works() else "osmesa" if osmesa_works() else None
    if chosen is None:
        raise UserError(MISSING_RENDERER)
    os.environ["MUJOCO_GL"] = chosen
    # Small pictures come faster without Mesa's own threads, and workers do not fight for cores.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return chosen


def egl_works() -> bool:
    """Whether libEGL loads and one of its devices gives a display."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    address = egl.eglGetProcAddress
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    query, display = address(b"eglQueryDevicesEXT"), address(b"eglGetPlatformDisplayEXT")
    if not query or not display:
        return False
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int()
    prototype = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    if not prototype(query)(16, devices, ctypes.byref(count)):
        return False
    present = [device for device in devices[: count.value] if device]
    return any(_initialises(egl, display, device) for device in present)


def _initialises(egl: Any, display_address: int, device: int) -> bool:
    prototype = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)
    display = prototype(display_address)(_EGL_PLATFORM_DEVICE, device, None)
    egl.eglInitialize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return bool(display) and bool(egl.eglInitialize(display, None, None))


def osmesa_works() -> bool:
    """Whether a libOSMesa loads."""
    for name in _OSMESA_NAMES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def make_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """A renderer without shadows or reflections for `model` at one picture size.

    Raises:
        UserError: OpenGL is there but gives no context.
    """
    choose_backend()
    import mujoco

    try:
        renderer = mujoco.Renderer(model, height, width, max_geom=64)
    except (RuntimeError, ImportError, AttributeError, mujoco.FatalError) as error:
        raise UserError(f"{MISSING_RENDERER} (OpenGL said: {error})") from error
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
        renderer.scene.flags[flag] = 0
    return renderer
