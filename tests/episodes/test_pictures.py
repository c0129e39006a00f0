"""Folders of pictures with a table of actions."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.validation import EpisodeError
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


HEAD = "image,linear_x,linear_y,instruction"
LINE = "{name},0.5,{y},go left"


def write_table(folder: Path, episode, head: str = HEAD, line: str = LINE, suffix="png") -> Path:
    """Pictures 0000, 0001, … beside a table of these lines."""
    folder.mkdir(parents=True)
    lines = [head]
    for index, image in enumerate(episode.images):
        name = f"{index:04d}.{suffix}"
        Image.fromarray(image).save(folder / name)
        lines.append(line.format(name=name, y=0.8 if index > 1 else 0))
    (folder / "actions.csv").write_text("\n".join(lines) + "\n")
    return folder


def read(folder: Path):
    return find_sources(folder).episodes[0].read()


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (HEAD, LINE),
        ("image, linear_x, linear_y, instruction", "{name}, 0.5, {y}, go left"),
        (" image ,linear_x\t, linear_y ,instruction ", " {name} , 0.5 ,{y} , go left "),
        ('"image", "linear_x", "linear_y", "instruction"', '"{name}", 0.5, "{y}", "go left"'),
        (HEAD, ".\\{name},0.5,{y},go left"),
        (HEAD, "./{name},0.5,{y},go left"),
        (f"{HEAD},extra", "{name},0.5,{y},go left,7"),
    ],
)
def test_tables_as_spreadsheets_and_scripts_write_them(make_episode, tmp_path, head, line) -> None:
    episode = make_episode(1)
    again = read(write_table(tmp_path / "drive", episode, head, line))
    np.testing.assert_array_equal(again.images, episode.images)
    np.testing.assert_array_equal(again.actions[:, 0], np.float32(0.5))
    assert again.instruction == "go left"


@pytest.mark.parametrize(
    ("head", "line", "says"),
    [
        (HEAD.replace(",", ";"), "{name};0,5;{y};go left", "parted by semicolons"),
        (HEAD.replace(",", "\t"), "{name}\t0.5\t{y}\tgo left", "parted by tabs"),
        (HEAD.replace(",", "|"), "{name}|0.5|{y}|go left", "parted by bars"),
        ("Image, Linear_X, Linear_Y", "{name}, 0.5, {y}", "it has Image, Linear_X, Linear_Y"),
        ("image,vx,linear_y", "{name},0.5,{y}", r"lacks the columns linear_x \(it has image, vx"),
        ("", "{name},0.5,{y}", "lacks the columns"),
        ("# recorded by me", "{name},0.5,{y}", "it has # recorded by me"),
        (HEAD, "/home/me/{name},0.5,{y},go left", "/home/me/0000.png, which is outside"),
        (HEAD, "../other/{name},0.5,{y},go left", "../other/0000.png, which is outside"),
        (HEAD, "C:\\rec\\{name},0.5,{y},go left", r"C:/rec/0000.png, which is outside"),
        (HEAD, "..\\{name},0.5,{y},go left", "../0000.png, which is outside"),
        (HEAD, ",0.5,{y},go left", "which is outside"),
        (HEAD, "gone.png,0.5,{y},go left", "cannot be read"),
    ],
)
def test_tables_that_are_refused_say_why(make_episode, tmp_path, head, line, says) -> None:
    folder = write_table(tmp_path / "drive", make_episode(1), head, line)
    with pytest.raises(EpisodeError, match=says):
        read(folder)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_pictures_lie_as_their_exif_says(make_episode, tmp_path, orientation, turns) -> None:
    episode = make_episode(1)
    folder = write_table(tmp_path / "drive", episode)
    for index, image in enumerate(episode.images):
        picture = Image.fromarray(image)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(folder / f"{index:04d}.png", exif=exif)
    upright = np.rot90(episode.images, turns, axes=(1, 2))
    np.testing.assert_array_equal(read(folder).images, upright)


def test_an_empty_table_holds_no_frames(make_episode, tmp_path: Path) -> None:
    folder = write_table(tmp_path / "drive", make_episode(1))
    for content in ("", HEAD + "\n"):
        (folder / "actions.csv").write_text(content)
        with pytest.raises(EpisodeError, match="holds no frames"):
            read(folder)
