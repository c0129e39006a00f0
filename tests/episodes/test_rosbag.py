"""rosbag2 recordings in both storages, written by the library that reads them elsewhere."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.import_source import RecordingOptions
from mobile_vla.episodes.formats.ros_images import image_pixels
from mobile_vla.episodes.formats.rosbag import BagSource
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.import_dataset import import_episodes
from recorded_bag import STEP, drive, write_bag

pytest.importorskip("rosbags")


@pytest.mark.parametrize("mcap", [False, True])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "jpeg"])
def test_frames_and_the_commands_in_force(tmp_path: Path, mcap, encoding) -> None:
    frames, commands = drive(1)
    write_bag(tmp_path / "bag", frames, commands, mcap=mcap, encoding=encoding, text="go left")
    episode = BagSource(tmp_path / "bag", RecordingOptions()).read()
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
        find_sources(tmp_path / "bags", RecordingOptions()), tmp_path / "data", seed=1, size=8,
        cache_dir=tmp_path / "cache", keep_spoilt=True,
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
                assert len(BagSource(tmp_path / "bag", RecordingOptions()).read()) > 0
        file.write_bytes(whole)


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    frames, commands = drive(1)
    write_bag(tmp_path / "two", frames, commands, camera=2)
    with pytest.raises(EpisodeError, match="/camera0, /camera1; choose one with --camera"):
        BagSource(tmp_path / "two", RecordingOptions()).read()
    assert len(BagSource(tmp_path / "two", RecordingOptions(camera="/camera1")).read()) == 6
    with pytest.raises(EpisodeError, match="choose one with --command"):
        BagSource(tmp_path / "two", RecordingOptions(camera="/camera1", command="/drive")).read()
    write_bag(tmp_path / "depth", frames, commands, encoding="16UC1")
    with pytest.raises(EpisodeError, match="pictures in 16UC1"):
        BagSource(tmp_path / "depth", RecordingOptions()).read()


def test_more_frames_than_an_episode_can_have_are_refused(tmp_path: Path) -> None:
    """A recorder left on: the camera fell silent, one command came hours later."""
    frames, commands = drive(1)
    for name, steps in (("longest", 9_999), ("one_more", 10_000), ("hours", 50_000)):
        write_bag(tmp_path / name, frames, [*commands, (steps * STEP, 0.0, 0.0, 0.0)])
    assert len(BagSource(tmp_path / "longest", RecordingOptions()).read()) == 10_000
    for name in ("one_more", "hours"):
        with pytest.raises(EpisodeError, match=f"{name} holds 10001 frames .*no episode") as found:
            BagSource(tmp_path / name, RecordingOptions()).read()
        assert found.value.check == "too_long"


def bag_files(tmp_path: Path, *, mcap: bool = False) -> Path:
    write_bag(tmp_path / "bag", *drive(1), mcap=mcap)
    return tmp_path / "bag"


@pytest.mark.parametrize("mcap", [False, True])
@pytest.mark.parametrize("layout", ["no metadata", "lone file", "file in a folder"])
def test_recordings_without_metadata(tmp_path: Path, mcap, layout) -> None:
    bag = bag_files(tmp_path, mcap=mcap)
    (bag / "metadata.yaml").unlink()
    (storage,) = bag.iterdir()
    if layout == "lone file":
        sources = find_sources(storage)
    else:
        sources = find_sources(bag if layout == "no metadata" else tmp_path)
    (source,) = sources.episodes
    np.testing.assert_array_equal(source.read().images, drive(1)[0])
    assert source.name == "bag.h5"


@pytest.mark.parametrize("identifier", ["''", '""', "other", ""])
def test_a_storage_identifier_that_names_no_storage(tmp_path: Path, identifier) -> None:
    bag = bag_files(tmp_path, mcap=True)
    metadata = bag / "metadata.yaml"
    text = metadata.read_text()
    assert "storage_identifier: mcap" in text
    metadata.write_text(text.replace("identifier: mcap", f"identifier: {identifier}"))
    assert len(BagSource(bag, RecordingOptions()).read()) == 6


def cut(bag: Path, share: float) -> None:
    (storage,) = bag.glob("*.mcap")
    storage.write_bytes(storage.read_bytes()[: int(storage.stat().st_size * share)])


def compress(bag: Path) -> None:
    (storage,) = bag.glob("*.db3")
    storage.rename(storage.with_name(f"{storage.name}.zstd"))
    (bag / "metadata.yaml").unlink()


def in_parts(bag: Path) -> None:
    (storage,) = bag.glob("*.db3")
    storage.with_name("bag_1.db3").write_bytes(storage.read_bytes())
    (bag / "metadata.yaml").unlink()


def ros1(bag: Path) -> None:
    for file in bag.iterdir():
        file.unlink()
    (bag / "rec.bag").write_bytes(b"#ROSBAG V2.0\n")


def pointer(bag: Path) -> None:
    (storage,) = bag.glob("*.db3")
    storage.write_text("version https://git-lfs.github.com/spec/v1\n")


@pytest.mark.parametrize(
    ("spoil", "mcap", "code", "remedy"),
    [
        (lambda bag: cut(bag, 0.6), True, "mcap_cut_off", "mcap recover bag.mcap"),
        (lambda bag: cut(bag, 0.999), True, "mcap_cut_off", "mcap recover"),
        (compress, False, "bag_compressed", "ros2 bag reindex"),
        (in_parts, False, "bag_in_parts", "ros2 bag reindex"),
        (ros1, False, "ros1", "rosbags-convert"),
        (pointer, False, "git_lfs_pointer", "git lfs pull"),
    ],
)
def test_recordings_that_need_a_remedy_are_told_which(
    tmp_path: Path, spoil, mcap, code, remedy
) -> None:
    bag = bag_files(tmp_path, mcap=mcap)
    spoil(bag)
    (source,) = find_sources(tmp_path).episodes
    with pytest.raises(EpisodeError, match=remedy) as caught:
        source.read()
    assert caught.value.reason.code == f"episode.{code}"
    assert "record or copy" not in str(caught.value)


def test_a_lone_ros1_file_and_a_lone_cut_file(tmp_path: Path) -> None:
    (tmp_path / "rec.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(EpisodeError, match="ROS 1"):
        find_sources(tmp_path / "rec.bag").episodes[0].read()
    bag = bag_files(tmp_path, mcap=True)
    cut(bag, 0.5)
    (storage,) = bag.glob("*.mcap")
    with pytest.raises(EpisodeError, match="mcap recover"):
        find_sources(storage).episodes[0].read()


@pytest.mark.parametrize(
    ("last", "frames"),
    [(5 * STEP - 1, 6), (5 * STEP, 6), (5 * STEP + 1, 6), (6 * STEP - 1, 6), (6 * STEP, 7)],
)
def test_no_frame_stands_after_the_last_message(tmp_path: Path, last, frames) -> None:
    """Pictures end at 5 steps; a later command keeps the last picture until it comes."""
    images, commands = drive(1)
    write_bag(tmp_path / "bag", images, [*commands, (last, 0.0, 0.0, 0.0)])
    assert len(BagSource(tmp_path / "bag", RecordingOptions()).read()) == frames


def image_message(encoding: str, pixels: np.ndarray) -> SimpleNamespace:
    """An Image of (H, row) bytes with 3 bytes of padding in each row."""
    rows = np.pad(pixels, ((0, 0), (0, 3)))
    widths = {"rgba8": 4, "bgra8": 4, "8UC4": 4, "8UC3": 3, "bgr8": 3, "rgb8": 3}
    width = 2 if encoding.startswith(("yu", "uy")) else widths.get(encoding, 1)
    return SimpleNamespace(
        encoding=encoding, height=len(rows), width=pixels.shape[1] // width, step=rows.shape[1],
        data=rows.ravel(),
    )  # fmt: skip


RED = {
    "rgb8": [255, 0, 0], "8UC3": [0, 0, 255], "bgr8": [0, 0, 255], "rgba8": [255, 0, 0, 9],
    "bgra8": [0, 0, 255, 9], "8UC4": [0, 0, 255, 9],
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "pixel"), RED.items())
def test_red_is_red_in_every_encoding_of_channels(encoding, pixel) -> None:
    pixels = np.tile(np.array(pixel, np.uint8), (4, 6))
    image = image_pixels(Path("bag"), image_message(encoding, pixels))
    assert image.shape == (4, 6, 3)
    assert (image == [255, 0, 0]).all()


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_is_grey(encoding) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    image = image_pixels(Path("bag"), image_message(encoding, pixels))
    np.testing.assert_array_equal(image, pixels[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (255, 255, 255)),
     ((81, 90, 240), (255, 0, 0)), ((145, 54, 34), (0, 255, 0)), ((41, 240, 110), (0, 0, 255))],
)  # fmt: skip
def test_yuv_by_the_values_of_bt601(encoding, yuv, rgb) -> None:
    y, u, v = yuv
    pair = [u, y, v, y] if encoding in ("yuv422", "uyvy") else [y, u, y, v]
    pixels = np.tile(np.array(pair, np.uint8), (4, 3))
    image = image_pixels(Path("bag"), image_message(encoding, pixels))
    assert image.shape == (4, 6, 3)
    assert np.abs(image.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("shape", [(4, 6), (5, 7)])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("colour", ["r", "g", "b"])
def test_bayer_of_one_colour(order, colour, shape) -> None:
    pixels = np.zeros(shape, np.uint8)
    for index, filtered in enumerate(order):
        if filtered == colour:
            pixels[index // 2 :: 2, index % 2 :: 2] = 200
    image = image_pixels(Path("bag"), image_message(f"bayer_{order}8", pixels))
    inner = image[:4, :6]
    assert image.shape == (*shape, 3)
    assert (inner == [200 * (c == colour) for c in "rgb"]).all()


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "nv21", "bayer_rggb16", "rgb16", ""])
def test_other_encodings_are_refused_by_name(encoding) -> None:
    with pytest.raises(EpisodeError, match=f"pictures in {encoding}, where rgb8, bgr8"):
        image_pixels(Path("bag"), image_message(encoding, np.zeros((4, 6), np.uint8)))
