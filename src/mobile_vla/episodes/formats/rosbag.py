"""Reading rosbag2 recordings (sqlite3 or mcap): a camera and the velocity commands beside it.

Every `step` seconds the newest picture is a frame, and the command in force then is its action.
Before the first command the robot rests.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.import_source import (
    Choice,
    Source,
    Sources,
    entered,
    file_stamp,
    folder_stamp,
    read_picture,
    write_new,
)
from mobile_vla.episodes.formats.validation import (
    EpisodeError,
    refuse_long,
    sound_actions,
    stack_frames,
)
from mobile_vla.episodes.optional_imports import need

PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
COMMANDS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
TEXT = "std_msgs/msg/String"
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}


def bag_sources(path: Path, choice: Choice) -> Sources:
    """Every recording: `path` itself, or the folders and mcap files right below it."""
    need("rosbags.highlevel", "ros")
    if _is_bag(path):
        return Sources(path, "rosbag2", [BagSource(path, choice)], [])
    folders, findings = entered(path)
    below = sorted([*folders, *(file for file in path.iterdir() if file.is_file())])
    episodes: list[Source] = [BagSource(bag, choice) for bag in below if _is_bag(bag)]
    findings += [
        Finding(p.name, "is no rosbag2 recording (no metadata.yaml)", "not_an_episode", False)
        for p in folders
        if not _is_bag(p)
    ]
    return Sources(path, "rosbag2", episodes, findings)


@dataclass(frozen=True, slots=True)
class BagSource:
    """One recording, which is one episode."""

    path: Path
    choice: Choice

    @property
    def name(self) -> str:
        """The recording's own name."""
        return f"{self.path.absolute().name.removesuffix('.mcap')}.h5"

    @property
    def origin(self) -> str:
        """The recording."""
        return str(self.path.absolute())

    @property
    def stamp(self) -> str:
        """That of its file or folder."""
        return folder_stamp(self.path) if self.path.is_dir() else file_stamp(self.path)

    def bring(self, file: Path) -> Episode:
        """See `Source.bring`."""
        return write_new(file, self.read())

    def read(self) -> Episode:
        """Play the recording once, keeping the pictures that become frames.

        Raises:
            EpisodeError: damaged, no camera, several and none chosen, no commands, or a picture
                format that is not read.
        """
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore

        try:
            store = get_typestore(Stores.ROS2_HUMBLE)
            with AnyReader([self.path], default_typestore=store) as reader:
                played = _play(self.path, reader, self.choice)
        except EpisodeError:
            raise
        except Exception as error:  # each storage and each encoding raises its own
            what = f"cannot be played ({type(error).__name__}: {error})"
            raise EpisodeError(self.path, what, "unreadable") from error
        return played


def _is_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or (path.is_file() and path.suffix == ".mcap")


def _play(path: Path, reader: Any, choice: Choice) -> Episode:
    camera = _topic(path, reader, PICTURES, choice.camera, "--camera")
    command = _topic(path, reader, COMMANDS, choice.command, "--command")
    texts = [c for c in reader.connections if c.msgtype == TEXT and "instruction" in c.topic]
    frames: list[np.ndarray] = []
    actions: list[tuple[float, float, float]] = []
    instruction, action, picture, due = choice.instruction or "", (0.0, 0.0, 0.0), None, None
    step = round(choice.step * 1e9)
    for kind, stamp, message in _messages(reader, camera, command, texts):
        # A frame is due: it shows what had come by then, and what was commanded by then drives.
        while due is not None and picture is not None and stamp > due:
            frames.append(picture)
            actions.append(action)
            due += step
            refuse_long(path, len(frames), picture.size)
        if kind == "picture":
            picture = _pixels(path, message)
            due = stamp if due is None else due
        elif kind == "command":
            twist = getattr(message, "twist", message)
            action = (twist.linear.x, twist.linear.y, twist.angular.z)
        else:
            instruction = instruction or str(message.data)
    if picture is not None:
        frames.append(picture)
        actions.append(action)
    if not frames:
        raise EpisodeError(path, "holds no picture")
    return _episode(path, frames, actions, instruction, choice.step)


def _episode(
    path: Path, frames: list[np.ndarray], actions: list[Any], instruction: str, step: float
) -> Episode:
    values = sound_actions(path, actions)
    images = stack_frames(path, frames, len(frames))
    return Episode(id=path.name, images=images, actions=values, instruction=instruction, step=step)


def _messages(
    reader: Any, camera: list[Any], command: list[Any], texts: list[Any]
) -> Iterator[tuple[str, int, Any]]:
    """(kind, time in ns, message) in order of time."""
    kinds = {c.id: "text" for c in texts}
    kinds |= {c.id: "picture" for c in camera} | {c.id: "command" for c in command}
    for connection, stamp, raw in reader.messages(connections=[*camera, *command, *texts]):
        yield kinds[connection.id], stamp, reader.deserialize(raw, connection.msgtype)


def _topic(
    path: Path, reader: Any, types: tuple[str, ...], chosen: str | None, option: str
) -> list[Any]:
    """The connections of the one topic of these types that is chosen, or that there is."""
    fitting = [c for c in reader.connections if c.msgtype in types]
    wanted = [c for c in fitting if chosen in (None, c.topic)]
    if len({c.topic for c in wanted}) != 1:
        said = ", ".join(sorted({c.topic for c in fitting})) or "none"
        what = f"has these topics of type {types[0]}: {said}; choose one with {option}"
        raise EpisodeError(path, what, "not_an_episode")
    return wanted


def _pixels(path: Path, message: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an Image or CompressedImage."""
    if hasattr(message, "format"):
        return read_picture(path, io.BytesIO(bytes(message.data)))
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        known = ", ".join(_CHANNELS)
        raise EpisodeError(path, f"has pictures in {message.encoding}, where {known} are read")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    order = [2, 1, 0] if message.encoding.startswith("bgr") else [0, 1, 2]
    return np.ascontiguousarray(pixels[:, :, order])
