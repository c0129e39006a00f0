"""On a disk that is full to the last byte a run can still say how it ended."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import (
    CheckpointFailed,
    EventLog,
    Exit,
    Heartbeat,
    Start,
    decode_events,
)
from mobile_vla.runs.process import this_process


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(log: EventLog) -> None:
    """To the last byte: whole blocks, then heartbeats until not one more fits."""
    filler = log.path.with_name("filler")
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    with pytest.raises(UserError, match="The disk is full"):
        for step in range(10_000):
            log.append(Heartbeat(step=step, epoch=0))


def test_the_last_words_fit(small_disk: Path) -> None:
    log = EventLog(small_disk / "events.jsonl")
    log.append(Start(process=this_process(), argv=["mvla"]))
    fill(log)
    log.append(CheckpointFailed(step=3, reason="the disk is full"))
    log.append(Exit(outcome="exception", step=3, reason="the disk is full"))
    lines = decode_events(log.path.read_bytes())
    assert [type(line.event) for line in lines[-2:]] == [CheckpointFailed, Exit]
    assert sum(line.event is None for line in lines) <= 1, "the heartbeat that was cut off"
    assert {path.name for path in small_disk.iterdir()} - {"events.head"} == {
        "events.jsonl",
        "filler",
    }


def test_an_orderly_end_leaves_nothing_set_aside(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append(Start(process=this_process(), argv=["mvla"]))
    assert len(list(tmp_path.iterdir())) == 2
    log.append(Exit(outcome="finished", step=1, reason="done"))
    assert {path.name for path in tmp_path.iterdir()} == {"events.jsonl", "events.head"}
