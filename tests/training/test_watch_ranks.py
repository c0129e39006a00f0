"""A rank that dies while rank 0 waits for it in a library's call ends the run all the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import EventLog, Exit
from mobile_vla.training import ranks
from mobile_vla.training.ranks import LocalRanks
from small_lab import events_of


class NeverClosed(threading.Event):
    """The run goes on, and no time passes."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


class Ended(BaseException):
    """The process ended."""


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> LocalRanks:
    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(ranks.os, "_exit", end)
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    return LocalRanks({1: process}, NeverClosed())


def test_the_ending_is_recorded_and_printed(
    dead: LocalRanks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Ended, match="1"):
        dead.watch(EventLog(tmp_path / "events.jsonl"))
    (ended,) = events_of(tmp_path / "events.jsonl", Exit)
    assert ended.exception == "RankLost"
    assert "Rank 1 (process" in ended.reason
    assert "ended by status 3" in ended.reason
    assert ended.reason in capsys.readouterr().err


def test_an_event_that_cannot_be_written_does_not_keep_the_run_waiting(
    dead: LocalRanks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(log: EventLog, event: object) -> None:
        raise UserError("The disk is full: delete something.")

    monkeypatch.setattr(EventLog, "append", full)
    with pytest.raises(Ended, match="1"):
        dead.watch(EventLog(tmp_path / "events.jsonl"))
