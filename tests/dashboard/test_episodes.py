"""Episodes: lists that can be filtered, and one episode at a frame."""

from __future__ import annotations

import io
import shutil
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from dashboard_client import client
from mobile_vla.episodes.dataset import load_dataset
from run_folders import Maker

JSON = {"Accept": "application/json"}


@pytest.fixture
def recorded(maker: Maker) -> Maker:
    from mobile_vla.simulator.simulate import simulate_dataset

    folder = maker.workspace / "data" / "small"
    simulate_dataset(folder, left=2, right=1, seed=1, image_size=(32, 32), split=True)
    return maker


def test_filters_are_in_the_address(recorded):
    web = client(recorded)

    def ids(query: str) -> list[str]:
        answer = web.get(f"/episodes/small?{query}", headers=JSON).json()
        return [episode["id"] for episode in answer["episodes"]]

    every = ids("")
    assert len(every) == 3 and web.get("/episodes", headers=JSON).json()["sets"] == ["small"]
    assert len(ids("group=left")) == 2 and len(ids("group=right")) == 1
    assert ids("group=up") == [] and ids(f"q={quote(every[0].upper())}") == [every[0]]
    assert sorted(ids("split=train") + ids("split=val")) == sorted(every)


def test_an_episode_shows_its_frames_and_velocities(recorded):
    web = client(recorded)
    data = load_dataset(recorded.workspace / "data" / "small")
    episode = data.read(data.manifest.episodes[0].id)
    address = f"/episode/small/{quote(episode.id)}"
    answer = web.get(address, headers=JSON).json()
    assert np.array_equal(np.asarray(answer["actions"], dtype=np.float32), episode.actions)
    last = len(episode) - 1
    for frame, shown in (("3", 3), ("99999", last), ("-1", 0), ("x", 0), ("", 0)):
        page = web.get(f"{address}?frame={frame}&lang=en").text
        assert f'src="/frame/small/{shown}/' in page and episode.instruction in page
    picture = web.get(f"/frame/small/3/{quote(episode.id)}").content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture))), episode.images[3])
    assert web.get(f"/frame/small/9999/{quote(episode.id)}").status_code == 404


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "%2e%2e%2foutside", "small%00"])
def test_other_folders_are_no_data_sets(recorded, name):
    workspace = recorded.workspace
    for folder in (workspace, workspace / "outside"):
        shutil.copytree(workspace / "data" / "small", folder, dirs_exist_ok=True)
    episode = load_dataset(workspace).manifest.episodes[0].id
    identity = quote(episode)
    web = client(recorded)
    for address in (
        f"/episodes/{name}",
        f"/episode/{name}/{identity}",
        f"/frame/{name}/0/{identity}",
    ):
        answer = web.get(address)
        assert answer.status_code in (200, 400, 404)
        assert not answer.headers["content-type"].startswith("image/")
        assert f">{episode}<" not in answer.text and 'data-frame="' not in answer.text
