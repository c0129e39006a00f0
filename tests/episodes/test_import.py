"""Recordings become a data set; what is wrong is named, and the rest is taken in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import build_manifest, load_dataset
from mobile_vla.episodes.filename_pattern import Naming
from mobile_vla.episodes.formats import hdf5_strings as texts
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.formats.import_source import RecordingOptions
from mobile_vla.episodes.frame_store import open_frames, store_folder
from mobile_vla.episodes.import_dataset import LEDGER_FILE, import_episodes, read_ledger
from mobile_vla.episodes.manifest import read_manifest, write_manifest
from mobile_vla.episodes.quality.run import check_folder
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.locks import sole_writer


def bring(source: Path, folder: Path, choice: RecordingOptions | None = None, **options):
    sources, cache = find_sources(source, choice or RecordingOptions()), folder.parent / "cache"
    return import_episodes(sources, folder, seed=1, size=8, cache_dir=cache, **options)


def test_a_folder_of_hdf5_becomes_a_data_set(make_folder, tmp_path: Path) -> None:
    source, folder = make_folder(5, 5), tmp_path / "data"
    imported = bring(source, folder)
    assert (imported.new, imported.findings) == (10, [])
    dataset = load_dataset(folder)
    assert dataset.manifest.counts() == {"left": 5, "right": 5}
    assert len(dataset.manifest.split("val")) == 2
    for file in source.glob("*.h5"):
        file.unlink()
    for row in dataset.manifest.episodes:
        assert dataset.read(row.id).content_hash() == row.hash
    for file in folder.glob("*.h5"):
        file.unlink()
    store = open_frames(dataset.manifest, folder, 8, tmp_path / "cache")
    assert all(len(store[row.id]) == 6 for row in dataset.manifest.episodes), "already decoded"


def test_several_processes_import_the_same(make_folder, tmp_path: Path) -> None:
    source = make_folder(5, 5)
    one, two = bring(source, tmp_path / "one"), bring(source, tmp_path / "two", jobs=2)
    assert one.manifest.hash == two.manifest.hash


def test_interrupted_it_goes_on_and_decodes_nothing_twice(make_folder, tmp_path: Path) -> None:
    source, folder = make_folder(5, 5), tmp_path / "data"

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(source, folder, progress=stop)
    ledger = folder / LEDGER_FILE
    ledger.write_bytes(ledger.read_bytes()[:-40])
    assert len(read_ledger(folder)) == 3, "the last line is cut off"
    assert bring(source, folder).new == 7
    assert len(read_ledger(folder)) == 10
    again = bring(source, folder)
    assert again.new == 0
    assert again.manifest.hash == bring(source, tmp_path / "at_once").manifest.hash


def test_killed_outright_it_goes_on(make_folder, tmp_path: Path) -> None:
    source, folder = make_folder(5, 5), tmp_path / "data"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mobile_vla.episodes.import_dataset import import_episodes\n"
        "from mobile_vla.episodes.formats.detect_format import find_sources\n"
        "import_episodes(find_sources(Path(sys.argv[1])), Path(sys.argv[2]), seed=1, size=8,\n"
        "    cache_dir=Path(sys.argv[3]), progress=lambda d, t: d == 3 and os.kill(os.getpid(), 9))"
    )
    paths = [str(source), str(folder), str(tmp_path / "cache")]
    done = subprocess.run([sys.executable, "-c", program, *paths], check=False)
    assert done.returncode == -9
    assert not (folder / "manifest.json").exists()
    assert bring(source, folder).new == 7
    assert len(read_manifest(folder).episodes) == 10


def test_growth_keeps_every_split(make_folder, make_episode, tmp_path: Path) -> None:
    source, folder = make_folder(7, 7), tmp_path / "data"
    before = {row.id: row.split for row in bring(source, folder).manifest.episodes}
    for index in range(6):  # earlier names, which a sorted list would put first
        episode = make_episode(100 + index, "left", id=f"episode_20240101_{index:06d}_1box_left")
        write_episode(source / f"{episode.id}.h5", episode)
    grown = bring(source, folder)
    assert grown.new == 6
    after = {row.id: row.split for row in grown.manifest.episodes}
    assert {episode: after[episode] for episode in before} == before
    assert {after[e] for e in after if e.startswith("episode_2024")} == {"train", "val"}


def test_what_is_wrong_is_named_and_the_rest_is_taken_in(
    make_folder, make_episode, tmp_path: Path
) -> None:
    source = make_folder(3, 3)
    (source / "empty.h5").write_bytes(b"")
    (source / "text.h5").write_text("no episode")
    data = (next(source.glob("*_left_*.h5"))).read_bytes()
    (source / "half.h5").write_bytes(data[: len(data) // 2])
    (source / "loop.h5").symlink_to(source / "loop.h5")
    (source / "again").symlink_to(source, target_is_directory=True)
    (source / "copy.h5").write_bytes(data)
    write_episode(source / "이름 with spaces.h5", make_episode(40))
    write_episode(source / "lie_right.h5", make_episode(41))
    imported = bring(source, tmp_path / "data")
    told = {Path(f.episode).name: f.check for f in imported.findings}
    twin = next(name for name, check in told.items() if check == "duplicate")
    assert "left" in twin or twin == "copy.h5"
    assert {name: check for name, check in told.items() if name != twin} == {
        "empty.h5": "truncated",
        "text.h5": "not_an_episode",
        "half.h5": "truncated",
        "loop.h5": "unreadable",
        "lie_right.h5": "direction",
    }
    assert len(imported.manifest.episodes) == 7
    assert "이름 with spaces" in {row.id for row in imported.manifest.episodes}


HUGE = (10**6, 720, 1280, 3)
WRONG = {
    "no images": ("images", None, "not_an_episode"),
    "no actions": ("actions", None, "not_an_episode"),
    "flat images": ("images", np.zeros((6, 4, 4), np.uint8), "shape_or_type"),
    "float images": ("images", np.zeros((6, 4, 4, 3), np.float32), "shape_or_type"),
    "arms": ("actions", np.zeros((6, 7), np.float32), "shape_or_type"),
    "text actions": ("actions", np.array([[b"w", b"a"]] * 6), "shape_or_type"),
    "fewer actions": ("actions", np.zeros((5, 3), np.float32), "shape_or_type"),
    "nan": ("actions", np.full((6, 3), np.nan, np.float32), "not_a_number"),
    "infinite": ("actions", np.full((6, 3), np.inf, np.float32), "not_a_number"),
    "undecodable": ("language_instruction", np.array([b"\xff\xfe"]), "shape_or_type"),
    "a million frames": ("actions", np.zeros((10**6, 3), np.float32), "too_long"),
    "hanging": ("language_instruction", ["go left"], "unreadable"),
}


def test_every_wrong_file_is_named_and_the_rest_is_taken_in(
    make_folder, make_episode, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(texts, "SECONDS", 1)
    source = make_folder(3, 3)
    for index, (kind, (name, value, _)) in enumerate(WRONG.items()):
        path = source / f"{kind}.h5"
        write_episode(path, make_episode(50 + index))
        with h5py.File(path, "a") as file:
            del file[name]
            if value is not None:
                file[name] = value
            if kind == "a million frames":
                del file["images"]
                file.create_dataset("images", HUGE, np.uint8, chunks=(1, *HUGE[1:]))
    data = bytearray((source / "hanging.h5").read_bytes())
    heap = data.index(b"GCOL") + 24
    data[heap : heap + 8] = bytes(8)
    (source / "hanging.h5").write_bytes(data)
    os.mkfifo(source / "pipe.h5")
    imported = bring(source, tmp_path / "data")
    told = {Path(f.episode).stem: f.check for f in imported.findings}
    assert told.pop("pipe") == "not_an_episode"
    assert told == {kind: check for kind, (_, _, check) in WRONG.items()}
    assert len(imported.manifest.episodes) == 6


def test_a_folder_and_a_file_that_cannot_be_read_are_findings(make_folder) -> None:
    """Root may read anything, so where the tests are root's, nobody looks."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in make_folder(2, 2).glob("*.h5"):
            shutil.copy(file, folder)
        (folder / "closed").mkdir(mode=0)
        closed = sorted(folder.glob("*.h5"))[0]
        closed.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            report = check_folder(folder).report
        finally:
            if root:
                os.seteuid(0)
    assert {f.episode: f.check for f in report.findings if f.spoils} == {
        "closed": "unreadable",
        closed.name: "unreadable",
    }
    assert report.episodes == 3


def test_on_a_disk_that_is_full_it_goes_on_where_there_is_room(
    make_folder, small_disk, tmp_path: Path, capsys
) -> None:
    source, folder = make_folder(5, 5), small_disk.folder / "data"
    small_disk.resize("400k")
    command = ["episodes", "import", str(source), str(folder), "--size", "64", "--seed", "1"]
    command += ["--workspace", str(small_disk.folder / "ws")]
    assert main([*command, "--jobs", "1"]) == 2
    assert "The disk is full" in capsys.readouterr().err
    taken = read_ledger(folder)
    assert 0 < len(taken) < 10
    assert not (folder / "manifest.json").exists()
    assert main([*command, "--jobs", "2"]) == 2, "nor by several processes"
    assert taken.items() <= read_ledger(folder).items()
    assert not list(small_disk.folder.rglob("*.part"))
    small_disk.resize("20m")
    assert main(command) == 0
    assert f"{10 - len(taken)} episodes taken in" in capsys.readouterr().out
    assert read_manifest(folder).hash == bring(source, tmp_path / "at_once").manifest.hash


def test_a_full_disk_is_told_and_what_was_taken_is_kept(make_folder, tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: both refuse the write itself."""
    source, folder = make_folder(2, 2), tmp_path / "data"
    program = (
        "import resource, signal, sys\n"
        "from mobile_vla.cli.main import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = ["episodes", "import", str(source), str(folder), "--jobs", "1", "--size", "64"]
    command += ["--workspace", str(tmp_path / "ws")]
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and str(tmp_path) in done.stderr
    assert main(command) == 0
    assert not [p for p in tmp_path.rglob("*.part")]


def test_a_changed_origin_is_taken_in_again_and_a_stranger_is_not(
    make_folder, make_episode, tmp_path: Path
) -> None:
    source, folder = make_folder(3, 3), tmp_path / "data"
    bring(source, folder)
    path = sorted(source.glob("*_left_*.h5"))[0]
    write_episode(path, make_episode(70, id=path.stem))
    again = bring(source, folder)
    assert again.new == 1
    assert read_episode(folder / path.name).content_hash() == make_episode(70).content_hash()
    other = tmp_path / "other"
    write_episode(other / path.name, make_episode(71))
    (finding,) = bring(other, folder).findings
    assert finding.check == "name"
    assert str(source) in finding.what


def test_a_file_that_changes_during_import_is_a_finding(
    make_folder, make_episode, tmp_path: Path, monkeypatch
) -> None:
    source = make_folder(3, 3)
    changing = sorted(source.glob("*.h5"))[2]
    link = os.link

    def link_while_somebody_writes(real, beside, **options) -> None:
        link(real, beside, **options)
        if Path(real) == changing.resolve():
            write_episode(changing, make_episode(80))

    monkeypatch.setattr(os, "link", link_while_somebody_writes)
    imported = bring(source, tmp_path / "data")
    assert [(Path(f.episode).name, f.check) for f in imported.findings] == [
        (changing.name, "changed")
    ]
    assert len(imported.manifest.episodes) == 5
    assert not (tmp_path / "data" / changing.name).exists()


def test_a_file_that_is_gone_is_a_finding(make_folder, tmp_path: Path, monkeypatch) -> None:
    source = make_folder(3, 3)
    before, during = sorted(source.glob("*.h5"))[1:3]
    sources = find_sources(source)
    before.unlink()

    def another_disk(real, beside, **options) -> None:
        if Path(real) == during.resolve():
            during.unlink()
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another_disk)
    imported = import_episodes(sources, tmp_path / "data", seed=1, size=8, cache_dir=tmp_path)
    assert {Path(f.episode).name: f.check for f in imported.findings} == {
        before.name: "unreadable",
        during.name: "changed",
    }
    assert imported.new == 4


def test_linked_where_possible_and_copied_where_not(make_folder, tmp_path, monkeypatch) -> None:
    source = make_folder(3, 3)
    bring(source, tmp_path / "linked")
    name = sorted(source.glob("*.h5"))[0].name
    assert (tmp_path / "linked" / name).samefile(source / name)

    def another_disk(*names, **options) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another_disk)
    bring(source, tmp_path / "copied")
    assert not (tmp_path / "copied" / name).samefile(source / name)
    assert (tmp_path / "copied" / name).read_bytes() == (source / name).read_bytes()


def test_a_data_set_made_otherwise_is_left_alone(make_folder, make_episode, tmp_path) -> None:
    source = make_folder(3, 3)
    write_manifest(source, build_manifest(source, name="set", seed=1)[0])
    write_episode(tmp_path / "more" / "a_left.h5", make_episode(90))
    with pytest.raises(UserError, match="not imported"):
        bring(tmp_path / "more", source)
    assert bring(source, source).new == 6, "in place it is the same set"


def test_what_a_killed_import_left_is_swept_later(make_folder, tmp_path: Path) -> None:
    source, folder = make_folder(3, 3), tmp_path / "data"
    folder.mkdir()
    for name, age in (("old", 7200), ("new", 0)):
        left = folder / f".{name}.h5.1.part"
        left.write_bytes(b"half")
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    bring(source, folder)
    assert [p.name for p in folder.glob(".*.part")] == [".new.h5.1.part"]


def test_nothing_sound_and_a_data_set_within_its_source(make_folder, tmp_path: Path) -> None:
    source = make_folder(1, 1)
    with pytest.raises(UserError, match="stands within"):
        bring(source, source / "data")
    for file in source.glob("*.h5"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match="No sound episode"):
        bring(source, tmp_path / "data")
    with pytest.raises(UserError, match="cannot be read"):
        find_sources(tmp_path / "nowhere")


def test_another_naming_holds_before_and_after(make_episode, tmp_path: Path) -> None:
    names = Naming("run_{any}_{direction}.hdf5", {"left": ["L"], "right": ["R"]}, strict=True)
    source = tmp_path / "runs"
    for name, side in (("day1/run_1_L", "left"), ("day2/run_2_R", "right"), ("run_3_R", "left")):
        episode = make_episode(int(name[-3]), side, instruction="")
        write_episode(source / f"{name}.hdf5", episode)
    write_episode(source / "other.hdf5", make_episode(9))
    sources = find_sources(source, naming=names)
    imported = import_episodes(
        sources, tmp_path / "data", seed=1, size=8, cache_dir=tmp_path, naming=names,
        keep_spoilt=True,
    )  # fmt: skip
    assert {row.id: row.told_by for row in imported.manifest.episodes} == {
        "day1__run_1_L": ["file name", "motion"],
        "day2__run_2_R": ["file name", "motion"],
    }
    assert [f.check for f in check_folder(tmp_path / "data", naming=names).report.findings] == [
        "no_instruction", "no_instruction", "no_instruction", "direction", "manifest",
    ]  # fmt: skip
    assert {f.episode: f.check for f in imported.findings} == {
        "other.hdf5": "name",
        "run_3_R.hdf5": "direction",
    }


def test_what_a_check_calls_spoilt_is_taken_in_only_with_a_word(
    make_folder, make_episode, tmp_path: Path, capsys
) -> None:
    source = make_folder(3, 3)
    black = make_episode(60, "left", id="black_left")
    black.images[2:4] = 0
    write_episode(source / "black_left.h5", black)
    write_episode(source / "mute_right.h5", make_episode(61, "right", instruction=""))
    spoilt = {("black_left.h5", "dark_frames"), ("mute_right.h5", "no_instruction")}
    imported = bring(source, tmp_path / "data")
    assert {(f.episode, f.check) for f in imported.findings} == spoilt
    assert (len(imported.manifest.episodes), imported.remarks) == (6, [])
    kept = bring(source, tmp_path / "data", keep_spoilt=True)
    assert (len(kept.manifest.episodes), kept.findings) == (8, [])
    assert {(f.episode, f.check) for f in kept.remarks} == spoilt
    spoils = [f for f in check_folder(tmp_path / "data").findings if f.spoils]
    assert spoilt <= {(f.episode, f.check) for f in spoils}
    assert len(bring(source, tmp_path / "data").manifest.episodes) == 8, "pinned episodes stay"
    out = tmp_path / "ws" / "data"
    command = ["episodes", "import", str(source), str(out), "--workspace", str(tmp_path / "ws")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "spoils dark_frames: black_left.h5 shows nothing" in printed
    assert "now holds 6 (3 left, 3 right)" in printed
    assert main([*command, "--keep-spoilt"]) == 0
    assert "now holds 8 (4 left, 4 right)" in capsys.readouterr().out


def test_the_command_imports_and_says_what_is_there(make_folder, tmp_path: Path, capsys) -> None:
    source = make_folder(5, 5)
    (source / "empty.h5").write_bytes(b"")
    workspace = tmp_path / "ws"
    folder = workspace / "data" / "mine"
    command = ["episodes", "import", str(source), str(folder), "--workspace", str(workspace)]
    assert main([*command, "--size", "8"]) == 0
    out = capsys.readouterr().out
    assert "10 episodes taken in, 1 left out" in out
    assert "empty.h5 is empty (0 bytes)" in out
    assert len(list(store_folder(workspace / "cache", 8).glob("*.npy"))) == 10


def test_a_second_import_into_one_folder_is_refused(make_folder, tmp_path, capsys) -> None:
    folder, out = make_folder(2, 2), tmp_path / "out"
    command = ["episodes", "import", str(folder), str(out), "--workspace", str(tmp_path / "ws")]
    with sole_writer(out, "importing episodes"):
        assert main([*command, "--size", "32"]) == 2
    assert f"{out} is being written by process" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--size", "32"]) == 0
