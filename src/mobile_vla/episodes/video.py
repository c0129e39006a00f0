"""Frames in and out of mp4 files, by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.lerobot_read import need

CRF, KEYFRAME_EVERY = 18, 2
"""x264's quality, nearly without visible loss; LeRobot's keyframes, for random access."""


def read_frames(path: Path, start: float, count: int, fps: float) -> np.ndarray:
    """(count, H, W, 3) uint8 RGB: the frames at `start` s, `start` + 1 / fps …

    Raises:
        ValueError: the video holds no frame within half a step of one of these times.
        OSError: it cannot be read.
    """
    av = need("av", "lerobot")
    frames: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(max(0, round(start / stream.time_base)), stream=stream, backward=True)
        for frame in container.decode(stream):
            wanted = start + len(frames) / fps
            if frame.time < wanted - 0.5 / fps:
                continue
            if frame.time > wanted + 0.5 / fps:
                raise ValueError(f"no frame at {wanted:.3f} s, the next is at {frame.time:.3f} s")
            frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == count:
                return np.stack(frames)
    raise ValueError(f"only {len(frames)} of {count} frames from {start:.3f} s")


class VideoWriter:
    """One mp4 file, h264, to which episodes are appended; use as a context manager."""

    def __init__(self, path: Path, size: tuple[int, int], fps: Fraction) -> None:
        """`size` is (height, width) in px, both even."""
        av = need("av", "lerobot")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.fps, self.frames = fps, 0
        self._container: Any = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=fps)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = 1 / fps
        self._stream.options = {"crf": str(CRF), "g": str(KEYFRAME_EVERY), "preset": "fast"}
        self.path = path

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return float(self.frames / self.fps)

    def add(self, images: Iterable[np.ndarray]) -> None:
        """Append (H, W, 3) uint8 RGB frames."""
        av = need("av", "lerobot")
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = self.frames, 1 / self.fps
            self._container.mux(self._stream.encode(frame))
            self.frames += 1

    def close(self) -> None:
        """Write what is still in the encoder, and the index."""
        self._container.mux(self._stream.encode())
        self._container.close()
