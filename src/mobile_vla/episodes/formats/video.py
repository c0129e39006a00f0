"""Frames in and out of mp4 files, by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.optional_imports import need

CRF, KEYFRAME_EVERY = 18, 2
"""x264's quality, nearly without visible loss, and LeRobot's keyframe interval."""


def read_frames(path: Path, start: float, count: int, fps: float) -> Iterator[np.ndarray]:
    """The (H, W, 3) uint8 RGB frames at `start` s, `start` + 1 / fps …

    Raises:
        ValueError: the video does not begin at 0 s, or holds no frame within half a step of one
            of these times.
        OSError: it cannot be read.
    """
    av = need("av", "lerobot")
    count_read = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        first = float((stream.start_time or 0) * stream.time_base)
        if abs(first) > 0.5 / fps:
            raise ValueError(f"its first frame is at {first:.3f} s, where 0 s is expected")
        container.seek(max(0, round(start / stream.time_base)), stream=stream, backward=True)
        for frame in container.decode(stream):
            expected = start + count_read / fps
            if frame.time < expected - 0.5 / fps:
                continue
            if frame.time > expected + 0.5 / fps:
                raise ValueError(f"no frame at {expected:.3f} s, the next is at {frame.time:.3f} s")
            yield frame.to_ndarray(format="rgb24")
            count_read += 1
            if count_read == count:
                return


class VideoWriter:
    """One mp4 file, h264, to which frames are appended until it is closed."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        """Open the file; its folder must exist. The first frame sets the size, in px, both even."""
        av = need("av", "lerobot")
        self.path, self.fps, self.frames = path, fps, 0
        self._container: Any = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=fps)
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = 1 / fps
        self._stream.options = {"crf": str(CRF), "g": str(KEYFRAME_EVERY), "preset": "fast"}

    @property
    def seconds(self) -> float:
        """Seconds written."""
        return float(self.frames / self.fps)

    def add(self, images: Iterable[np.ndarray]) -> None:
        """Append (H, W, 3) uint8 RGB frames."""
        av = need("av", "lerobot")
        for image in images:
            if not self.frames:
                self._stream.height, self._stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = self.frames, 1 / self.fps
            self._container.mux(self._stream.encode(frame))
            self.frames += 1

    def close(self) -> None:
        """Flush the encoder and write the index."""
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()
