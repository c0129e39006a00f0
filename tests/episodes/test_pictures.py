"""Folders of pictures with a table of actions."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.import_dataset import import_episodes


def write_pictures(folder: Path, episode, rows: dict | None = None) -> None:
    folder.mkdir(parents=True)
    with open(folder / "actions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "linear_x", "linear_y", "angular_z", "instruction"])
        for index, action in enumerate(episode.actions):
            name = f"{index:04d}.png"
            Image.fromarray(episode.images[index]).save(folder / name)
            values = [repr(float(v)) for v in action]
            writer.writerow((rows or {}).get(index, [name, *values, episode.instruction]))


def test_pictures_with_a_table_of_actions(make_episode, tmp_path: Path) -> None:
    source = tmp_path / "phone"
    episodes = {f"drive {i}": make_episode(i, "left" if i % 2 else "right") for i in range(4)}
    for name, episode in episodes.items():
        write_pictures(source / name, episode)
    write_pictures(source / "bad number", make_episode(9), {2: ["0002.png", "x", "0", "0", ""]})
    write_pictures(source / "no picture", make_episode(10), {2: ["none.png", "0", "0", "0", ""]})
    write_pictures(source / "nan", make_episode(11), {3: ["0003.png", "nan", "0", "0", ""]})
    write_pictures(source / "broken", make_episode(13))
    broken = source / "broken" / "0003.png"
    broken.write_bytes(broken.read_bytes().replace(b"IDAT", b"G\xf2/\x96"))
    write_pictures(source / "a day", make_episode(12))
    with open(source / "a day" / "actions.csv", "a") as table:
        table.write("0001.png,0,0,0,\n" * 10_000)
    imported = import_episodes(
        find_sources(source), tmp_path / "data", seed=1, size=8, cache_dir=tmp_path
    )
    told = {Path(f.episode).name: (f.check, f.what) for f in imported.findings}
    assert {name: check for name, (check, _) in told.items()} == {
        "bad number": "shape_or_type",
        "no picture": "unreadable",
        "nan": "not_a_number",
        "a day": "too_long",
        "broken": "unreadable",
    }
    assert "frame 3" in told["nan"][1]
    for row in imported.manifest.episodes:
        again = load_dataset(tmp_path / "data").read(row.id)
        np.testing.assert_array_equal(again.images, episodes[row.id].images)
        np.testing.assert_array_equal(again.actions, episodes[row.id].actions)
        assert again.instruction == episodes[row.id].instruction


def test_folders_that_cannot_be_entered_are_named(make_episode) -> None:
    """Root may enter anything, so where the tests are root's, nobody looks."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        source = Path(name)
        source.chmod(0o755)
        for index, folder in enumerate(("open", "closed", "listed only")):
            write_pictures(source / folder, make_episode(index))
        (source / "closed").chmod(0)
        (source / "listed only").chmod(0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            sources = find_sources(source)
        finally:
            if root:
                os.seteuid(0)
            (source / "closed").chmod(0o755)
            (source / "listed only").chmod(0o755)
    assert [one.name for one in sources.episodes] == ["open.h5"]
    assert {Path(f.episode).name: f.check for f in sources.findings} == {
        "closed": "unreadable",
        "listed only": "unreadable",
    }
