"""Output that is full, closed, cut short or of another encoding: an exit code and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def mvla(
    arguments: str, redirect: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """`mvla ARGUMENTS REDIRECT` in a shell whose status is that of mvla."""
    command = f"set -o pipefail; {sys.executable} -m mobile_vla.cli {arguments} {redirect}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, **environment},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace" / "runs").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("arguments", ["plan", "plan --json", "status", "--help", "plan --help"])
def test_a_full_output_is_a_sentence(workspace: Path, arguments: str) -> None:
    ended = mvla(arguments, "> /dev/full", workspace)
    assert ended.stderr.decode() == (
        "mvla: The output could not be written: No space left on device.\n"
    )
    assert ended.returncode == 2


@pytest.mark.parametrize("redirect", ["| true", "| head -c 1", ">&-", "> /dev/null", "< /dev/null"])
@pytest.mark.parametrize("arguments", ["plan", "plan --json"])
def test_an_output_that_nobody_reads_is_no_fault(
    workspace: Path, arguments: str, redirect: str
) -> None:
    ended = mvla(arguments, redirect, workspace)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("redirect", ["2> /dev/full", "2>&-", "2> /dev/null"])
def test_messages_that_cannot_be_written_change_no_status(workspace: Path, redirect: str) -> None:
    ended = mvla("plan --study nothing.yaml", redirect, workspace)
    assert (ended.returncode, ended.stdout) == (2, b"")


def test_a_closed_output_lends_its_descriptor_to_no_file(workspace: Path) -> None:
    """A file that took descriptor 1 would be written into by the next `print`."""
    ended = mvla("report", ">&- 2>&- <&-", workspace)
    assert ended.returncode == 0
    assert (workspace / "workspace" / "report.md").read_text().startswith("# ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_will_do(workspace: Path, encoding: str) -> None:
    ended = mvla("status", "", workspace, PYTHONIOENCODING=encoding, LC_ALL="C")
    assert (ended.returncode, ended.stderr) == (0, b"")
    ended.stdout.decode(encoding)


def test_names_of_files_bring_no_sequence_to_the_terminal(workspace: Path) -> None:
    ended = mvla("plan --study $'a\\e]0;title\\a\\e[2Jb.yaml'", "", workspace)
    assert ended.returncode == 2
    assert b"There is no file ab.yaml" in ended.stderr
    assert b"\x1b" not in ended.stderr
