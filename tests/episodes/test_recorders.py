"""HDF5 files as recorders leave them: open, unclosed, encoded, linked elsewhere."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.hdf5 import is_native, read_actions, read_episode, write_episode
from mobile_vla.episodes.formats.import_source import RecordingOptions
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.import_dataset import import_episodes
from mobile_vla.episodes.quality.run import check_folder
from mobile_vla.messages.errors import UserError

FRAMES = 6
ACTIONS = np.tile(np.array([[1.0, 0.5]], np.float32), (FRAMES, 1))
PICTURES = np.random.default_rng(0).integers(0, 256, (FRAMES, 12, 16, 3), dtype=np.uint8)


def encoded(kind: str = "PNG") -> list[bytes]:
    buffers = [io.BytesIO() for _ in PICTURES]
    for picture, buffer in zip(PICTURES, buffers, strict=True):
        Image.fromarray(picture).save(buffer, kind)
    return [buffer.getvalue() for buffer in buffers]


def record(path: Path, images: object = PICTURES, **others: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, value in {"images": images, "actions": ACTIONS, **others}.items():
            if value is not None:
                file[name] = value
    return path


def bring(source: Path, folder: Path, **options):
    sources = find_sources(source, RecordingOptions(**options))
    return import_episodes(sources, folder, seed=1, size=8, cache_dir=folder.parent / "cache")


def both_say(folder: Path, tmp_path: Path) -> str:
    """The code with which `check` and `import` refuse the one file of `folder`."""
    (finding,) = check_folder(folder).findings
    with pytest.raises(UserError) as caught:
        bring(folder, tmp_path / "data")
    assert finding.what in str(caught.value)
    return finding.reason.code.removeprefix("episode.")


def test_a_file_that_another_program_writes(tmp_path: Path) -> None:
    path = tmp_path / "set" / "a.h5"
    path.parent.mkdir()
    program = (
        "import sys, h5py, numpy as np\n"
        "file = h5py.File(sys.argv[1], 'w', locking=True)\n"
        "file['actions'] = np.ones((6, 2)); file.flush()\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout.readline() == b"open\n"
        assert both_say(path.parent, tmp_path) == "being_written"
    finally:
        writer.communicate()


def test_a_file_that_its_recorder_did_not_close(tmp_path: Path) -> None:
    path = tmp_path / "set" / "a.h5"
    path.parent.mkdir()
    program = (
        "import os, sys, h5py, numpy as np\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "file['actions'] = np.ones((6, 2)); file.swmr_mode = True; file.flush(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    assert both_say(path.parent, tmp_path) == "not_closed"
    assert "h5clear -s a.h5" in check_folder(path.parent).findings[0].what


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:11\nsize 9\n", "git_lfs_pointer"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web_page"),
        (b"\n<html lang=en>", "web_page"),
        (b"PK\x03\x04" + bytes(60), "not_hdf5"),
        (b"\x89HDF\r\n\x1a\n" + b"\x07" * 800, "damaged"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n" + b"\x07" * 800, "damaged"),
    ],
)
def test_what_stands_in_place_of_a_recording(tmp_path: Path, content, code) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.h5").write_bytes(content)
    assert both_say(tmp_path / "set", tmp_path) == code


def rows_of_one_length(pictures: list[bytes]) -> np.ndarray:
    longest = max(map(len, pictures))
    return np.stack([np.frombuffer(p.ljust(longest, b"\0"), np.uint8) for p in pictures])


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
@pytest.mark.parametrize("layout", ["rows", "bytes", "vlen"])
def test_encoded_pictures_are_read_and_stored_decoded(tmp_path: Path, kind, layout) -> None:
    pictures = encoded(kind)
    path = record(tmp_path / "set" / "a_left.h5", None)
    with h5py.File(path, "a") as file:
        if layout == "rows":
            file["images"] = rows_of_one_length(pictures)
        elif layout == "bytes":
            file["images"] = np.array(pictures)
        else:
            data = file.create_dataset("images", (FRAMES,), h5py.vlen_dtype(np.uint8))
            for index, picture in enumerate(pictures):
                data[index] = np.frombuffer(picture, np.uint8)
    np.testing.assert_array_equal(read_episode(path).images, PICTURES)
    assert not is_native(path)
    bring(path.parent, tmp_path / "data")
    with h5py.File(tmp_path / "data" / "a_left.h5") as file:
        np.testing.assert_array_equal(file["images"][()], PICTURES)


def test_a_jpeg_lies_upright_and_a_broken_one_is_named(tmp_path: Path) -> None:
    turned = Image.new("RGB", (16, 12))
    exif = turned.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", exif=exif)
    path = record(tmp_path / "a.h5", rows_of_one_length([buffer.getvalue()] * FRAMES))
    assert read_episode(path).images.shape == (FRAMES, 16, 12, 3)
    broken = [buffer.getvalue()[:30]] * FRAMES
    with pytest.raises(EpisodeError) as caught:
        read_episode(record(tmp_path / "b.h5", rows_of_one_length(broken)))
    assert caught.value.reason.code == "episode.picture_unreadable"
    with pytest.raises(EpisodeError, match="5 images but 6 actions"):
        read_episode(record(tmp_path / "c.h5", rows_of_one_length(encoded()[:5])))


@pytest.mark.parametrize("name", ["language_instruction", "instruction", "language", "prompt"])
@pytest.mark.parametrize("text", ["go left", np.bytes_("왼쪽으로 가라".encode()), ["go left"]])
def test_an_attribute_may_hold_the_instruction(tmp_path: Path, name, text) -> None:
    path = record(tmp_path / "set" / "a.h5")
    with h5py.File(path, "a") as file:
        file.attrs[name] = text
        file.attrs["sim"] = True
    expected = "왼쪽으로 가라" if isinstance(text, bytes) else "go left"
    assert read_episode(path).instruction == expected
    bring(path.parent, tmp_path / "data")
    assert load_dataset(tmp_path / "data").read("a").instruction == expected


def test_a_dataset_comes_before_an_attribute_and_numbers_are_no_text(tmp_path: Path) -> None:
    path = record(tmp_path / "a.h5", language_instruction=b"go left")
    with h5py.File(path, "a") as file:
        file.attrs["instruction"] = "go right"
    assert read_episode(path).instruction == "go left"
    path = record(tmp_path / "b.h5")
    with h5py.File(path, "a") as file:
        file.attrs["instruction"] = 7
    assert read_episode(path).instruction == ""


def test_known_recorders_are_named(tmp_path: Path) -> None:
    aloha = tmp_path / "aloha" / "a.h5"
    robomimic = tmp_path / "robomimic" / "a.h5"
    aloha.parent.mkdir()
    robomimic.parent.mkdir()
    with h5py.File(aloha, "w") as file:
        file["action"] = np.zeros((FRAMES, 14))
        file["observations/images/cam_high"] = rows_of_one_length(encoded())
    with h5py.File(robomimic, "w") as file:
        for index in range(3):
            file[f"data/demo_{index}/actions"] = ACTIONS
    assert both_say(aloha.parent, tmp_path) == "aloha"
    assert both_say(robomimic.parent, tmp_path) == "robomimic"


def external_link(file: h5py.File, target: Path) -> None:
    file["images"] = h5py.ExternalLink(target, "/images")


def relative_link(file: h5py.File, target: Path) -> None:
    file["images"] = h5py.ExternalLink(target.name, "/images")


def link_by_way_of_a_soft_link(file: h5py.File, target: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(target.name, "/")
    file["images"] = h5py.SoftLink("/elsewhere/images")


def virtual(file: h5py.File, target: Path) -> None:
    layout = h5py.VirtualLayout(PICTURES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(target.name, "images", PICTURES.shape)
    file.create_virtual_dataset("images", layout)


def external_storage(file: h5py.File, target: Path) -> None:
    raw = target.with_suffix(".raw")
    raw.write_bytes(PICTURES.tobytes())
    names = [(raw.name, 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("images", PICTURES.shape, np.uint8, external=names)


ELSEWHERE = [external_link, relative_link, link_by_way_of_a_soft_link, virtual, external_storage]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_data_of_other_files_are_refused_by_name_and_read_when_allowed(
    tmp_path: Path, place, capsys
) -> None:
    target = record(tmp_path / "set" / "pixels.dat")
    path = record(tmp_path / "set" / "a_left.h5", None)
    with h5py.File(path, "a") as file:
        place(file, target)
    assert both_say(path.parent, tmp_path) == "outside_file"
    (finding,) = check_folder(path.parent).findings
    assert finding.check == "outside" and "pixels" in finding.what
    command = ["episodes", "check", str(path.parent)]
    assert main(command) == 1
    assert main([*command, "--follow-external"]) == 0
    capsys.readouterr()
    assert bring(path.parent, tmp_path / "data", follow_external=True).findings == []
    for file in path.parent.iterdir():
        file.unlink()
    np.testing.assert_array_equal(
        load_dataset(tmp_path / "data").read("a_left").images, PICTURES
    )  # what was imported stands on its own


def test_actions_and_texts_of_other_files_are_refused_too(tmp_path: Path) -> None:
    record(tmp_path / "other.dat", language_instruction=b"go left")
    for name in ("actions", "language_instruction"):
        path = record(
            tmp_path / "set" / f"{name}.h5", actions=None if name == "actions" else ACTIONS
        )
        with h5py.File(path, "a") as file:
            file[name] = h5py.ExternalLink("../other.dat", f"/{name}")
    (tmp_path / "set" / "other.dat").symlink_to(tmp_path / "other.dat")
    findings = check_folder(tmp_path / "set").findings
    assert [f.reason.code for f in findings] == ["episode.outside_file"] * 2
    with pytest.raises(EpisodeError, match="outside this file"):
        read_actions(tmp_path / "set" / "actions.h5")
    imported = bring(tmp_path / "set", tmp_path / "data", follow_external=True)
    assert [f.check for f in imported.findings] == ["duplicate"] or imported.findings == []


@pytest.mark.timeout(20)
def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    links = {
        "missing_file": (h5py.ExternalLink("/nowhere/pixels.h5", "/images"), "link_missing"),
        "missing_name": (h5py.SoftLink("/nowhere"), "link_missing"),
        "circle": (h5py.SoftLink("/images"), "link_circle"),
        "pipe": (h5py.ExternalLink(str(tmp_path / "fifo"), "/images"), "outside_file"),
    }
    for name, (link, code) in links.items():
        path = record(tmp_path / name / "a.h5", None)
        with h5py.File(path, "a") as file:
            file["images"] = link
        assert both_say(path.parent, tmp_path) == code
        with pytest.raises(EpisodeError):
            read_episode(path, follow_external=True)
    path = record(tmp_path / "text" / "a.h5")
    with h5py.File(path, "a") as file:
        file["language_instruction"] = h5py.SoftLink("/gone")
    assert both_say(path.parent, tmp_path) == "link_missing"


def test_an_instruction_for_files_that_have_none(tmp_path: Path, make_episode) -> None:
    for index, text in enumerate(("", "keep left")):
        episode = make_episode(index, "left", instruction=text)
        write_episode(tmp_path / "set" / f"ep{index}.h5", episode)
    bring(tmp_path / "set", tmp_path / "data", instruction="go left")
    dataset = load_dataset(tmp_path / "data")
    assert [dataset.read(f"ep{i}").instruction for i in (0, 1)] == ["go left", "keep left"]
