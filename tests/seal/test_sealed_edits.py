"""Random edits of a sealed run: each changes something and is noticed, or changes nothing."""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.messages.catalogue import sentence
from mobile_vla.seal.check_seal import folder_problems, read_seal
from mobile_vla.seal.envelope import open_envelope, sign
from mobile_vla.seal.statement import LEFT_BEHIND, Statement, state_run
from run_edits import KINDS, files_of, replace_by_link
from seal_keys import write_keys

pytest.importorskip("cryptography")
pytest.importorskip("securesystemslib")
EDITS = 1000


def hide(run: Path, draw: random.Random) -> str:
    name = draw.choice([".more", "evaluation/.more.json", ".git/config"])
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("more")
    return name


def pipe(run: Path, draw: random.Random) -> str:
    path = draw.choice(files_of(run))
    path.unlink()
    os.mkfifo(path)
    return str(path.relative_to(run))


ALL: list[Callable[[Path, random.Random], str]] = [*KINDS, hide, pipe, replace_by_link]


def entries(run: Path) -> dict[str, object]:
    """What a seal speaks of: bytes, targets of links, kinds of other files; not locks."""
    found: dict[str, object] = {}
    for path in run.rglob("*"):
        if LEFT_BEHIND.fullmatch(path.name):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[str(path.relative_to(run))] = ("link", str(path.readlink()))
        elif stat.S_ISREG(mode):
            found[str(path.relative_to(run))] = path.read_bytes()
        elif not stat.S_ISDIR(mode):
            found[str(path.relative_to(run))] = stat.S_IFMT(mode)
    return found


@pytest.fixture(scope="module")
def sealed(finished_lab: Any) -> tuple[Path, Statement]:
    run = finished_lab.the_run("both_20")
    return run.path, state_run(run, run.path.parents[2])


def edit_and_judge(tmp_path: Path, sealed: tuple[Path, Statement], seeds: range) -> None:
    source, statement = sealed
    run, before = tmp_path / source.parent.name / source.name, entries(source)
    for seed in seeds:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(source, run, symlinks=True)
        kind = ALL[seed % len(ALL)]
        name = kind(run, random.Random(seed))
        said = [sentence(problem, "en") for problem in folder_problems(statement, run)]
        changed = entries(run) != before
        assert bool(said) == changed, f"{kind.__name__} of {name} with seed {seed}: {said}"
        places = {n for n in entries(run).keys() | before.keys()
                  if entries(run).get(n) != before.get(n)}  # fmt: skip
        if not any("of another run" in text for text in said):
            assert all(any(place in text for text in said) for place in places), (said, places)


def test_a_thousand_edits(tmp_path: Path, sealed: tuple[Path, Statement]) -> None:
    edit_and_judge(tmp_path, sealed, range(EDITS))


def test_edits_of_the_seal_itself(tmp_path: Path, sealed: tuple[Path, Statement]) -> None:
    secret, public = write_keys(tmp_path)
    data, file = sign(sealed[1], secret), tmp_path / "seal.json"
    now = datetime.now(UTC)
    for seed in range(EDITS):
        draw = random.Random(seed)
        edited = bytearray(data)
        at = draw.choice([draw.randrange(len(data)), draw.randrange(len(data) - 300, len(data))])
        edited[at] ^= draw.randrange(1, 256)
        file.write_bytes(edited)
        if read_seal(file, public, now)[1]:
            continue
        said, meant = open_envelope(edited)[1], open_envelope(data)[1]
        assert said == meant, (seed, at)
