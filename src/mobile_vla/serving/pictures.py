"""Camera frames as clients send them: checked, and resized as in training."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from mobile_vla.serving.request_error import RequestError

MAX_PIXELS = 4096 * 4096
SHORTEST_SIDE = 8


def decode_picture(data: bytes) -> np.ndarray:
    """A PNG or JPEG as (H, W, 3) uint8 RGB. The size is checked before pixels are decoded.

    Raises:
        RequestError: it is neither, it is broken, too large, or not RGB.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise RequestError("picture_too_large", width=picture.width, height=picture.height)
            if picture.mode != "RGB":
                raise RequestError("picture_mode", mode=picture.mode)
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RequestError("picture_undecodable") from error


def check_frame(value: Any, key: str, side: int, *, refuse_resize: bool) -> np.ndarray:
    """The camera frame under `key`, (H, W, 3) uint8 RGB, of any size or of `side` px alone.

    Raises:
        RequestError: another type, shape or order of channels, or a size that is refused.
    """
    if not isinstance(value, np.ndarray):
        raise RequestError("no_array", key=key, kind=type(value).__name__)
    shape = str(list(value.shape))
    if value.ndim == 3 and value.shape[0] == 3 and value.shape[2] != 3:
        raise RequestError("channels_first", key=key, shape=shape)
    if value.ndim != 3 or value.shape[2] != 3 or min(value.shape[:2]) < SHORTEST_SIDE:
        raise RequestError("frame_shape", key=key, shape=shape)
    if value.dtype != np.uint8:
        raise RequestError("frame_dtype", key=key, dtype=str(value.dtype))
    if value.shape[0] * value.shape[1] > MAX_PIXELS:
        raise RequestError("picture_too_large", width=value.shape[1], height=value.shape[0])
    if refuse_resize and value.shape[:2] != (side, side):
        raise RequestError("frame_size", key=key, shape=shape, side=side)
    return value
