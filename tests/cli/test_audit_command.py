"""`mvla audit` on pages about one scanned run: verdicts, bindings, proposals, folders."""

from __future__ import annotations

import json
from pathlib import Path

import blake3
import pytest

import foreign_material as make
from mobile_vla.cli.main import main
from openai_server import serving

RUN = "nav_left_20251203"
LABELLED = f"# Notes\n\n## Case 2\n\n- Log: {RUN}.txt\n- Val loss: 0.2\n- Learning rate: 0.5\n"


@pytest.fixture
def logs(tmp_path: Path) -> str:
    make.write(tmp_path / f"logs/{RUN}.txt", make.log(RUN, [0.3, 0.2, 0.1]))
    return str(tmp_path / "logs")


def page(folder: Path, text: str, name: str = "page.md") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_contradiction_exits_1_and_names_file_and_line(tmp_path, logs, capsys):
    path = page(tmp_path, f"# {RUN}\n\n- Learning rate: 0.5\n")
    assert main(["audit", str(path), "--evidence", logs]) == 1
    shown = capsys.readouterr().out
    assert f"3: {RUN}: learning rate “0.5” is contradicted" in shown
    assert f"{RUN}.txt line 2" in shown
    path.write_text(f"# {RUN}\n\n- Learning rate: 0.0001\n")
    assert main(["audit", str(path), "--evidence", logs, "--strict"]) == 0


def test_the_answer_is_in_the_pages_language(tmp_path, logs, capsys):
    path = page(tmp_path, f"# {RUN} 결과 보고\n\n- 학습률: 0.5\n- 여기에 적은 값은 모두 확인 전\n")
    assert main(["audit", str(path), "--evidence", logs]) == 1
    shown = capsys.readouterr().out
    assert "학습률 “0.5” 근거와 다름" in shown
    assert "주장 1건" in shown


def test_an_unbound_name_is_listed_with_what_hangs_on_it(tmp_path, logs, capsys):
    path = page(tmp_path, "# Case 2\n\n- Learning rate: 0.5\n- Seed: 9\n")
    assert main(["audit", str(path), "--evidence", logs]) == 0
    assert (
        "bind these to check more (--bind lists candidates): Case 2 (2)" in capsys.readouterr().out
    )
    assert main(["audit", str(path), "--evidence", logs, "--strict"]) == 1
    capsys.readouterr()
    assert main(["audit", str(path), "--evidence", logs, "--bind"]) == 0
    assert "Case 2 = no run (unknown; 2 claims)" in capsys.readouterr().out


def test_a_comment_binds(tmp_path, logs, capsys):
    path = page(tmp_path, f"# Case 2\n\n- Learning rate: 0.5\n\n<!-- mvla: Case 2 = {RUN} -->\n")
    assert main(["audit", str(path), "--evidence", logs]) == 1
    assert f"{RUN}: learning rate" in capsys.readouterr().out


def test_aliases_of_a_study_bind_as_confirmed(tmp_path, logs, capsys):
    study = Path(__file__).parents[2] / "studies/left_right/study.yaml"
    mine = tmp_path / "study.yaml"
    mine.write_text(study.read_text() + f"\naliases:\n  {RUN}: [Case 2, the old one]\n")
    path = page(tmp_path, "# Case 2\n\n- Learning rate: 0.5\n")
    command = ["audit", str(path), "--evidence", logs, "--study", str(mine), "--bind", "--json"]
    assert main(command) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    (binding,) = [entry for entry in answer["bindings"] if entry["name"] == "Case 2"]
    assert (binding["run"], binding["sure"]) == (RUN, "confirmed")


def test_bind_write_confirms_what_evidence_binds(tmp_path, logs, capsys, monkeypatch):
    path = page(tmp_path, LABELLED)
    command = ["audit", str(path), "--evidence", logs, "--bind", "--write"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    before = path.read_bytes()
    assert main(command) == 2
    assert "--yes" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main([*command, "--yes"]) == 0
    assert path.read_bytes() == before + f"\n<!-- mvla: Case 2 = {RUN} -->\n".encode()
    after = path.read_bytes()
    assert main([*command, "--yes"]) == 0
    assert path.read_bytes() == after


def test_bind_write_refuses_a_faulty_comment(tmp_path, logs, capsys):
    path = page(tmp_path, LABELLED + "\n<!-- mvla: Case 9 = no_such_run -->\n")
    before = path.read_bytes()
    assert main(["audit", str(path), "--evidence", logs, "--bind", "--write", "--yes"]) == 2
    assert "no run in the evidence is called no_such_run" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_claims_of_a_file_are_judged_and_bad_ones_refused(tmp_path, logs, capsys):
    text = f"# {RUN}\n\nAs the group saw it, a rate of 0.5 did the work.\n"
    path = page(tmp_path, text)
    quote = "a rate of 0.5 did the work"
    claims = [
        {"quote": quote, "value": "0.5", "quantity": "learning_rate", "name": RUN},
        {"quote": "a rate of 0.7", "value": "0.7", "quantity": "learning_rate", "name": RUN},
    ]
    file = tmp_path / "claims.json"
    digest = blake3.blake3(text.encode()).hexdigest()
    file.write_text(json.dumps({"blake3": digest, "claims": claims}))
    command = ["audit", str(path), "--evidence", logs, "--claims", str(file)]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "learning rate “0.5” is contradicted" in shown
    assert "1 proposal refused" in shown
    path.write_text(text + "\n")
    assert main(command) == 2
    assert "another version" in capsys.readouterr().err


def test_pages_of_a_folder_are_held_against_each_other(tmp_path, logs, capsys):
    page(tmp_path / "docs", f"# {RUN}\n\n- Dropout: 0.1\n- Seed: 3\n", "a.md")
    page(tmp_path / "docs", f"# {RUN}\n\n- Seed: 4\n", "b.md")
    assert main(["audit", str(tmp_path / "docs"), "--evidence", logs, "--strict"]) == 1
    shown = capsys.readouterr().out
    assert "3: seed of nav_left_20251203 is 4 here and 3 in" in shown
    assert "a.md, line 4" in shown


def test_the_schema_needs_no_page(capsys):
    assert main(["audit", "--schema"]) == 0
    assert "Proposal" in json.loads(capsys.readouterr().out)["$defs"]
    assert main(["audit"]) == 2
    assert "Name a Markdown page" in capsys.readouterr().err


def test_a_model_reads_only_where_it_is_named_and_once(tmp_path, logs, capsys, monkeypatch):
    pytest.importorskip("openai")
    claim = {"quote": "a rate of 0.5", "value": "0.5", "quantity": "learning_rate", "name": RUN}
    path = page(tmp_path, f"# {RUN}\n\nAs the group saw it, a rate of 0.5 did the work.\n")
    command = ["audit", str(path), "--evidence", logs]
    assert main(command) == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serving(claim) as server:
        assert main([*command, "--reader", server.url]) == 1
        assert "learning rate “0.5” is contradicted" in capsys.readouterr().out
        assert main([*command, "--reader", server.url]) == 1
        assert len(server.asked) == 1
    url = "http://127.0.0.1:9/v1"
    assert main([*command, "--reader", url]) == 2
    assert "does not answer" in capsys.readouterr().err
