"""Whatever is wrong with the input: one sentence, an exit status, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from in_english import en
from mobile_vla.cli.main import main
from mobile_vla.runs.events import Checkpoint, CheckpointFailed, Exit
from small_lab import Lab, events_of, furnish, until


def refused(
    capsys: pytest.CaptureFixture[str], lab: Lab, *arguments: str, workspace: Path | None = None
) -> str:
    """The command's one sentence; it has exited with 2 and left nothing half-written."""
    where = ["--study", str(lab.study), "--workspace", str(workspace or lab.path)]
    assert main([*arguments, *where]) == 2
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("mvla: ")]
    assert len(lines) == 1, told.err
    assert "Traceback" not in told.err
    lab.nothing_half_written()
    return lines[0].removeprefix("mvla: ")


@pytest.fixture
def here(tmp_path: Path, shared: Path) -> Lab:
    return furnish(tmp_path / "ws", shared, None)


COMMANDS = [("train", "Case 1"), ("status",), ("plan",), ("compare", "--all"), ("report",),
            ("evaluate", "Case 1"), ("demo",)]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_unknown_key_stops_every_command(
    capsys: pytest.CaptureFixture[str], here: Lab, command: tuple[str, ...]
) -> None:
    here.change("rollout_scenes", "rolout_scenes")
    said = refused(capsys, here, *command)
    line = 1 + next(i for i, t in enumerate(here.text.splitlines()) if "rolout_scenes" in t)
    assert said.startswith(f"{here.study}:{line}: unknown key `rolout_scenes`: ")
    assert said.endswith("did you mean `rollout_scenes`?")
    assert not here.workspace.runs.exists()


def test_an_unknown_key_in_a_case(capsys: pytest.CaptureFixture[str], here: Lab) -> None:
    here.change("{name: left_10, label: Case 1,", "{name: left_10, lable: Case 1,")
    assert "unknown key `lable`: did you mean `label`?" in refused(capsys, here, "train", "left_10")


def test_a_missing_study(capsys: pytest.CaptureFixture[str], here: Lab) -> None:
    here.study.rename(here.path / "studies.yaml")
    said = refused(capsys, here, "status")
    assert f"There is no file {here.study}" in said
    assert f"the nearest that exists is {here.path / 'studies.yaml'}" in said


def test_an_unknown_case_and_profile(capsys: pytest.CaptureFixture[str], here: Lab) -> None:
    assert "no case 'Case 11': did you mean `Case 1`?" in refused(capsys, here, "train", "Case 11")
    said = refused(capsys, here, "train", "Case 1", "--profile", "labtop")
    assert "no profile 'labtop': did you mean `laptop`?" in said
    assert "Name a case to train" in refused(capsys, here, "train")


def test_a_case_without_a_checkpoint_cannot_be_evaluated(lab: Lab) -> None:
    evaluated = lab.run("evaluate", "Case 1")
    assert evaluated.end() == 2
    place = f"--study {lab.study} --workspace {lab.path}"
    train = f'mvla train "Case 1" {place}'
    assert evaluated.sentence() == f"Case 1 has no run: train it with `{train}`."
    assert lab.run("train", "Case 1", "--check").end() == 0
    evaluated = lab.run("evaluate", "Case 1")
    assert evaluated.end() == 2
    assert "has no checkpoint to evaluate: train its case first" in evaluated.sentence()
    assert not lab.the_run("left_10").evaluation.exists()


def test_a_negative_number_of_scenes(capsys: pytest.CaptureFixture[str], here: Lab) -> None:
    assert "--scenes -1" in refused(capsys, here, "evaluate", "Case 1", "--scenes", "-1")


@pytest.mark.parametrize("made", ["no folder", "empty", "no manifest"])
def test_no_data(own_lab: Lab, made: str) -> None:
    data = own_lab.path / "data" / "small"
    if made == "no manifest":
        (data / "manifest.json").unlink()
    else:
        shutil.rmtree(data)
        if made == "empty":
            data.mkdir()
    training = own_lab.run("train", "Case 1")
    assert training.end() == 1
    assert str(data) in training.sentence()
    own_lab.nothing_half_written()
    assert own_lab.judged("left_10").state == "failed"


def cut_off(lab: Lab, direction: str) -> Path:
    episode = sorted((lab.path / "data" / "small").glob(f"*_{direction}_*.h5"))[3]
    os.truncate(episode, episode.stat().st_size // 2)
    return episode


def test_a_truncated_episode_of_another_case_is_not_read(own_lab: Lab) -> None:
    cut_off(own_lab, "right")
    assert own_lab.run("train", "Case 1").end() == 0


def test_a_truncated_episode(own_lab: Lab) -> None:
    episode = cut_off(own_lab, "left")
    training = own_lab.run("train", "Case 1")
    assert training.end() == 1
    assert f"{episode} is cut off" in training.sentence()
    own_lab.nothing_half_written()
    assert not list((own_lab.path / "cache").rglob("frames.npy"))
    assert not own_lab.the_run("left_10").checkpoints.exists()


def test_an_episode_that_changed(own_lab: Lab) -> None:
    files = sorted((own_lab.path / "data" / "small").glob("*.h5"))
    shutil.copy(files[1], files[0])
    training = own_lab.run("train", "Case 1")
    assert training.end() == 1
    assert "is no longer the episode that the manifest pins" in training.sentence()


@pytest.mark.parametrize("place", ["file/ws", "/proc/mobile_vla", "/dev/null"])
@pytest.mark.parametrize("command", [("train", "Case 1"), ("demo", "--jobs", "1")])
def test_a_workspace_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], here: Lab, place: str, command: tuple[str, ...]
) -> None:
    (here.path / "file").write_text("")
    said = refused(capsys, here, *command, workspace=here.path / place)
    assert place.split("/")[1] in said
    assert not here.workspace.runs.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(capsys: pytest.CaptureFixture[str], here: Lab) -> None:
    closed = here.path / "closed"
    closed.mkdir(mode=0o500)
    said = refused(capsys, here, "train", "Case 1", workspace=closed)
    assert f"No permission to write {closed}" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system, and not in every container")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, leave: int) -> None:
    free = shutil.disk_usage(disk).free
    with open(disk / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leave)


@pytest.mark.parametrize("leave", [150 * 1024, 40 * 1024, 0])
def test_the_disk_is_full_while_training(
    small_disk: Path, shared: Path, server: object, leave: int
) -> None:
    """With room for half a checkpoint, for a line, for nothing: it can go on from the older one."""
    lab = furnish(small_disk / "ws", shared, server)
    lab.change("epochs: 3", "epochs: 400")
    training = lab.start("train", "Case 1")
    run = lab.when("left_10", Checkpoint, 2)
    fill(small_disk, leave)
    assert training.end() == 2
    assert "The disk is full" in training.sentence()
    lab.nothing_half_written()
    assert run.latest_step is not None
    judged = lab.judged("left_10")
    assert judged.state == "failed", en(judged.why)
    assert "The disk is full" in en(judged.why)
    assert judged.latest is not None and judged.latest.problem is None
    if leave:
        assert events_of(run.events, CheckpointFailed)
    (small_disk / "filler").unlink()
    resumed = lab.start("train", "Case 1", "--resume")
    before = run.latest_step
    until(lambda: (run.latest_step or 0) > before, "a further checkpoint")
    assert resumed.running
    assert not [e for e in events_of(run.events, Exit) if e.outcome == "finished"]


def test_a_disk_without_room_for_checkpoints_is_refused(
    small_disk: Path, shared: Path, server: object
) -> None:
    lab = furnish(small_disk / "ws", shared, server)
    fill(small_disk, 10 << 20)
    training = lab.run("train", "Case 1")
    assert training.end() == 1
    assert "Checkpoints and frames need" in training.sentence()
    assert not lab.the_run("left_10").checkpoints.exists()
