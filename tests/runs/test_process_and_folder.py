"""Which process is meant, and where a run's files lie."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import find_runs, new_run
from mobile_vla.runs.process import boot_id, is_alive, is_stopped, start_ticks, this_process

NOW = datetime(2025, 12, 3, 10, 20, 30)


def test_this_process_lives() -> None:
    assert is_alive(this_process()) is True


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({"started": 1}, False),  # the pid was given to another
        ({"boot": "another boot"}, False),
        ({"host": "elsewhere"}, None),
        ({"boot": ""}, None),
        ({"pid": 2**22 + 1}, False),
    ],
)
def test_another_is_not_taken_for_it(change: dict[str, object], alive: bool | None) -> None:
    assert is_alive(msgspec.structs.replace(this_process(), **change)) is alive


def test_a_zombie_and_a_stopped_child_are_told(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        signal.pause()
        os._exit(0)
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    assert is_stopped(child)
    assert start_ticks(child) is not None
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, not yet collected
    assert start_ticks(child) is None
    os.waitpid(child, 0)
    assert not is_stopped(child)
    assert boot_id()


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    names = [new_run(tmp_path, "left", NOW).path.name for _ in range(3)]
    assert names == ["20251203-102030", "20251203-102030-2", "20251203-102030-3"]


def test_runs_are_found_and_links_not_followed(tmp_path: Path) -> None:
    first = new_run(tmp_path, "left", NOW)
    first.events.write_text("")
    second = new_run(tmp_path, "both", NOW)
    second.case_yaml.write_text("")
    new_run(tmp_path, "empty", NOW)
    (tmp_path / "left" / "loop").symlink_to(tmp_path)
    assert [run.path for run in find_runs(tmp_path)] == [second.path, first.path]


def test_a_run_below_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="below a file"):
        new_run(tmp_path / "runs", "left", NOW)
