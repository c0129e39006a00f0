"""Seals: what they state, and each way in which they do not hold."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.cli.main import main
from mobile_vla.runs.files import hash_file
from mobile_vla.seal.envelope import sign
from mobile_vla.seal.statement import state_run
from run_folders import Maker, RunMaker
from seal_keys import write_keys

pytest.importorskip("cryptography")
pytest.importorskip("securesystemslib")


@pytest.fixture
def sealed(maker: Maker, tmp_path: Path) -> tuple[RunMaker, Path, Path]:
    """A finished and evaluated run with its seal, and the two keys."""
    run = maker.finish("left_10")
    secret, public = write_keys(tmp_path)
    assert main(["seal", str(run.folder.path), "--key", str(secret)]) == 0
    return run, secret, public


def verified(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["verify", *map(str, arguments), "--json"])
    (answer,) = json.loads(capsys.readouterr().out)
    return code, answer


def statement_of(seal: Path) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(json.loads(seal.read_bytes())["payload"])))


def test_a_seal_states_files_and_figures(sealed: tuple[RunMaker, Path, Path]) -> None:
    run = sealed[0]
    statement = statement_of(run.folder.path / "seal.json")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    names = {subject["name"] for subject in statement["subject"]}
    assert {"events.jsonl", "metrics.csv", "evaluation/rollouts.json"} <= names
    assert not [name for name in names if name.startswith("checkpoints/best/")]
    predicate = statement["predicate"]
    assert (predicate["case"], predicate["state"]) == ("left_10", "finished")
    assert predicate["data_manifest"] == run.manifest().hash
    assert predicate["links"]["checkpoints/best"].startswith("step-")
    quantities = {figure["quantity"] for figure in predicate["figures"]}
    assert {"val_loss", "success"} <= quantities


def test_it_holds_and_says_so(
    sealed: tuple[RunMaker, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, public = sealed
    code, answer = verified(capsys, run.folder.path, "--key", public)
    assert (code, answer["problems"], answer["state"]) == (0, [], "finished")
    code, answer = verified(capsys, run.folder.path / "seal.json", "--key", public)
    assert (code, answer["case"], answer["problems"]) == (0, "left_10", [])


def test_a_folder_of_seals_says_who_trained_what_and_when(
    sealed: tuple[RunMaker, Path, Path],
    maker: Maker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, secret, public = tmp_path / "seals", tmp_path / "lab.pem", sealed[2]
    folder.mkdir()
    for number, run in enumerate((sealed[0], maker.finish("both_20"))):
        out = str(folder / f"{number}.json")
        assert main(["seal", str(run.folder.path), "--key", str(secret), "--out", out]) == 0
    shutil.rmtree(maker.workspace / "runs")
    capsys.readouterr()
    assert main(["verify", str(folder), "--key", str(public), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(a["case"], a["state"]) for a in answers] == [
        ("left_10", "finished"), ("both_20", "finished"),
    ]  # fmt: skip
    assert all(answer["sealed"] and answer["started"] for answer in answers)
    assert {answer["key"] for answer in answers} == {public.name}


def test_a_moved_and_copied_run_holds(
    sealed: tuple[RunMaker, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, public = sealed
    there = tmp_path / "elsewhere" / "run"
    shutil.copytree(run.folder.path, there, symlinks=True)
    code, answer = verified(capsys, there, "--key", public)
    assert (code, answer["problems"]) == (0, [])


def test_a_run_without_a_seal_is_verified_by_its_events(
    maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    assert verified(capsys, run.folder.path)[0] == 0
    run.folder.case_yaml.unlink()
    code, answer = verified(capsys, run.folder.path)
    assert code == 1 and any("case.yaml" in text for text in answer["problems"])


def change_file(run: RunMaker) -> str:
    run.folder.console.write_text("another")
    return "console.log was not there"


def change_evaluation(run: RunMaker) -> str:
    data = run.folder.rollouts.read_bytes()
    run.folder.rollouts.write_bytes(data.replace(b'"success": true', b'"success": false', 1))
    return "evaluation/rollouts.json is not as it was"


def remove_file(run: RunMaker) -> str:
    run.folder.offline.unlink()
    return "evaluation/offline.json is missing"


def add_file(run: RunMaker) -> str:
    (run.folder.path / "more.txt").write_text("more")
    return "more.txt was not there"


def move_link(run: RunMaker) -> str:
    run.folder.best.unlink()
    return "checkpoints/best is not as it was"


@pytest.mark.parametrize("edit", [change_file, change_evaluation, remove_file, add_file, move_link])
def test_each_difference_is_named(
    sealed: tuple[RunMaker, Path, Path], capsys: pytest.CaptureFixture[str], edit: Any
) -> None:
    run, _, public = sealed
    expected = edit(run)
    code, answer = verified(capsys, run.folder.path, "--key", public)
    assert code == 1
    assert any(expected in text for text in answer["problems"]), answer["problems"]


def test_a_seal_of_before_the_last_evaluation_is_old(
    sealed: tuple[RunMaker, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, public = sealed
    run.evaluate(good=0.5)
    code, answer = verified(capsys, run.folder.path, "--key", public)
    assert code == 1
    assert any("the seal is older" in text for text in answer["problems"])


def test_another_key_no_key_and_no_such_key(
    sealed: tuple[RunMaker, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, secret, _ = sealed
    other = write_keys(tmp_path, "other")[1]
    code, answer = verified(capsys, run.folder.path, "--key", other)
    assert code == 1 and answer["problems"] == [f"the seal was not signed with {other}"]
    code, answer = verified(capsys, run.folder.path)
    assert code == 1 and "nobody's signature was checked" in answer["problems"][0]
    for key, expected in ((tmp_path / "none.pem", "cannot be read"), (secret, "no public key")):
        capsys.readouterr()
        assert main(["verify", str(run.folder.path), "--key", str(key)]) == 2
        assert expected in capsys.readouterr().err


def test_keys_that_cannot_sign(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    locked = write_keys(tmp_path, "locked", b"secret")[0]
    for key in (locked, tmp_path / "none.pem", write_keys(tmp_path)[1]):
        assert main(["seal", str(run.folder.path), "--key", str(key)]) == 2
        assert "Traceback" not in (said := capsys.readouterr().err) and str(key) in said
    assert not (run.folder.path / "seal.json").exists()


def test_a_model_signature_needs_a_curve(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = str(maker.finish("left_10").folder.path), tmp_path / "model.sig"
    for curve, code in ((False, 2), (True, 0)):
        secret, public = write_keys(tmp_path, str(curve), curve=curve)
        made = ["seal", path, "--key", str(secret), "--model-signature", str(out)]
        assert main(made) == code
        assert out.exists() == curve
    assert "P-256" in capsys.readouterr().err
    assert verified(capsys, path, "--key", public)[0] == 0


def test_a_changed_statement_is_not_signed(
    sealed: tuple[RunMaker, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, public = sealed
    seal = run.folder.path / "seal.json"
    envelope = json.loads(seal.read_bytes())
    statement = statement_of(seal)
    statement["predicate"]["case"] = "another"
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    seal.write_text(json.dumps(envelope))
    code, answer = verified(capsys, seal, "--key", public)
    assert code == 1 and "was changed after it was signed" in answer["problems"][0]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"payload":"!","payloadType":"x"}', b"\xff"]
)
def test_what_is_no_seal_is_a_sentence(
    sealed: tuple[RunMaker, Path, Path], capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    run, _, public = sealed
    (run.folder.path / "seal.json").write_bytes(data)
    code, answer = verified(capsys, run.folder.path, "--key", public)
    assert code == 1 and any("seal.json cannot be read" in text for text in answer["problems"])


def test_the_seal_of_another_run(
    sealed: tuple[RunMaker, Path, Path], maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, public = sealed
    other = maker.finish("left_10")
    shutil.copy(run.folder.path / "seal.json", other.folder.path)
    code, answer = verified(capsys, other.folder.path, "--key", public)
    assert code == 1 and "the seal is of another run" in answer["problems"][0]


def test_a_clock_in_the_future(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = maker.finish("left_10")
    secret, public = write_keys(tmp_path)
    later = datetime.now(UTC) + timedelta(days=2)
    statement = state_run(run.folder, maker.workspace, later)
    (run.folder.path / "seal.json").write_bytes(sign(statement, secret))
    code, answer = verified(capsys, run.folder.path, "--key", public)
    assert code == 1 and "in the future of this clock" in answer["problems"][0]


def test_a_run_that_lives_or_is_broken_is_not_sealed(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, _ = write_keys(tmp_path)
    run = maker.finish("left_10")
    events = run.folder.events
    events.write_bytes(events.read_bytes().replace(b'"step":', b'"step":1', 1))
    assert main(["seal", str(run.folder.path), "--key", str(secret)]) == 2
    assert "cannot be sealed" in capsys.readouterr().err
    assert main(["seal", str(tmp_path), "--key", str(secret)]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_paths_of_a_statement_stay_in_the_folder(
    sealed: tuple[RunMaker, Path, Path], tmp_path: Path
) -> None:
    from msgspec.structs import replace

    from mobile_vla.seal.check_seal import folder_problems
    from mobile_vla.seal.statement import Subject

    run = sealed[0]
    statement = state_run(run.folder, tmp_path)
    outside = tmp_path / "robovlms.pt"
    assert hash_file(outside)
    for name in ("../../../robovlms.pt", str(outside), ""):
        wider = replace(statement, subject=[Subject(name=name, digest={"sha256": "0"})])
        problems = [p for p in folder_problems(wider, run.folder.path) if p.fields["file"] == name]
        assert [problem.code for problem in problems] == ["seal.unreadable"]
