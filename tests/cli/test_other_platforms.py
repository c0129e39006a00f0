"""macOS and Windows lack names of Linux: evidence is read and training starts without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_vla.cluster.local import PRELOADED

if TYPE_CHECKING:
    from run_folders import Maker
    from small_lab import Lab

WITHOUT = """
import os, sys
preload = {preload!r}
for name in preload:
    __import__(name)
for name in ("sched_getaffinity", "uname", "geteuid", "pread", "fork", "O_CLOEXEC"):
    delattr(os, name)
if not preload:  # filelock, preloaded as on macOS, goes on to use it
    del os.O_NONBLOCK
for name in ("resource", "fcntl"):
    sys.modules[name] = None
from pathlib import Path
import mobile_vla.runs.process as process
process.BOOT_ID = Path("/no/such/boot_id")
process.start_ticks = lambda pid: None
if "torch" in preload:
    import mobile_vla.policy.memory as memory
    memory.STATUS = memory.MACHINE = Path("/no/such/file")
from mobile_vla.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(arguments: list[str], folder: Path, preload: tuple[str, ...] = ()) -> str:
    """`mvla ARGUMENTS` in a Python that lacks what macOS or Windows lacks."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(preload=preload), *arguments],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_evidence_side_needs_no_name_of_linux(maker: Maker, tmp_path: Path) -> None:
    maker.finish("left_10")
    place = ["--study", str(maker.path), "--workspace", str(maker.workspace)]
    (tmp_path / "page.md").write_text("Nothing is claimed.\n")
    cases = json.loads(run(["status", "--json", *place], tmp_path))
    assert {case["name"]: case["state"] for case in cases}["left_10"] == "finished"
    for command in (["status"], ["plan"], ["compare", "--all"], ["audit", "page.md"], ["report"]):
        run([*command, *place], tmp_path)
    run(["episodes", "--help"], tmp_path)


@pytest.mark.slow
def test_training_starts_without_names_of_linux(lab: Lab) -> None:
    place = ["--study", str(lab.study), "--workspace", str(lab.workspace.path)]
    preload = (*PRELOADED, "filelock")
    run(["train", "left_10", *place], lab.path, preload)
    assert lab.judged("left_10").state == "finished"
