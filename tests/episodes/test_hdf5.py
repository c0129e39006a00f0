import contextlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.episodes.formats import hdf5_strings as texts
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason


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
        (np.array([[b"go left"]] * 6), "go left"),
        (b"go left", "go left"),
        ("go left", "go left"),
        (["go left"] * 6, "go left"),
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
        ({"language_instruction": np.array([b"a", b"b"])}, "holds 2 texts, where 1 or 6"),
        ({"language_instruction": np.array([b"a", b"b"] * 3)}, "2 different instructions"),
        ({"language_instruction": np.zeros(6)}, "where text is needed"),
        ({"action_event_types": np.array([b"key"] * 5)}, "holds 5 texts, where 6"),
        ({"actions": np.full((6, 3), 1e300)}, "infinite actions, first at frame 0"),
        ({"actions": np.zeros((0, 3)), "images": np.zeros((0, 4, 4, 3), np.uint8)}, "no frames"),
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


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (40, 6, 9)])
@pytest.mark.parametrize("columns", [2, 3])
def test_any_size_and_compression(tmp_path: Path, compression, shape, columns) -> None:
    path = tmp_path / "a.h5"
    images = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, compression=compression)
        file["actions"] = np.ones((shape[0], columns), np.float64)
        file["action_event_types"] = np.array([b"start"] * shape[0])
    episode = read_episode(path)
    np.testing.assert_array_equal(episode.images, images)
    assert episode.actions.shape == (shape[0], columns)
    assert episode.event_types == ("start",) * shape[0]


def test_another_step_is_kept(tmp_path: Path, make_episode) -> None:
    write_episode(tmp_path / "a.h5", make_episode(step=0.1))
    assert read_episode(tmp_path / "a.h5").step == 0.1
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["step_seconds"] = -1
    with pytest.raises(EpisodeError, match="`step_seconds`"):
        read_episode(tmp_path / "a.h5")


def test_a_million_frames_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**6, 720, 1280, 3), np.uint8, chunks=(1, 720, 1280, 3))
        file.create_dataset("actions", data=np.zeros((10**6, 2), np.float32))
    with pytest.raises(EpisodeError, match="1000000 frames") as caught:
        read_episode(path)
    assert caught.value.check == "too_long"


def test_more_pictures_than_memory_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (9000, 720, 1280, 3), np.uint8, chunks=(1, 720, 1280, 3))
        file.create_dataset("actions", data=np.zeros((9000, 2), np.float32))
    with pytest.raises(EpisodeError, match="9000 frames") as caught:
        read_episode(path)
    assert caught.value.check == "too_long"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_anywhere_are_an_episode_error_or_harmless(
    tmp_path: Path, make_episode, seed
) -> None:
    path = tmp_path / "a.h5"
    write_episode(path, make_episode(step=0.1), compression="gzip")
    rng, whole = np.random.default_rng(seed), path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(EpisodeError):
            assert len(read_episode(path)) == 6


def test_texts_on_which_hdf5_hangs_are_an_episode_error(tmp_path: Path, monkeypatch) -> None:
    """An object of no length in the heap of texts: the library never passes it."""
    monkeypatch.setattr(texts, "SECONDS", 1)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, value in GOOD.items():
            file[name] = value
        file["language_instruction"] = ["go left"] * 6
    data = bytearray(path.read_bytes())
    first = data.index(b"GCOL") + 16
    data[first + 8 : first + 16] = bytes(8)
    (tmp_path / "b.h5").write_bytes(data)
    with pytest.raises(EpisodeError, match="HDF5 hangs") as caught:
        read_episode(tmp_path / "b.h5")
    assert caught.value.check == "unreadable"
    assert read_episode(path).instruction == "go left", "another process has taken its place"


def test_texts_are_read_again_where_their_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["told"] = ["왼쪽으로", "가라"]
    for _ in range(2):
        assert [text.decode() for text in texts.read_in_process(path, "told")] == [
            "왼쪽으로",
            "가라",
        ]
        texts._reader(os.getpid()).kill()
        texts._reader(os.getpid()).wait()
    with pytest.raises(ValueError, match="nothing"):
        texts.read_in_process(path, "nothing")


@pytest.mark.timeout(20)
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(EpisodeError, match="is no file"):
        read_episode(tmp_path / "a.h5")


def test_links_in_a_loop_and_dangling_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.h5").symlink_to(tmp_path / "b.h5")
    (tmp_path / "b.h5").symlink_to(tmp_path / "a.h5")
    with pytest.raises(EpisodeError, match="symbolic links"):
        read_episode(tmp_path / "a.h5")
    inside = tmp_path / "inside.h5"
    with h5py.File(inside, "w") as file:
        file["actions"] = np.zeros((6, 2))
        file["images"] = h5py.SoftLink("/images")
        file["language_instruction"] = h5py.SoftLink("/nowhere")
    with pytest.raises(EpisodeError):
        read_episode(inside)


def test_a_file_that_changes_under_the_reader_is_told(tmp_path: Path, make_episode) -> None:
    from mobile_vla.episodes.formats.hdf5_open import opened

    path = tmp_path / "a.h5"
    write_episode(path, make_episode())
    with pytest.raises(EpisodeError, match="changed while") as caught, opened(path):
        write_episode(path, make_episode(1))
    assert caught.value.check == "changed"


def test_an_error_comes_back_whole_from_another_process() -> None:
    import pickle

    error = pickle.loads(
        pickle.dumps(EpisodeError(Path("a.h5"), reason("episode.empty"), "truncated"))
    )
    assert (str(error), error.check, error.what, error.exit_code) == (
        "a.h5 is empty (0 bytes): record or copy this episode again, or take it out.",
        "truncated",
        "is empty (0 bytes)",
        2,
    )


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, make_episode) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises((UserError, OSError)):
        write_episode(tmp_path / "taken" / "a.h5", make_episode())
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
