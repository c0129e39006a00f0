"""LeRobotDataset v3.0: what we write others read, and what we read comes back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import Dataset, build_manifest, load_dataset
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.export_lerobot import export_lerobot
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.formats.lerobot_files import CAMERA
from mobile_vla.episodes.formats.lerobot_statistics import PictureStatistics, of_numbers
from mobile_vla.episodes.import_dataset import import_episodes
from mobile_vla.episodes.manifest import write_manifest
from mobile_vla.messages.errors import UserError

pytest.importorskip("pyarrow")
pytest.importorskip("av")

CHECKERS = Path(os.environ.get("MVLA_LEROBOT_CHECKERS", ".venv-lerobot"))
CROISSANT = Path(os.environ.get("MVLA_CROISSANT", ".venv-croissant"))
READER = Path(os.environ.get("MVLA_LEROBOT_READER", ".venv-lerobot-dataset"))
"""Environments of other people's programs: `make lerobot-checkers` installs them."""
FRAMES, STEP = 110, 0.1


def drive(index: int, direction: str) -> Episode:
    """A smooth drive of 110 frames past a drifting pattern; every action differs from the last."""
    rng = np.random.default_rng(index)
    time = np.arange(FRAMES) / FRAMES
    side = 1.0 if direction == "left" else -1.0
    wave = np.sin(2 * np.pi * (time + rng.uniform(0, 0.05)))
    actions = np.stack([0.6 + 0.3 * wave, side * 0.8 * wave, 0.2 * np.cos(7 * time)], axis=1)
    actions += rng.normal(0, 0.01, actions.shape)
    y, x = np.mgrid[0:48, 0:64]
    phase = 6 * time[:, None, None]
    grey = 128 + 80 * np.sin(x / 9 + phase + index) * np.cos(y / 7 - phase)
    images = np.stack([grey, grey * 0.8 + 20, 255 - grey], axis=3).astype(np.uint8)
    return Episode(
        id=f"episode_20251203_{index:06d}_1box_{direction}",
        images=images,
        actions=actions.astype(np.float32),
        instruction=f"go around the box on the {direction}",
        step=STEP,
        event_types=("rest", *["key 전진"] * (FRAMES - 1)) if index % 3 else None,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("lerobot") / "set"
    for index in range(10):
        episode = drive(index, "left" if index % 2 else "right")
        write_episode(folder / f"{episode.id}.h5", episode)
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    return load_dataset(folder)


@pytest.fixture(scope="module", params=["video", "images"])
def exported(request, dataset, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param) / "out"
    export_lerobot(dataset, folder, video=request.param == "video")
    return request.param, folder


def test_there_and_back(exported, dataset, tmp_path: Path) -> None:
    kind, folder = exported
    imported = import_episodes(
        find_sources(folder), tmp_path / "back", seed=1, size=8, cache_dir=tmp_path
    )
    assert (imported.new, imported.findings) == (10, [])
    assert imported.manifest.step == STEP
    back = load_dataset(tmp_path / "back")
    for row in dataset.manifest.episodes:
        own, again = dataset.read(row.id), back.read(row.id)
        np.testing.assert_array_equal(again.actions, own.actions)
        assert again.instruction == own.instruction
        assert again.event_types == own.event_types
        difference = np.abs(again.images.astype(int) - own.images)
        if kind == "images":
            assert again.content_hash() == own.content_hash()
        else:
            assert difference.mean() < 4
            still = np.abs(own.images[1:].astype(int) - own.images[:-1]).mean()
            shifted = np.abs(again.images[1:].astype(int) - own.images[:-1]).mean()
            assert difference.mean() < shifted, f"frames stand in their places ({still:.1f})"


def test_the_splits_are_ranges_and_the_names_those_of_a_mobile_base(exported, dataset) -> None:
    kind, folder = exported
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert info["splits"] == {"train": "0:8", "val": "8:10"}
    assert info["features"]["action"]["names"] == ["x.vel", "y.vel", "theta.vel"]
    assert info["features"][CAMERA]["dtype"] == ("video" if kind == "video" else "image")
    assert (info["fps"], info["total_frames"]) == (10, 10 * FRAMES)


def test_the_state_is_what_was_commanded_when_the_frame_was_taken(exported, dataset) -> None:
    import pyarrow.parquet as parquet

    folder = exported[1]
    table = parquet.read_table(folder / "data").sort_by("index")
    states = np.array(table["observation.state"].to_pylist(), np.float32)
    order = dataset.manifest.split("train") + dataset.manifest.split("val")
    for number, row in enumerate(order):
        own = states[number * FRAMES : (number + 1) * FRAMES]
        np.testing.assert_array_equal(own[0], 0)
        np.testing.assert_array_equal(own[1:], dataset.read(row.id).actions[:-1])
    assert "`observation.state` was not measured" in (folder / "README.md").read_text()


def test_a_lekiwi_turns_in_degrees(exported, dataset, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    info = json.loads((copy / "meta" / "info.json").read_text())
    (copy / "meta" / "info.json").write_text(json.dumps({**info, "robot_type": "lekiwi_client"}))
    source = find_sources(copy).episodes[0]
    own = dataset.read(Path(source.name).stem).actions
    np.testing.assert_allclose(source.read().actions, own * [1, 1, np.pi / 180], rtol=1e-6)


def test_an_episode_that_is_none_is_a_finding_and_the_rest_is_taken_in(exported, tmp_path) -> None:
    import shutil

    import pyarrow as pa
    import pyarrow.parquet as parquet

    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    file = copy / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    rows = parquet.read_table(file).to_pylist()
    rows[1]["length"], rows[2]["length"], rows[3]["tasks"] = 10**6, FRAMES - 1, ["left", "right"]
    parquet.write_table(pa.Table.from_pylist(rows), file)
    imported = import_episodes(
        find_sources(copy), tmp_path / "back", seed=1, size=8, cache_dir=tmp_path
    )
    assert {f.episode.rpartition("#")[2]: f.check for f in imported.findings} == {
        "1": "too_long",
        "2": "shape_or_type",
        "3": "shape_or_type",
    }
    assert imported.new == 7


def test_lerobot_doctor_has_nothing_to_say_of_the_format(exported) -> None:
    program = CHECKERS / "bin" / "lerobot-doctor"
    if not program.exists():
        pytest.skip("make test-clients")
    done = subprocess.run(
        [program, "check", exported[1], "--fail-on", "warn", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [
        message["message"]
        for check in json.loads(done.stdout[done.stdout.index("{") :])["checks"]
        for message in check["messages"]
        if message["severity"].lower() in ("warn", "fail")
    ]
    assert (done.returncode, told) == (0, [])


def test_verdikt_finds_nothing(exported, tmp_path: Path) -> None:
    program = CHECKERS / "bin" / "verdikt"
    if not program.exists():
        pytest.skip("make test-clients")
    # Without a training's wishes its rule on quantiles crashes where there are quantiles.
    modes = {"VISUAL": "MEAN_STD", "STATE": "QUANTILES", "ACTION": "QUANTILES"}
    config = tmp_path / "train_config.json"
    config.write_text(json.dumps({"policy": {"normalization_mapping": modes}}))
    done = subprocess.run(
        [program, "lint", exported[1], "--train-config", config, "--fail-on", "warning"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 error(s), 0 warning(s)" in done.stdout, done.stdout


def test_croissant_names_every_file_by_its_hash(exported, dataset) -> None:
    folder = exported[1]
    document = json.loads((folder / "croissant.json").read_bytes())
    assert dataset.manifest.hash in document["description"]
    hashes = {each["contentUrl"]: each["sha256"] for each in document["distribution"]}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "croissant.json"]
    assert hashes == {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_mlcroissant_reads_the_frames(exported, dataset) -> None:
    program = CROISSANT / "bin" / "python"
    if not program.exists():
        pytest.skip("make test-clients")
    file = exported[1] / "croissant.json"
    script = Path(__file__).with_name("read_croissant.py")
    done = subprocess.run([program, script, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["errors"] == []
    first = dataset.read(dataset.manifest.split("train")[0].id)
    np.testing.assert_allclose(read["actions"], first.actions[: len(read["actions"])], atol=1e-6)
    assert read["frames"] == list(range(len(read["frames"])))


@pytest.mark.slow
def test_lerobot_dataset_reads_every_frame(exported, dataset) -> None:
    program = READER / "bin" / "python"
    if not program.exists():
        pytest.skip("make test-clients")
    kind, folder = exported
    script = Path(__file__).with_name("read_lerobot.py")
    done = subprocess.run([program, script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    assert (read["episodes"], read["fps"], len(read["frames"])) == (10, 10, 10 * FRAMES)
    order = dataset.manifest.split("train") + dataset.manifest.split("val")
    episodes = [dataset.read(row.id) for row in order]
    for frame in read["frames"]:
        episode = episodes[frame["episode"]]
        image = episode.images[frame["frame"]]
        assert frame["task"] == episode.instruction
        np.testing.assert_array_equal(np.float32(frame["action"]), episode.actions[frame["frame"]])
        assert abs(frame["mean"] - image.mean()) < 2
        if kind == "images":
            assert frame["pixels"] == hashlib.sha256(image.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda info: info.update(codebase_version="v2.1"), "convert_dataset_v21_to_v30"),
        (lambda info: info["features"].pop(CAMERA), "cameras none"),
        (lambda info: info["features"].update({"b": {"dtype": "video"}}), "--camera"),
        (lambda info: info["features"]["action"].update(names=["j1", "j2", "j3"]), "j1, j2, j3"),
        (lambda info: info.pop("fps"), "does not describe"),
        (lambda info: info.update(data_path="{elsewhere}.parquet"), "does not describe"),
    ],
)
def test_other_data_sets_are_refused_with_a_reason(exported, tmp_path, change, says) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    info = json.loads((copy / "meta" / "info.json").read_text())
    change(info)
    (copy / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(UserError, match=says):
        find_sources(copy)


@pytest.mark.parametrize("name", ["tasks.parquet", "episodes/chunk-000/file-000.parquet"])
@pytest.mark.parametrize("damage", ["cut off", "another table"])
def test_damaged_tables_of_contents_are_refused(exported, tmp_path, name, damage) -> None:
    import shutil

    import pyarrow as pa
    import pyarrow.parquet as parquet

    copy = tmp_path / "copy"
    shutil.copytree(exported[1], copy)
    file = copy / "meta" / name
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:50])
    else:
        parquet.write_table(pa.table({"another": [1]}), file)
    with pytest.raises(UserError, match=r"cannot be read .* again"):
        find_sources(copy)


def test_a_damaged_file_is_a_finding_for_its_episodes(exported, tmp_path: Path) -> None:
    import shutil

    kind, folder = exported
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    pattern = "videos/**/*.mp4" if kind == "video" else "data/**/*.parquet"
    file = next(copy.glob(pattern))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="10 were left out"):
        import_episodes(find_sources(copy), tmp_path / "back", seed=1, size=8, cache_dir=tmp_path)


def test_export_refuses_what_lerobot_cannot_hold(make_folder, make_episode, tmp_path) -> None:
    folder = make_folder(2, 2)
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    out = tmp_path / "out"
    assert main(["episodes", "export", str(folder), str(out)]) == 0
    with pytest.raises(UserError, match="exists already"):
        export_lerobot(load_dataset(folder), out)
    odd = make_episode(
        9, images=np.zeros((6, 13, 16, 3), np.uint8) + np.arange(16)[:, None].astype(np.uint8)
    )
    write_episode(folder / f"{odd.id}.h5", odd)
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    with pytest.raises(UserError, match="one size"):
        export_lerobot(load_dataset(folder), tmp_path / "two")
    assert not [p for p in tmp_path.iterdir() if "part" in p.name or p.name == "two"]


@pytest.mark.parametrize("option", [[], ["--images"]])
def test_an_export_that_fills_the_disk_leaves_nothing(dataset, small_disk, capsys, option) -> None:
    small_disk.resize("100k")
    out = small_disk.folder / "out"
    assert main(["episodes", "export", str(dataset.folder), str(out), *option]) == 2
    assert "The disk is full" in capsys.readouterr().err
    assert not list(small_disk.folder.iterdir())


def test_statistics_are_exact() -> None:
    images = np.random.default_rng(0).integers(3, 200, (5, 6, 7, 3), dtype=np.uint8)
    counted = PictureStatistics()
    counted.add(images[:2])
    other = PictureStatistics()
    other.add(images[2:])
    counted.merge(other)
    found, share = counted.stats(), images.reshape(-1, 3) / 255
    for name, values in (
        ("mean", share.mean(axis=0)), ("std", share.std(axis=0)),
        ("min", share.min(axis=0)), ("max", share.max(axis=0)),
    ):  # fmt: skip
        np.testing.assert_allclose(np.ravel(found[name]), values, rtol=1e-9)
    np.testing.assert_allclose(np.ravel(found["q50"]), np.median(share, axis=0), atol=1 / 255)
    assert found["count"] == [5]
    assert of_numbers(np.array([[1.0], [3.0]]))["mean"] == [2.0]
