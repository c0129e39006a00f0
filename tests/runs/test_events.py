"""The event log survives what kills its writer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.messages.errors import UserError
from mobile_vla.runs import events as events_module
from mobile_vla.runs.events import (
    AnyEvent,
    Check,
    Checkpoint,
    CheckpointFailed,
    Epoch,
    EventLog,
    Exit,
    Heartbeat,
    Preflight,
    Start,
    decode_events,
    skim_events,
)
from mobile_vla.runs.process import this_process

EVENTS: list[AnyEvent] = [
    Start(process=this_process(), argv=["mvla", "train", "사례 1"], resumed_at_step=3),
    Preflight(checks=[Check(name="disk", passed=True, detail="ok", values={"free": 1.5})]),
    Heartbeat(step=1, epoch=0),
    Epoch(epoch=0, step=2, train_loss=0.5, val_loss=None, seconds=1.0),
    Checkpoint(
        path="checkpoints/step-000002", step=2, epoch=0, bytes=9, blake3="ab", val_loss=0.4,
        best=True,
    ),
    CheckpointFailed(step=4, reason="The disk is full\nand two lines"),
    Exit(outcome="exception", step=4, reason="it broke", exception="ValueError", pid=os.getpid()),
]  # fmt: skip


def written(path: Path, events: list[AnyEvent]) -> bytes:
    log = EventLog(path)
    for event in events:
        log.append(event)
    return path.read_bytes()


def test_every_event_is_read_back_with_its_line(tmp_path: Path) -> None:
    written(tmp_path / "events.jsonl", EVENTS)
    lines = list(decode_events((tmp_path / "events.jsonl").read_bytes()))
    assert [line.event for line in lines] == EVENTS
    assert [line.number for line in lines] == list(range(1, len(EVENTS) + 1))


@given(cut=st.integers(1, 2000))
def test_a_half_written_last_line_is_a_problem_and_stands_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    file = tmp_path_factory.mktemp("cut") / "events.jsonl"
    whole = written(file, EVENTS)
    left = whole[: max(1, len(whole) - cut)]
    file.write_bytes(left)
    complete = left.count(b"\n")
    broken = not left.endswith(b"\n")
    more = EventLog(file)
    more.append(EVENTS[0])
    lines = list(decode_events(file.read_bytes()))
    assert [line.event for line in lines[:complete]] == EVENTS[:complete]
    assert lines[-1].event == EVENTS[0]
    assert len(lines) == complete + broken + 1
    if broken:
        torn = lines[complete]
        whole_line = whole.split(b"\n")[complete]
        assert (torn.event is None) == (left.split(b"\n")[-1] != whole_line)
        assert torn.event is not None or torn.problem


@given(st.binary(max_size=200))
def test_foreign_bytes_never_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("foreign") / "events.jsonl"
    file.write_bytes(data)
    for line in decode_events(file.read_bytes()):
        assert (line.event is None) == bool(line.problem)


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="below a file"):
        EventLog(tmp_path / "file" / "events.jsonl").append(EVENTS[2])
    with pytest.raises(UserError, match="no regular file"):
        EventLog(Path("/dev/full")).append(EVENTS[2])


def test_lines_of_processes_that_write_at_once_stay_whole(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for step in range(50):
                EventLog(file).append(Heartbeat(step=step, epoch=0))
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    lines = list(decode_events(file.read_bytes()))
    assert len(lines) == 200
    assert all(line.event is not None for line in lines)


def test_two_events_on_one_line_are_no_event(tmp_path: Path) -> None:
    whole = written(tmp_path / "events.jsonl", EVENTS[2:4])
    first, second = whole.splitlines()
    file = tmp_path / "joined.jsonl"
    file.write_bytes(first + second + b"\n\n" + second + b"\n")
    lines = decode_events(file.read_bytes())
    assert [(line.number, line.event is None) for line in lines] == [(1, True), (3, False)]


@pytest.mark.parametrize("block", [7, 64, 8 << 20])
def test_a_huge_file_is_skimmed_of_heartbeats_in_a_row(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[AnyEvent] = [Heartbeat(step=step, epoch=0) for step in range(50)]
    file = tmp_path / "events.jsonl"
    written(file, [EVENTS[0], *beats, EVENTS[3], *beats])
    with open(file, "ab") as tail:
        tail.write(b"\0" * 5000 + b"\n" + b"bad\n" * 100)
    monkeypatch.setattr(events_module, "BLOCK", block)
    monkeypatch.setattr(events_module, "LONGEST", 1000)
    lines = skim_events(file)
    good = [(line.number, line.event) for line in lines if line.event]
    assert good == [(1, EVENTS[0]), (51, beats[-1]), (52, EVENTS[3]), (102, beats[-1])]
    bad = [line.number for line in lines if line.event is None]
    assert bad == list(range(103, 103 + events_module.MOST_BAD))
