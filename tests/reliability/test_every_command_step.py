"""SIGKILL before, and a full disk at, each change that a command makes: old or new, never neither.

`STEPS` is how many of a command's changes are tried, spread evenly; 0 tries every one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kill_at_step import run_killed

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.runs.results import Offline, Rollouts, read_result
from seal_keys import write_keys
from small_lab import DEADLINE, Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
STEPS = int(os.environ.get("STEPS", "4"))
PAGE = b"# both_20\n\n- epochs: 99\n- batch: 2\n"


@dataclass
class Command:
    """A command, what stands before it, and what must stand after it, killed or not.

    `whole`: raises where something is neither old nor new; True where it is new.
    """

    arguments: list[str]
    prepare: Callable[[], None]
    whole: Callable[[], bool]
    codes: tuple[int, ...] = (0,)


def importing(lab: Lab, shared: Path, folder: Path) -> Command:
    out = folder / "imported"

    def whole() -> bool:
        if not (out / "manifest.json").exists():
            return False
        load_dataset(out)
        return len(read_manifest(out).episodes) == 20

    source = str(shared / "data" / "small")
    arguments = ["episodes", "import", source, str(out), "--size", "64", "--jobs", "1"]
    where = ["--workspace", str(lab.path)]
    return Command([*arguments, *where], lambda: shutil.rmtree(out, ignore_errors=True), whole)


def exporting(lab: Lab, shared: Path, folder: Path) -> Command:
    out = folder / "exported"

    def whole() -> bool:
        if not out.exists():
            return False
        assert (out / "meta" / "info.json").is_file() and (out / "croissant.json").is_file()
        return True

    source = str(shared / "data" / "small_eval")
    return Command(
        ["episodes", "export", source, str(out), "--images"],
        lambda: shutil.rmtree(out, ignore_errors=True), whole, (0, 2),
    )  # fmt: skip


def evaluating(lab: Lab, shared: Path, folder: Path) -> Command:
    run = lab.the_run("both_20")

    def whole() -> bool:
        view = lab.judged("both_20")
        assert (view.state, view.conflicts) == ("finished", []), view.conflicts
        read_result(run.offline, Offline)
        read_result(run.rollouts, Rollouts)
        return True

    return Command(["evaluate", "Case 3", *where_of(lab)], lambda: None, whole)


def reporting(lab: Lab, shared: Path, folder: Path) -> Command:
    names = ("report.md", "report.ko.md", "report.html", "report.ko.html")

    def whole() -> bool:
        there = [lab.path / name for name in names if (lab.path / name).exists()]
        assert all(path.stat().st_size > 1000 for path in there)
        return len(there) == len(names)

    def prepare() -> None:
        for name in names:
            (lab.path / name).unlink(missing_ok=True)

    return Command(["report", "--html", *where_of(lab)], prepare, whole)


def correcting(lab: Lab, shared: Path, folder: Path) -> Command:
    page = folder / "page.md"

    def whole() -> bool:
        text = page.read_bytes()
        assert text == PAGE or (text.startswith(b"# both_20\n") and b"batch: 2" in text)
        return text != PAGE

    arguments = ["audit", str(page), "--fix", *where_of(lab)]
    return Command(arguments, lambda: page.write_bytes(PAGE) and None, whole, (0, 1))


def sealing(lab: Lab, shared: Path, folder: Path) -> Command:
    pytest.importorskip("securesystemslib")
    secret, public = write_keys(folder)
    seal = folder / "seals" / "seal.json"
    seal.parent.mkdir(exist_ok=True)

    def whole() -> bool:
        if not seal.exists():
            return False
        assert main(["verify", str(seal), "--key", str(public)]) == 0
        return True

    arguments = ["seal", str(lab.the_run("both_20").path), "--key", str(secret), "--out", str(seal)]
    return Command(arguments, lambda: seal.unlink(missing_ok=True), whole)


def where_of(lab: Lab) -> list[str]:
    return ["--study", str(lab.study), "--workspace", str(lab.path)]


COMMANDS = {
    "import": importing, "export": exporting, "evaluate": evaluating, "report": reporting,
    "fix": correcting, "seal": sealing,
}  # fmt: skip


def start(lab: Lab, command: Command, folder: Path, last: int, *, fails: bool) -> tuple[int, Path]:
    """Run the command with a fault at change `last`: its exit code, and the list of its changes."""
    folder.mkdir(parents=True)
    begin = str(folder.parents[1])
    process: Any = lab.context.Process(
        target=run_killed, args=(command.arguments, folder, last, begin), kwargs={"fails": fails}
    )
    process.start()
    process.join(DEADLINE)
    assert process.exitcode is not None, f"change {last}: it hangs"
    return process.exitcode, folder


@pytest.mark.parametrize("fault", ["SIGKILL", "disk full"])
@pytest.mark.parametrize("name", COMMANDS)
def test_old_or_new_at_every_change(finished_lab: Lab, shared: Path, name: str, fault: str) -> None:
    folder = finished_lab.path / f"steps-{name}-{fault.replace(' ', '-')}"
    folder.mkdir()
    command = COMMANDS[name](finished_lab, shared, folder)
    command.prepare()
    code, log = start(finished_lab, command, folder / "all", -1, fails=False)
    assert code in command.codes, (log / "stderr").read_text()
    assert command.whole()
    changes = len((log / "changes").read_text().splitlines())
    assert changes > 0
    every = max(1, changes // STEPS) if STEPS else 1
    for last in range(1, changes + 1, every):
        command.prepare()
        fails = fault == "disk full"
        code, log = start(finished_lab, command, folder / str(last), last, fails=fails)
        said = (log / "stderr").read_text() if (log / "stderr").exists() else ""
        assert code in (-signal.SIGKILL, 1, 2, *command.codes), f"change {last}: {code} {said}"
        assert "Traceback" not in said, f"change {last}: {said}"
        done = command.whole()
        code, log = start(finished_lab, command, folder / f"{last}-again", -1, fails=False)
        assert code in command.codes, f"after change {last}: {(log / 'stderr').read_text()}"
        assert command.whole() or done
    assert not list(finished_lab.path.glob("**/*.part")), "left-overs of dead processes"
