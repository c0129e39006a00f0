import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_vla.episodes.dataset import build_manifest, load_dataset
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.frame_store import open_frames
from mobile_vla.episodes.manifest import write_manifest
from mobile_vla.episodes.plot_episode import _families, draw_episode
from mobile_vla.episodes.splits import select
from mobile_vla.messages.errors import UserError


@pytest.fixture
def dataset(make_folder):
    folder = make_folder(3, 2)
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    return load_dataset(folder)


def test_a_stored_frame_is_pils_bicubic_resize(dataset, tmp_path: Path) -> None:
    store = open_frames(dataset.manifest, dataset.folder, 8, tmp_path / "cache")
    for row in dataset.manifest.episodes:
        episode = dataset.read(row.id)
        assert store[row.id].shape == (6, 8, 8, 3)
        for stored, image in zip(store[row.id], episode.images, strict=True):
            whole = Image.fromarray(image).resize((8, 8), Image.Resampling.BICUBIC)
            np.testing.assert_array_equal(stored, np.asarray(whole))
        np.testing.assert_array_equal(store.actions(row.id), episode.actions)
        assert store.instruction(row.id) == episode.instruction


def test_a_store_is_made_once_and_mapped(dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made = open_frames(dataset.manifest, dataset.folder, 8, cache)
    for path in dataset.folder.glob("*.h5"):
        path.unlink()
    again = open_frames(dataset.manifest, dataset.folder, 8, cache)
    first = dataset.manifest.episodes[0].id
    assert again.folder == made.folder
    assert isinstance(again[first], np.memmap)
    assert not again[first].flags.writeable
    assert [path.name for path in cache.iterdir()] == [made.folder.name]


def test_data_sets_share_contents_and_growth_decodes_only_what_is_new(
    dataset, tmp_path: Path, make_episode
) -> None:
    cache = tmp_path / "cache"
    store = open_frames(select(dataset.manifest, {"left": 1}), dataset.folder, 8, cache)
    made = {path: path.stat().st_mtime_ns for path in store.folder.iterdir()}
    assert len(made) == 2
    whole = open_frames(dataset.manifest, dataset.folder, 8, cache)
    assert whole.folder == store.folder
    assert len(list(store.folder.iterdir())) == 2 * len(dataset.manifest.episodes)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert open_frames(dataset.manifest, dataset.folder, 9, cache).folder != store.folder


def _first_pixels(store, ids) -> list[int]:
    return [int(store[i][0].sum()) for i in ids]


def test_processes_share_a_store(dataset, tmp_path: Path) -> None:
    store = open_frames(dataset.manifest, dataset.folder, 8, tmp_path / "cache")
    ids = [row.id for row in dataset.manifest.episodes]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_first_pixels, store, ids).result() == _first_pixels(store, ids)


def test_a_file_changed_since_the_manifest_is_refused(dataset, tmp_path: Path) -> None:
    row = dataset.manifest.episodes[2]
    episode = read_episode(dataset.path(row))
    episode.images[0] = 0
    write_episode(dataset.path(row), episode)
    with pytest.raises(UserError, match="no longer the episode"):
        open_frames(dataset.manifest, dataset.folder, 8, tmp_path / "cache")
    store = open_frames(
        select(dataset.manifest, {"right": 0, "left": 0}), dataset.folder, 8, tmp_path / "cache"
    )
    assert row.hash not in {path.stem for path in store.folder.iterdir()}


def test_an_unknown_episode_is_named(dataset, tmp_path: Path) -> None:
    store = open_frames(dataset.manifest, dataset.folder, 8, tmp_path / "cache")
    with pytest.raises(UserError, match="no episode nobody"):
        store["nobody"]


def test_a_drawn_episode_shows_its_frames(make_episode, tmp_path: Path) -> None:
    red = np.zeros((6, 12, 16, 3), np.uint8)
    red[..., 0] = 255
    draw_episode(make_episode(images=red), tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    share = (picture == [255, 0, 0]).all(axis=2).mean()
    assert picture.shape[1] == 1800
    assert 0.2 < share < 0.9


def test_hangul_is_drawn_where_the_machine_has_it(make_episode, tmp_path: Path) -> None:
    if len(_families()) == 1:
        pytest.skip("no font with Hangul is installed")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        draw_episode(make_episode(instruction="왼쪽으로 돌아 가라"), tmp_path / "a.png")
