"""rosbag2 recordings in both storages, written by the library that reads them elsewhere."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.import_source import ImportOptions
from mobile_vla.episodes.formats.rosbag import BagSource
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.import_dataset import import_episodes

pytest.importorskip("rosbags")
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


@pytest.mark.parametrize("mcap", [False, True])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "jpeg"])
def test_frames_and_the_commands_in_force(tmp_path: Path, mcap, encoding) -> None:
    frames, commands = drive(1)
    write_bag(tmp_path / "bag", frames, commands, mcap=mcap, encoding=encoding, text="go left")
    episode = BagSource(tmp_path / "bag", ImportOptions()).read()
    np.testing.assert_array_equal(episode.images, frames)
    side = [0, 0, 1.15, 1.15, 0, 0]
    expected = np.array([[0] + [1.15] * 5, side, [0, 0, 0.1, 0.1, 0, 0]]).T
    np.testing.assert_allclose(episode.actions, expected, atol=1e-6)
    assert (episode.instruction, episode.step) == ("go left", 0.4)


def test_a_folder_of_bags_becomes_a_data_set(tmp_path: Path) -> None:
    for name, side in (("one", 1), ("two", -1)):
        write_bag(tmp_path / "bags" / name, *drive(side))
    (tmp_path / "bags" / "notes").mkdir()
    write_bag(tmp_path / "bags" / "damaged", *drive(1))
    database = next((tmp_path / "bags" / "damaged").glob("*.db3"))
    database.write_bytes(database.read_bytes()[:5000])
    imported = import_episodes(
        find_sources(tmp_path / "bags", ImportOptions()), tmp_path / "data", seed=1, size=8,
        cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert imported.manifest.counts() == {"left": 1, "right": 1}
    assert {Path(f.episode).name: f.check for f in imported.findings} == {
        "notes": "not_an_episode",
        "damaged": "unreadable",
    }
    assert len(load_dataset(tmp_path / "data").read("one")) == 6


@pytest.mark.parametrize("mcap", [False, True])
def test_damaged_bytes_anywhere_are_an_episode_error_or_harmless(tmp_path: Path, mcap) -> None:
    write_bag(tmp_path / "bag", *drive(1), mcap=mcap)
    rng = np.random.default_rng(0)
    for file in sorted((tmp_path / "bag").iterdir()):
        whole = file.read_bytes()
        for _ in range(12):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), rng.integers(1, 12)):
                data[place] = rng.integers(256)
            file.write_bytes(data)
            with contextlib.suppress(EpisodeError):
                assert len(BagSource(tmp_path / "bag", ImportOptions()).read()) > 0
        file.write_bytes(whole)


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    frames, commands = drive(1)
    write_bag(tmp_path / "two", frames, commands, camera=2)
    with pytest.raises(EpisodeError, match="/camera0, /camera1; choose one with --camera"):
        BagSource(tmp_path / "two", ImportOptions()).read()
    assert len(BagSource(tmp_path / "two", ImportOptions(camera="/camera1")).read()) == 6
    with pytest.raises(EpisodeError, match="choose one with --command"):
        BagSource(tmp_path / "two", ImportOptions(camera="/camera1", command="/drive")).read()
    write_bag(tmp_path / "depth", frames, commands, encoding="16UC1")
    with pytest.raises(EpisodeError, match="pictures in 16UC1"):
        BagSource(tmp_path / "depth", ImportOptions()).read()


def test_more_frames_than_an_episode_can_have_are_refused(tmp_path: Path) -> None:
    """A recorder left on: the camera fell silent, one command came hours later."""
    frames, commands = drive(1)
    for name, steps in (("longest", 9_999), ("one_more", 10_000), ("hours", 50_000)):
        write_bag(tmp_path / name, frames, [*commands, (steps * STEP, 0.0, 0.0, 0.0)])
    assert len(BagSource(tmp_path / "longest", ImportOptions()).read()) == 10_000
    for name in ("one_more", "hours"):
        with pytest.raises(EpisodeError, match=f"{name} holds 10001 frames .*no episode") as found:
            BagSource(tmp_path / name, ImportOptions()).read()
        assert found.value.check == "too_long"
