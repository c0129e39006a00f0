from pathlib import Path

import msgspec
import pytest

from mobile_vla.episodes.dataset import build_manifest, load_dataset
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.manifest import read_manifest, write_manifest
from mobile_vla.episodes.splits import select
from mobile_vla.messages.errors import UserError


def test_a_manifest_pins_content_and_not_files(make_folder, make_episode) -> None:
    folder = make_folder(5, 5)
    manifest, findings = build_manifest(folder, name="set", seed=1)
    assert not findings
    assert manifest.counts() == {"left": 5, "right": 5}
    assert len(manifest.split("val")) == 2
    path = next(folder.glob("*.h5"))
    write_episode(path, read_episode(path), compression="gzip")
    assert build_manifest(folder, name="set", seed=1)[0].hash == manifest.hash
    write_episode(path, make_episode(99, read_episode(path).instruction.split()[-1]))
    changed, _ = build_manifest(folder, name="set", seed=1)
    assert changed.hash != manifest.hash


def test_without_a_split_all_are_for_evaluation(make_folder) -> None:
    manifest, _ = build_manifest(make_folder(2, 1), name="set", seed=1, split=False)
    assert {episode.split for episode in manifest.episodes} == {"eval"}


def test_bad_episodes_are_findings_and_the_rest_is_taken(make_folder, make_episode) -> None:
    folder = make_folder(2, 1)
    (folder / "empty.h5").write_bytes(b"")
    write_episode(folder / "copy.h5", make_episode(0))
    write_episode(folder / "lie_right.h5", make_episode(50, instruction="left"))
    manifest, findings = build_manifest(folder, name="set", seed=1)
    told = {finding.episode: finding.what for finding in findings}
    assert "0 bytes" in told["empty.h5"]
    assert "instruction says left, file name says right, motion says left" in told["lie_right.h5"]
    twin = next(name for name in told if name not in ("empty.h5", "lie_right.h5"))
    assert "same content as copy" in told[twin]
    assert len(manifest.episodes) == 3


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mvla episodes simulate"):
        build_manifest(tmp_path, name="set", seed=1)


def test_selection_takes_the_first_and_keeps_the_split(make_folder) -> None:
    manifest, _ = build_manifest(make_folder(10, 5), name="set", seed=1)
    chosen = select(manifest, {"left": 5})
    assert chosen.counts() == {"left": 5}
    assert len(chosen.split("val")) == 1
    assert chosen.episodes == [e for e in manifest.episodes if e.direction == "left"][:5]
    assert chosen.hash != manifest.hash
    with pytest.raises(UserError, match=r"6 right .* has 5"):
        select(manifest, {"left": 1, "right": 6})


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path, make_folder) -> None:
    folder = make_folder(3, 2)
    manifest, _ = build_manifest(folder, name="set", seed=1)
    write_manifest(folder, manifest)
    dataset = load_dataset(folder)
    assert dataset.manifest == manifest
    first = manifest.episodes[0]
    assert dataset.read(first.id).content_hash() == first.hash
    with pytest.raises(UserError, match="no episode other"):
        dataset.read("other")


def test_a_manifest_that_was_edited_or_is_none_is_refused(tmp_path: Path, make_folder) -> None:
    manifest, _ = build_manifest(make_folder(1, 1), name="set", seed=1)
    path = tmp_path / "manifest.json"
    edited = msgspec.structs.replace(manifest.episodes[0], direction="straight")
    write_manifest(path, msgspec.structs.replace(manifest, episodes=[edited]))
    with pytest.raises(UserError, match="edited by hand"):
        read_manifest(path)
    path.write_text('{"version": 1, "glob": "episode_20251*"}')
    with pytest.raises(UserError, match="not a manifest"):
        read_manifest(path)
    with pytest.raises(UserError, match="no manifest at"):
        read_manifest(tmp_path / "elsewhere.json")


@pytest.mark.parametrize("source", ["/etc/passwd", "../other/a.h5", "a/../../b.h5", "", "C:\\a.h5"])
def test_files_of_a_manifest_stay_in_its_folder(tmp_path: Path, make_folder, source) -> None:
    manifest, _ = build_manifest(make_folder(1, 1), name="set", seed=1)
    moved = msgspec.structs.replace(manifest.episodes[0], source=source)
    path = tmp_path / "manifest.json"
    write_manifest(path, msgspec.structs.replace(manifest, episodes=[moved, manifest.episodes[1]]))
    with pytest.raises(UserError, match="outside its folder"):
        read_manifest(path)
