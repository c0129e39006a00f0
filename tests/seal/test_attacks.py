"""What somebody who can write to a folder might try, with a key of their own or with none."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mobile_vla.cli.main import main
from mobile_vla.evidence import read_run
from mobile_vla.evidence.verify_files import verify_files
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.chain import check_chain
from mobile_vla.runs.events import Evaluated, EventLog, file_hashes
from mobile_vla.seal.envelope import sign
from mobile_vla.seal.sealed_proof import sealed_proof
from mobile_vla.seal.statement import Statement, state_run
from run_folders import Maker, RunMaker
from seal_keys import write_keys

pytest.importorskip("cryptography")
pytest.importorskip("securesystemslib")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path)


def problems(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    capsys.readouterr()
    code = main(["verify", *map(str, arguments), "--json"])
    (answer,) = json.loads(capsys.readouterr().out)
    assert code == bool(answer["problems"])
    return list(answer["problems"])


def seal(run: RunMaker, secret: Path) -> None:
    assert main(["seal", str(run.folder.path), "--key", str(secret)]) == 0


def test_a_file_that_only_its_hash_tells_is_not_sealed(
    maker: Maker, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    picture = run.folder.path / "evaluation" / "paths.png"
    picture.write_bytes(b"picture")
    files = file_hashes(run.folder.path, ["evaluation/paths.png"])
    EventLog(run.folder.events).append(
        Evaluated(folder="evaluation", checkpoint_blake3=run.hash, files=files)
    )
    picture.write_bytes(b"another")
    assert main(["seal", str(run.folder.path), "--key", str(keys[0])]) == 2
    assert "paths.png" in capsys.readouterr().err


@pytest.mark.parametrize("name", [".hidden", "evaluation/.more.json", ".resume.pt.part"])
def test_a_hidden_file_is_a_file_too_many(
    maker: Maker, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = maker.finish("left_10")
    seal(run, keys[0])
    (run.folder.path / name).write_text("more")
    assert any(name in text for text in problems(capsys, run.folder.path, "--key", keys[1]))


def test_what_the_program_leaves_is_no_file_too_many(
    maker: Maker, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    seal(run, keys[0])
    for name in (".reserve", ".evaluation.lock", ".evaluation.lock.holder",
                 ".best.77-0123abcd.part"):  # fmt: skip
        (run.folder.path / name).write_text("")
    assert problems(capsys, run.folder.path, "--key", keys[1]) == []


def test_a_pipe_is_a_file_too_many(
    maker: Maker, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    seal(run, keys[0])
    os.mkfifo(run.folder.path / "pipe")
    assert any("pipe" in text for text in problems(capsys, run.folder.path, "--key", keys[1]))
    assert main(["seal", str(run.folder.path), "--key", str(keys[0])]) == 2
    assert "pipe" in capsys.readouterr().err


def test_names_that_are_no_text_or_move_the_cursor(
    maker: Maker, keys: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    seal(run, keys[0])
    (run.folder.path / "\x1b[2Kholds").write_text("")
    (run.folder.path / os.fsdecode(b"\xff.txt")).write_text("")
    assert main(["verify", str(run.folder.path), "--key", str(keys[1])]) == 1
    shown = capfd.readouterr().out
    assert "\x1b" not in shown and shown.count("was not there") == 2
    main(["seal", str(run.folder.path), "--key", str(keys[0])])
    assert "Traceback" not in capfd.readouterr().err


def test_weights_beside_a_seal_are_held_against_it(
    maker: Maker, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    seal(run, keys[0])
    weights = next(run.folder.latest.resolve().glob("policy.safetensors"))
    there = tmp_path / "downloaded"
    copy = there / weights.relative_to(run.folder.path.resolve())
    copy.parent.mkdir(parents=True)
    copy.write_bytes(weights.read_bytes())
    (there / "seal.json").write_bytes((run.folder.path / "seal.json").read_bytes())
    assert problems(capsys, there, "--key", keys[1]) == []
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x01")
    assert any("policy.safetensors" in text for text in problems(capsys, there, "--key", keys[1]))


def stated(maker: Maker, name: str = "left_10", **changes: Any) -> Statement:
    statement = state_run(maker.finish(name).folder, maker.workspace)
    return replace(statement, predicate=replace(statement.predicate, **changes))


def test_two_runs_under_one_name_are_no_evidence(
    maker: Maker, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    one = stated(maker)
    other = replace(one, predicate=replace(one.predicate, identity="0" * 64))
    for name, statement in (("a", one), ("b", other)):
        (tmp_path / f"{name}.json").write_bytes(sign(statement, keys[0]))
    seals = [tmp_path / "a.json", tmp_path / "b.json"]
    with pytest.raises(UserError, match="another run of the same name"):
        sealed_proof(seals, keys[1], datetime.now(UTC))


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_seal_of_a_run_stands(
    maker: Maker, keys: tuple[Path, Path], tmp_path: Path, order: int
) -> None:
    new = stated(maker)
    before = new.predicate.sealed - timedelta(days=1)
    old = replace(new, predicate=replace(new.predicate, sealed=before, figures=[]))
    seals = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, statement in zip(seals, [new, old][::order], strict=True):
        file.write_bytes(sign(statement, keys[0]))
    proof, _ = sealed_proof(seals, keys[1], datetime.now(UTC))
    record = proof.records.get(proof.cases[0].name)
    assert record and record.speaking and list(record.speaking.table), "the older seal stood"
    assert sum(len(case.runs) for case in proof.cases) == 1


def test_a_statement_of_another_kind_is_told(
    maker: Maker, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(sign(replace(stated(maker), type="https://example.org/other"), keys[0]))
    assert any("https://example.org/other" in text for text in problems(capsys, file, "--key",
               keys[1]))  # fmt: skip


def test_a_long_record_cut_after_its_head_is_told(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = maker.finish("left_10")
    events = run.folder.events
    monkeypatch.setattr(read_run, "HASH_LIMIT", 64)
    check = verify_files(run.folder, maker.workspace)
    assert not [p for p in check.problems if p.code.startswith("chain.")]
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:-2]))
    assert check_chain(events.read_bytes()).broken is None
    check = verify_files(run.folder, maker.workspace)
    assert "chain.head" in [problem.code for problem in check.problems]


def test_events_that_name_files_elsewhere_read_none(maker: Maker, tmp_path: Path) -> None:
    run = maker.finish("left_10")
    (tmp_path / "secret").write_text("secret")
    hashes = file_hashes(tmp_path, ["secret"])
    name = os.path.relpath(tmp_path / "secret", run.folder.path)
    EventLog(run.folder.events).append(
        Evaluated(folder="evaluation", checkpoint_blake3=run.hash, files={name: hashes["secret"]})
    )
    assert "chain.file_missing" in [
        problem.code for problem in verify_files(run.folder, maker.workspace).problems
    ]
