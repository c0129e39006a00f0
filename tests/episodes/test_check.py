"""Each check finds its planted fault, with the episode and frames named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import build_manifest
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
from mobile_vla.episodes.quality.run import check_folder
from mobile_vla.messages.errors import UserError

SPEED = 1.15


def pin(folder: Path) -> Path:
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    return folder


def found(folder: Path, **options) -> list[Finding]:
    return check_folder(folder, full_speed=SPEED, **options).findings


def change(path: Path, edit: Callable) -> None:
    episode = read_episode(path)
    images, actions = episode.images.copy(), episode.actions.copy()
    edit(images, actions)
    from dataclasses import replace

    write_episode(path, replace(episode, images=images, actions=actions))


def first(folder: Path, direction: str = "left") -> Path:
    return sorted(folder.glob(f"*_{direction}_*.h5"))[0]


def test_a_clean_set_has_no_finding(clean) -> None:
    report = check_folder(clean, full_speed=SPEED).report
    assert report.findings == []
    assert not report.spoils
    assert (report.episodes, report.frames, report.seconds) == (20, 120, 48.0)
    assert report.directions == {"left": 10, "right": 10}
    assert report.splits == {"train": {"left": 8, "right": 8}, "val": {"left": 2, "right": 2}}
    assert report.scenes == {"1box_hori_core_medium": 20}
    assert report.dates == {"20251203": 20}
    assert report.sequences["left"].distinct == 10


def test_several_processes_find_the_same(clean) -> None:
    first(clean).write_bytes(b"")
    assert found(clean, jobs=2) == found(clean)


@pytest.mark.parametrize(
    ("content", "check"),
    [
        (b"", "truncated"),
        (b"not an episode", "not_an_episode"),
        ("half", "truncated"),
        ({"images": None}, "not_an_episode"),
        ({"images": np.zeros((6, 4, 4), np.uint8)}, "shape_or_type"),
        ({"images": np.zeros((6, 4, 4, 3), np.float32)}, "shape_or_type"),
        ({"actions": np.zeros((5, 3), np.float32)}, "shape_or_type"),
        ({"actions": np.full((6, 3), np.nan)}, "not_a_number"),
        ({"language_instruction": np.array([b"\xff\xfe"])}, "shape_or_type"),
    ],
)
def test_a_file_that_is_no_episode(clean, content, check) -> None:
    path = first(clean)
    if isinstance(content, dict):
        with h5py.File(path, "a") as file:
            for name, value in content.items():
                del file[name]
                if value is not None:
                    file[name] = value
    else:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    (finding,) = found(clean)
    assert (finding.check, finding.episode, finding.spoils) == (check, path.name, True)


def test_a_million_frames_are_a_finding(clean) -> None:
    path = first(clean)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**6, 720, 1280, 3), np.uint8, chunks=(1, 720, 1280, 3))
        file.create_dataset("actions", data=np.zeros((10**6, 2), np.float32))
    (finding,) = found(clean)
    assert (finding.check, finding.episode) == ("too_long", path.name)


@pytest.mark.parametrize("value", [0, 137])
def test_dark_frames(clean, value) -> None:
    def blacken(images, actions) -> None:
        images[2:4] = value

    change(first(clean), blacken)
    pin(clean)
    (dark,) = [f for f in found(clean) if f.check == "dark_frames"]
    assert (dark.episode, dark.frames, dark.spoils) == (first(clean).name, (2, 3), True)
    assert "frames 2 to 3" in dark.what


def test_frozen_frames_are_told_while_driving_only(clean) -> None:
    def freeze(images, actions) -> None:
        images[1] = images[0]
        images[3:6] = images[2]

    change(first(clean), freeze)
    pin(clean)
    (finding,) = found(clean)
    assert (finding.check, finding.episode) == ("frozen_frames", first(clean).name)
    assert finding.frames == (3, 4, 5), "frame 1 repeats frame 0, where the robot rests"


def test_no_instruction(clean, make_episode) -> None:
    write_episode(first(clean), make_episode(0, instruction=" "))
    pin(clean)
    (finding,) = found(clean)
    assert (finding.check, finding.episode) == ("no_instruction", first(clean).name)
    assert finding.spoils, "left and right cannot be told apart without it"


def test_witnesses_that_disagree(clean, make_episode) -> None:
    write_episode(clean / "episode_20251204_000000_1box_right.h5", make_episode(77, "left"))
    told = {f.check: f for f in found(clean)}
    assert set(told) == {"direction", "manifest"}
    assert told["direction"].episode == "episode_20251204_000000_1box_right.h5"
    assert "file name says right, motion says left" in told["direction"].what
    assert not told["manifest"].spoils


def test_the_same_content_under_two_names(clean) -> None:
    copy = clean / "episode_20251209_000000_1box_left.h5"
    write_episode(copy, read_episode(first(clean)), compression="gzip")
    told = {f.check: f for f in found(clean)}
    assert set(told) == {"duplicate", "manifest"}
    assert told["duplicate"].episode == copy.name
    assert first(clean).name in told["duplicate"].what


def test_near_duplicates_on_both_sides_of_the_split(clean, make_episode) -> None:
    manifest = read_manifest(clean)
    ids = {split: manifest.split(split)[0] for split in ("train", "val")}

    def almost(images, actions) -> None:
        source = read_episode(clean / ids["train"].source)
        images[:] = np.clip(source.images.astype(int) + 1, 0, 255)

    change(clean / ids["val"].source, almost)
    rows = check_folder(clean).episodes
    hashes = {one.id: one.hash for one in rows}
    import msgspec

    pinned = [msgspec.structs.replace(e, hash=hashes[e.id]) for e in manifest.episodes]
    write_manifest(clean, Manifest.of("set", 0.4, pinned))
    (finding,) = found(clean)
    assert (finding.check, finding.spoils) == ("near_duplicate", True)
    assert {finding.episode} <= {ids["train"].source, ids["val"].source}
    assert "train" in finding.what and "val" in finding.what


def test_many_that_show_almost_the_same(clean) -> None:
    paths = sorted(clean.glob("*_left_*.h5"))
    pictures = read_episode(paths[0]).images

    for shade, path in enumerate(paths[:4]):
        change(path, lambda images, actions, s=shade: images.__setitem__(..., pictures // 2 + s))
    pin(clean)
    (finding,) = found(clean)
    assert (finding.check, finding.spoils) == ("near_duplicate", False)
    assert "4 of 10 left episodes (40 %)" in finding.what


def test_one_and_the_same_action_sequence(clean) -> None:
    sequence = read_episode(first(clean, "right")).actions

    def repeat(images, actions) -> None:
        actions[:] = sequence

    for path in sorted(clean.glob("*_right_*.h5"))[:7]:
        change(path, repeat)
    pin(clean)
    (finding,) = found(clean)
    assert (finding.check, finding.episode, finding.spoils) == ("same_actions", "", True)
    assert "7 of 10 right episodes (70 %)" in finding.what


def test_far_more_of_one_direction(clean) -> None:
    for path in sorted(clean.glob("*_right_*.h5"))[4:]:
        path.unlink()
    pin(clean)
    assert "balance" in {f.check for f in found(clean)}
    (finding,) = [f for f in found(clean) if f.check == "balance"]
    assert "10 left, 4 right" in finding.what
    assert not finding.spoils


def test_actions_over_full_speed_and_beyond_training(clean) -> None:
    row = read_manifest(clean).split("val")[0]

    def speed(images, actions) -> None:
        actions[3, 2] = 0.9

    change(clean / row.source, speed)
    assert {f.check for f in found(clean)} == {"manifest", "range"}
    pin(clean)
    (finding,) = found(clean)
    assert (finding.check, finding.episode, finding.frames) == ("range", row.source, (3,))
    assert "training split" in finding.what
    change(clean / row.source, lambda images, actions: actions.__imul__(2))
    pin(clean)
    over = [f for f in found(clean) if "over full speed 1.15" in f.what]
    assert [f.episode for f in over] == [row.source]


@pytest.mark.parametrize(
    ("speed", "spoils"), [(1.0, None), (1.04, None), (1.1, False), (1.24, False), (1.3, True)]
)
def test_measured_velocities_may_scatter_about_their_limits(clean, speed, spoils) -> None:
    """One frame of val a little above what train reaches is no alarm."""
    val = {row.source for row in read_manifest(clean).split("val")}
    for path in clean.glob("*.h5"):

        def drive(images, actions, val=path.name in val) -> None:
            actions[1:, 0] = np.linspace(0.5, 1.0, 5)
            actions[4, 0] = speed if val else 1.0

        change(path, drive)
    pin(clean)
    ranges = [f for f in found(clean) if f.check == "range" and f.frames == (4,)]
    assert {f.spoils for f in ranges} == ({spoils} if spoils is not None else set())
    change(first(clean), lambda images, actions: actions.__setitem__((3, 0), SPEED * speed))
    over = [f for f in found(clean) if f.reason.code == "episode.over_full_speed"]
    assert {f.spoils for f in over} >= ({spoils} if spoils is not None else set())


def test_a_validation_split_of_one_direction(clean) -> None:
    """The lab's last fifth of sorted names: a hundred episodes, all right."""
    import msgspec

    manifest = read_manifest(clean)
    last = sorted(manifest.episodes, key=lambda e: (e.direction, e.id))[-4:]
    rows = [
        msgspec.structs.replace(e, split="val" if e in last else "train") for e in manifest.episodes
    ]
    write_manifest(clean, Manifest.of("set", 0.4, rows))
    (finding,) = found(clean)
    assert (finding.check, finding.spoils) == ("one_sided_split", True)
    assert "the validation split holds right episodes only" in finding.what


def test_steps_of_another_length_and_names_twice(clean, make_episode) -> None:
    odd = clean / "episode_20251209_000001_1box_left.h5"
    write_episode(odd, make_episode(55, step=0.1))
    (clean / "more").mkdir()
    write_episode(clean / "x__y.h5", make_episode(56))
    (clean / "x").mkdir()
    write_episode(clean / "x" / "y.h5", make_episode(57))
    told = {f.check: f for f in found(clean) if f.check != "manifest"}
    assert told["step"].episode == odd.name
    assert "0.1 s" in told["step"].what
    assert told["name"].episode == "x__y.h5"
    manifest, findings = build_manifest(clean, name="set", seed=1)
    assert {f.check for f in findings} == {"step", "name"}
    assert len(manifest.episodes) == 21


def test_the_manifest_and_the_files(clean) -> None:
    one, other = sorted(clean.glob("*_left_*.h5"))[:2]
    one.unlink()
    change(other, lambda images, actions: images.__ixor__(1))
    told = {f.episode: f.what for f in found(clean)}
    assert "not there" in told[one.name]
    assert "no longer the content" in told[other.name]
    (clean / "manifest.json").write_text("{}")
    assert {f.episode for f in found(clean)} == {"manifest.json"}


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no episode"):
        check_folder(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        check_folder(tmp_path / "nowhere")


def test_links_in_a_loop_and_strange_names(clean, make_episode) -> None:
    (clean / "again").symlink_to(clean, target_is_directory=True)
    (clean / "loop.h5").symlink_to(clean / "loop.h5")
    write_episode(clean / "이름 with spaces_left.h5", make_episode(60))
    told = {f.episode: f.check for f in found(clean)}
    assert told == {"loop.h5": "unreadable", "이름 with spaces_left.h5": "manifest"}


def test_the_command_says_it_and_exits_one(clean, tmp_path: Path, capsys) -> None:
    page = tmp_path / "page.html"
    assert main(["episodes", "check", str(clean), "--html", str(page)]) == 0
    assert "Nothing spoils training." in capsys.readouterr().out
    assert "Nothing was found" in page.read_text()
    first(clean).write_bytes(b"")
    assert main(["episodes", "check", str(clean), "--json"]) == 1
    import msgspec

    from mobile_vla.episodes.quality.run import CheckReport

    report = msgspec.json.decode(capsys.readouterr().out, type=CheckReport)
    assert [(f.check, f.episode) for f in report.findings] == [("truncated", first(clean).name)]


def test_a_study_names_its_files_its_own_way(clean, tmp_path: Path, make_episode, capsys) -> None:
    shipped = Path(__file__).parents[2] / "studies" / "left_right" / "study.yaml"
    study = tmp_path / "study.yaml"
    names = 'file_names: {pattern: "run_{date}_{direction}.h5", left: [L], right: [R]}'
    text = shipped.read_text()
    study.write_text(text.replace("data: {train:", f"data: {{{names}, train:"))
    folder = tmp_path / "runs"
    write_episode(folder / "run_20251106_L.h5", make_episode(1, "left", instruction=""))
    write_episode(folder / "run_20251107_L.h5", make_episode(2, "right", instruction=""))
    write_episode(folder / "other.h5", make_episode(3))
    main(["episodes", "check", str(folder), "--study", str(study)])
    out = capsys.readouterr().out
    assert "direction: run_20251107_L.h5 its direction is in doubt" in out
    assert "name: other.h5 does not fit the pattern" in out
    assert "run_20251106_L.h5 its direction" not in out
