"""A rosbag2 recording, written by the library that reads it elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

STEP = 400_000_000


def write_bag(
    path: Path,
    frames: np.ndarray,
    commands: list,
    *,
    mcap=False,
    encoding="rgb8",
    text="",
    camera=1,
) -> None:
    """Pictures every 0.1 s, so that three of four are between frames; commands as (ns, x, y, z)."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    time = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    header = types["std_msgs/msg/Header"](stamp=time, frame_id="")
    vector = types["geometry_msgs/msg/Vector3"]
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        compressed = encoding == "jpeg"
        kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
        names = [f"/camera{i}" for i in range(camera)]
        cameras = [writer.add_connection(name, kind, typestore=store) for name in names]
        twist = "geometry_msgs/msg/Twist"
        command = writer.add_connection("/cmd_vel", twist, typestore=store)
        string = "std_msgs/msg/String"
        told = writer.add_connection("/instruction", string, typestore=store)
        if text:
            message = types[string](data=text)
            writer.write(told, 1, store.serialize_cdr(message, string))
        for stamp, x, y, z in commands:
            message = types[twist](
                linear=vector(x=x, y=y, z=0.0), angular=vector(x=0.0, y=0.0, z=z)
            )
            writer.write(command, 1000 + stamp, store.serialize_cdr(message, twist))
        for index in range(4 * len(frames) - 3):
            image = frames[index // 4] if index % 4 == 0 else np.full_like(frames[0], 77)
            height, width = image.shape[:2]
            if compressed:
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "PNG")
                data = np.frombuffer(buffer.getvalue(), np.uint8)
                message = types[kind](header=header, format="png", data=data)
            else:
                pixels = image[..., ::-1] if encoding == "bgr8" else image
                padded = np.zeros((height, width * 3 + 5), np.uint8)
                padded[:, : width * 3] = pixels.reshape(height, -1)
                message = types[kind](
                    header=header, height=height, width=width, encoding=encoding,
                    is_bigendian=0, step=width * 3 + 5, data=padded.ravel(),
                )  # fmt: skip
            for one in cameras:
                raw = store.serialize_cdr(message, kind)
                writer.write(one, 1000 + index * STEP // 4, raw)


def drive(side: float) -> tuple[np.ndarray, list]:
    frames = np.random.default_rng(int(side + 5)).integers(0, 256, (6, 12, 16, 3), dtype=np.uint8)
    commands = [(0, 0.0, 0.0, 0.0), (STEP - 9, 1.15, 0.0, 0.0)]
    commands += [(2 * STEP - 9, 1.15, side * 1.15, 0.1), (4 * STEP - 9, 1.15, 0.0, 0.0)]
    return frames, commands
