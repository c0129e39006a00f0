"""Random edits of a finished run are noticed where they touch what its events recorded."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.evidence.verify_files import VerifiedRun, verify_files
from mobile_vla.messages.catalogue import sentence
from mobile_vla.runs.folder import RunFolder
from run_edits import KINDS, LINKS

EDITS = 1000


def content(run: Path, names: list[str]) -> dict[str, bytes | str | None]:
    """What an edit of a bound file or link changes; times and modes do not count."""
    found: dict[str, bytes | str | None] = {
        name: (run / name).read_bytes() if (run / name).is_file() else None for name in names
    }
    for link in LINKS:
        path = run / link
        found[link] = str(path.readlink()) if path.is_symlink() else None
    return found


def verified(run: Path) -> VerifiedRun:
    return verify_files(RunFolder(run), run.parents[2])


@pytest.fixture(scope="module")
def honest(finished_lab: Any) -> tuple[Path, VerifiedRun]:
    run = finished_lab.the_run("both_20").path
    check = verified(run)
    assert (check.state, check.chained, check.problems) == ("finished", True, [])
    return run, check


def test_little_is_unbound(honest: tuple[Path, VerifiedRun]) -> None:
    unbound = {name.partition("/")[0] for name in honest[1].unbound}
    assert unbound == {"console.log", "tensorboard"}


def test_a_thousand_edits(tmp_path: Path, honest: tuple[Path, VerifiedRun]) -> None:
    edit_and_judge(tmp_path, honest, range(EDITS))


def test_some_edits_of_each_kind(tmp_path: Path, honest: tuple[Path, VerifiedRun]) -> None:
    edit_and_judge(tmp_path, honest, range(2 * len(KINDS)))


def edit_and_judge(tmp_path: Path, honest: tuple[Path, VerifiedRun], seeds: range) -> None:
    source, before = honest
    run = tmp_path / "runs" / source.parent.name / source.name
    unchanged = content(source, before.bound)
    for seed in seeds:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(source, run, symlinks=True)
        kind = KINDS[seed % len(KINDS)]
        name = kind(run, random.Random(seed))
        check = verified(run)
        said = [sentence(problem, "en") for problem in check.problems]
        edited = content(run, before.bound) != unchanged
        case = f"{kind.__name__} of {name} with seed {seed}: {said}"
        if edited:
            assert said and check.state != "finished", case
            place = r"line|events\.head|checkpoint|missing|cannot be read|" + re.escape(name)
            assert re.search(place, " ".join(said)), case
        elif name not in before.bound:
            assert name in check.unbound or not (run / name).exists() or not said, case
        else:
            assert not said, case
