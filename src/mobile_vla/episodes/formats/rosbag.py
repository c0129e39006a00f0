"""Reading rosbag2 recordings (sqlite3 or mcap): a camera and velocity commands.

Every `step` seconds the newest picture is a frame, and the command in force then is its action.
Before the first command the robot rests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5_open import placeholder
from mobile_vla.episodes.formats.import_source import RecordingOptions, Source, Sources, subfolders
from mobile_vla.episodes.formats.recording_map import RecordingMap
from mobile_vla.episodes.formats.ros_images import image_pixels
from mobile_vla.episodes.formats.validation import (
    EpisodeError,
    finite_actions,
    refuse_too_long,
    stack_frames,
)
from mobile_vla.episodes.optional_imports import need
from mobile_vla.messages.reason import reason

PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
COMMANDS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")
TEXT = "std_msgs/msg/String"
TWIST = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")
TWIST_MAP = RecordingMap(linear_x="linear.x", linear_y="linear.y", angular_z="angular.z")
STORAGE, COMPRESSED, ROS1 = (".mcap", ".db3"), (".mcap.zstd", ".db3.zstd"), ".bag"
STORAGE_IDENTIFIER = re.compile(r"^\s*storage_identifier:\s*['\"]?(\w*)", re.MULTILINE)
MCAP_MAGIC = b"\x89MCAP0\r\n"
"""First and last bytes of a complete mcap file (mcap.dev/spec)."""


def bag_sources(path: Path, options: RecordingOptions) -> Sources:
    """Every recording: `path` itself, or the folders and storage files right below it."""
    need("rosbags.highlevel", "ros")
    if _is_bag(path):
        return Sources(path, "rosbag2", [BagSource(path, options)], [])
    folders, findings = subfolders(path)
    below = sorted([*folders, *(file for file in path.iterdir() if file.is_file())])
    episodes: list[Source] = [BagSource(bag, options) for bag in below if _is_bag(bag)]
    findings += [
        Finding(p.name, reason("episode.not_a_bag"), "not_an_episode", False)
        for p in folders
        if not _is_bag(p)
    ]
    return Sources(path, "rosbag2", episodes, findings)


def _is_bag(path: Path) -> bool:
    """A storage file, or a folder with metadata.yaml or with storage files."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or bool(_files(path, *STORAGE, *COMPRESSED, ROS1))
    return path.name.endswith((*STORAGE, *COMPRESSED, ROS1))


def _files(path: Path, *suffixes: str) -> list[Path]:
    """The files of these suffixes in a folder, or `path` itself where it has one of them."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.name.endswith(suffixes)]


@dataclass(frozen=True, slots=True)
class BagSource(Source):
    """One recording, which is one episode."""

    path: Path
    options: RecordingOptions

    @property
    def name(self) -> str:
        """The recording's name."""
        return f"{re.sub(r'[.](mcap|db3)([.]zstd)?$', '', self.path.absolute().name)}.h5"

    def read(self) -> Episode:
        """Play the recording once, keeping the pictures that become frames.

        Raises:
            EpisodeError: damaged, cut off, ROS 1, no camera, several and none chosen, no commands,
                or a picture format that is not read.
        """
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore

        try:
            recording = _readable_path(self.path)
            store = get_typestore(Stores.ROS2_HUMBLE)
            with AnyReader([recording], default_typestore=store) as reader:
                return _play(self.path, reader, self.options)
        except EpisodeError:
            raise
        except Exception as error:  # each storage and each encoding raises its own
            why = reason("episode.unplayable", error=f"{type(error).__name__}: {error}")
            raise EpisodeError(self.path, why, "unreadable") from error


def _readable_path(path: Path) -> Path:
    """What the reader opens: the folder, or its one storage file where metadata.yaml is unusable.

    Raises:
        EpisodeError: a ROS 1 bag, a file that was cut off, or parts without their metadata.yaml.
    """
    storage = _files(path, *STORAGE)
    if not storage and _files(path, ROS1):
        raise EpisodeError(path, reason("episode.ros1"), "not_an_episode")
    for file in storage:
        if (why := placeholder(file)) is not None:
            raise EpisodeError(path, why, "not_an_episode")
        if file.suffix == ".mcap" and _is_cut_off(file):
            raise EpisodeError(path, reason("episode.mcap_cut_off", file=file.name), "truncated")
    metadata = path / "metadata.yaml"
    if metadata.is_file():
        named = STORAGE_IDENTIFIER.search(metadata.read_text(encoding="utf-8"))
        usable = named is None or named[1] in ("mcap", "sqlite3")
        return path if usable or len(storage) != 1 else storage[0]
    if len(storage) == 1:
        return storage[0]
    if compressed := _files(path, *COMPRESSED):
        why = reason("episode.bag_compressed", file=compressed[0].name)
        raise EpisodeError(path, why, "not_an_episode")
    raise EpisodeError(path, reason("episode.bag_in_parts", files=len(storage)), "not_an_episode")


def _is_cut_off(file: Path) -> bool:
    with open(file, "rb") as data:
        if data.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            return False
        data.seek(-len(MCAP_MAGIC), 2)
        return data.read() != MCAP_MAGIC


@dataclass(slots=True)
class _Sampler:
    """Frames at every `step` ns from the first picture to the last message."""

    path: Path
    step: int
    frames: list[np.ndarray] = field(default_factory=list)
    actions: list[tuple[float, ...]] = field(default_factory=list)
    picture: np.ndarray | None = None
    action: tuple[float, ...] = (0.0,) * 6
    due: int | None = None

    def advance(self, stamp: int) -> None:
        """Add the frames that are due before `stamp`: by then, all their messages have come."""
        while self.due is not None and self.picture is not None and self.due < stamp:
            self.frames.append(self.picture)
            self.actions.append(self.action)
            self.due += self.step
            refuse_too_long(self.path, len(self.frames), self.picture.size)

    def show(self, stamp: int, picture: np.ndarray) -> None:
        """Take a new picture; the first one starts the clock."""
        self.picture = picture
        self.due = stamp if self.due is None else self.due


def _play(path: Path, reader: Any, options: RecordingOptions) -> Episode:
    camera = _topic(path, reader, PICTURES, options.camera, "--camera")
    command = _topic(path, reader, COMMANDS, options.command, "--command")
    texts = [c for c in reader.connections if c.msgtype == TEXT and _is_instruction(c, options)]
    sampler = _Sampler(path, round(options.step * 1e9))
    instruction, last = "", 0
    for kind, stamp, message in _messages(reader, camera, command, texts):
        sampler.advance(stamp)
        last = stamp
        if kind == "picture":
            sampler.show(stamp, image_pixels(path, message))
        elif kind == "command":
            sampler.action = attrgetter(*TWIST)(getattr(message, "twist", message))
        else:
            instruction = instruction or str(message.data)
    sampler.advance(last + 1)
    if not sampler.frames:
        raise EpisodeError(path, reason("episode.no_picture"))
    mapping = options.mapping if options.mapping.has_columns else TWIST_MAP
    velocities = mapping.velocities(path, np.array(sampler.actions), TWIST)
    actions = finite_actions(path, velocities)
    images = stack_frames(path, sampler.frames, len(sampler.frames))
    return Episode(
        id=path.name,
        images=images,
        actions=actions,
        instruction=instruction or options.instruction or "",
        step=options.step,
    )


def _is_instruction(connection: Any, options: RecordingOptions) -> bool:
    topic = options.mapping.instruction
    return bool(connection.topic == topic if topic else "instruction" in connection.topic)


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
    """The connections of the one topic of these types that is chosen, or the only one."""
    connections = [c for c in reader.connections if c.msgtype in types]
    matching = [c for c in connections if chosen in (None, c.topic)]
    if len({c.topic for c in matching}) != 1:
        topics = ", ".join(sorted({c.topic for c in connections})) or "none"
        why = reason("episode.topics", type=types[0], topics=topics, option=option)
        raise EpisodeError(path, why, "not_an_episode")
    return matching
