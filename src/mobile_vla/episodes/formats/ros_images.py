"""Pixels of sensor_msgs Image and CompressedImage.

Encodings: https://docs.ros2.org/latest/api/sensor_msgs/ and image_encodings.hpp.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.formats.pictures import read_picture
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.reason import reason

CHANNELS = {
    "rgb8": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2),
    "bgra8": (2, 1, 0),
    "8UC3": (2, 1, 0),
    "8UC4": (2, 1, 0),
    "mono8": (0, 0, 0),
    "8UC1": (0, 0, 0),
}
"""The channels of red, green and blue. OpenCV's 8UC3 and 8UC4 are taken as BGR, as OpenCV does."""
WIDTHS = {"rgba8": 4, "bgra8": 4, "8UC4": 4, "mono8": 1, "8UC1": 1}
"""Bytes a pixel where they are not 3."""
YUV = {"yuv422": "uyvy", "uyvy": "uyvy", "yuv422_yuy2": "yuyv", "yuyv": "yuyv"}
BAYER = {
    "bayer_rggb8": (0, 1, 1, 2),
    "bayer_bggr8": (2, 1, 1, 0),
    "bayer_gbrg8": (1, 2, 0, 1),
    "bayer_grbg8": (1, 0, 2, 1),
}
"""Colours of a 2 × 2 cell, row by row: 0 red, 1 green, 2 blue."""
SUPPORTED = ", ".join([*CHANNELS, *YUV, *BAYER])


def image_pixels(path: Path, message: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an Image or CompressedImage of the recording at `path`.

    Raises:
        EpisodeError: another encoding, or a damaged picture.
    """
    if hasattr(message, "format"):
        return read_picture(path, io.BytesIO(bytes(message.data)))
    encoding = message.encoding
    if encoding in CHANNELS:
        width = WIDTHS.get(encoding, 3)
        pixels = _rows(message, width).reshape(message.height, message.width, width)
        return np.ascontiguousarray(pixels[:, :, list(CHANNELS[encoding])])
    if encoding in YUV:
        return _from_yuv422(_rows(message, 2), YUV[encoding])
    if encoding in BAYER:
        return _from_bayer(_rows(message, 1), BAYER[encoding])
    why = reason("episode.image_encoding", encoding=encoding, supported=SUPPORTED)
    raise EpisodeError(path, why)


def _rows(message: Any, width: int) -> np.ndarray:
    """(H, W * width) uint8 without the padding of rows."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    return rows[:, : message.width * width]


def _from_yuv422(rows: np.ndarray, order: str) -> np.ndarray:
    """RGB of 4:2:2 pairs of pixels, BT.601 with video levels, as cv_bridge converts it."""
    pairs = rows.reshape(len(rows), -1, 4).astype(np.float32)
    (y0, y1), u, v = ((1, 3), 0, 2) if order == "uyvy" else ((0, 2), 1, 3)
    luma = 1.164 * (np.stack([pairs[..., y0], pairs[..., y1]], axis=2).reshape(len(rows), -1) - 16)
    blue, red = (np.repeat(pairs[..., c] - 128, 2, axis=1) for c in (u, v))
    rgb = (luma + 1.596 * red, luma - 0.392 * blue - 0.813 * red, luma + 2.017 * blue)
    return np.stack(rgb, axis=2).round().clip(0, 255).astype(np.uint8)


def _from_bayer(rows: np.ndarray, cell: tuple[int, ...]) -> np.ndarray:
    """RGB at full size; the pixels of a 2 × 2 cell share its red, mean green and blue."""
    height, width = rows.shape
    even = np.pad(rows, ((0, height % 2), (0, width % 2)), mode="edge").astype(np.uint16)
    samples = [even[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    colours = []
    for colour in (0, 1, 2):
        values = [s for s, c in zip(samples, cell, strict=True) if c == colour]
        colours.append(sum(values) // len(values))
    small = np.stack(colours, axis=2).astype(np.uint8)
    return small.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
