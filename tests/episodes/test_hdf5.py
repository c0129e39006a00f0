from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.episodes.hdf5 import EpisodeError, read_actions, read_episode, write_episode
from mobile_vla.record.errors import UserError


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_is_written_is_read(tmp_path: Path, make_episode, compression) -> None:
    episode = make_episode()
    path = tmp_path / f"{episode.id}.h5"
    write_episode(path, episode, compression=compression)
    again = read_episode(path)
    assert again.content_hash() == episode.content_hash()
    assert (again.id, again.instruction, again.event_types) == (
        episode.id,
        episode.instruction,
        episode.event_types,
    )
    np.testing.assert_array_equal(read_actions(path), episode.actions)


def test_the_content_hash_sees_every_part(make_episode) -> None:
    episode = make_episode()
    images, actions = episode.images.copy(), episode.actions.copy()
    images[3, 2, 1, 0] ^= 1
    actions[4, 1] += 0.01
    hashes = {
        make_episode().content_hash(),
        make_episode(images=images).content_hash(),
        make_episode(images=episode.images.reshape(6, 16, 12, 3)).content_hash(),
        make_episode(actions=actions).content_hash(),
        make_episode(instruction="stop").content_hash(),
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ([b"go left"], "go left"),
        ([b"go left"] * 6, "go left"),
        (["왼쪽으로 가라"], "왼쪽으로 가라"),
        (None, ""),
    ],
)
def test_instruction_once_or_each_frame_or_not_at_all(tmp_path: Path, stored, read) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((6, 4, 4, 3), np.uint8)
        file["actions"] = np.zeros((6, 2))
        if stored is not None:
            file["language_instruction"] = stored
    episode = read_episode(path)
    assert episode.instruction == read
    assert episode.actions.dtype == np.float32
    assert episode.event_types is None


GOOD = {"images": np.zeros((6, 4, 4, 3), np.uint8), "actions": np.zeros((6, 3), np.float32)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": None}, "no dataset `images` (it holds actions)"),
        ({"actions": None}, "no dataset `actions`"),
        ({"images": np.zeros((6, 4, 4), np.uint8)}, "(6, 4, 4) uint8"),
        ({"images": np.zeros((6, 4, 4, 3), np.float32)}, "float32"),
        ({"images": np.zeros((5, 4, 4, 3), np.uint8)}, "5 images but 6 actions"),
        ({"actions": np.zeros((6, 7), np.float32)}, "(6, 7) float32"),
        ({"actions": np.zeros(6, np.float32)}, "(6,) float32"),
        ({"actions": np.array([b"W"] * 6)}, "`actions` is"),
        ({"actions": np.full((6, 3), np.nan)}, "first at frame 0"),
        ({"actions": np.array([[0, 0]] * 5 + [[0, np.inf]])}, "first at frame 5"),
        ({"language_instruction": np.array([b"\xff\xfe"])}, "not UTF-8"),
        ({"language_instruction": np.array([b"a", b"b"])}, "2 different instructions"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, changes, says) -> None:
    path = tmp_path / "bad episode 나쁜.h5"
    with h5py.File(path, "w") as file:
        for name, value in {**GOOD, **changes}.items():
            if value is not None:
                file[name] = value
    with pytest.raises(EpisodeError) as caught:
        read_episode(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "again" in str(caught.value)


def test_a_file_that_is_no_hdf5_or_only_part_of_one(tmp_path: Path, make_episode) -> None:
    whole = tmp_path / "whole.h5"
    write_episode(whole, make_episode())
    data = whole.read_bytes()
    for content, says in (
        (b"", "0 bytes"),
        (b"hello", "not HDF5"),
        (data[: len(data) // 2], "cut off"),
        (data[:600], "cut off"),
    ):
        path = tmp_path / "part.h5"
        path.write_bytes(content)
        with pytest.raises(EpisodeError, match=says):
            read_episode(path)
    with pytest.raises(EpisodeError, match="cannot be opened"):
        read_episode(tmp_path / "nowhere.h5")


def test_damage_inside_compressed_frames_is_an_episode_error(tmp_path: Path, make_episode) -> None:
    path = tmp_path / "a.h5"
    write_episode(path, make_episode(), compression="gzip")
    with h5py.File(path) as file:
        chunk = file["images"].id.get_chunk_info(2)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\0" * chunk.size
    path.write_bytes(data)
    with pytest.raises(EpisodeError, match="damaged"):
        read_episode(path)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, make_episode) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises((UserError, OSError)):
        write_episode(tmp_path / "taken" / "a.h5", make_episode())
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
