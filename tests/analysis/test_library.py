"""The library's example runs, and every answer is as its published schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

import foreign_material as make
from mobile_vla.cli.main import main
from mobile_vla.cli.schema import ANSWERS, schema
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.as_json import plain

if TYPE_CHECKING:
    from run_folders import Maker

DOC = Path(__file__).parents[2] / "docs" / "casebook.md"


def test_the_documents_example_runs(
    whole_study: Maker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = whole_study.workspace
    (root / "workspace").mkdir()
    (root / "runs").rename(root / "workspace/runs")
    make.write(root / "logs/a.txt", make.log("case_1", [0.3, 0.2, 0.1]))
    monkeypatch.chdir(root)
    (example,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", DOC.read_text(), re.S)
    exec(compile(example, str(DOC), "exec"), {})
    said = capsys.readouterr().out
    assert "both_20 finished" in said and "case_1 finished" in said
    assert "direction_balance left" in said


def test_every_answer_has_a_schema_with_all_its_keys(whole_study: Maker) -> None:
    found = schema()
    assert set(found["commands"]) == set(ANSWERS)
    case = plain(whole_study.book().cases()[0])
    assert set(case) == set(found["$defs"]["CaseView"]["properties"])
    assert set(case["runs"][0]) == set(found["$defs"]["RunView"]["properties"])
    for reference in re.findall(r"#/\$defs/(\w+)", str(found)):
        assert reference in found["$defs"]


@pytest.mark.parametrize(
    "asked",
    [
        "status",
        "status ROOT ROOT",
        "status CASE",
        "status --evidence DIR",
        "compare A B",
        "compare --all",
        "compare --matrix FILE",
        "plan",
        "scan DIR",
    ],
)
def test_what_the_commands_print_is_what_the_published_schema_says(
    whole_study: Maker, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = whole_study.workspace
    make.write(root / "logs/a.txt", make.log("left_10", [0.3, 0.2, 0.1]))
    make.write(root / "logs/b.json", '{"exp_name": "x", }')
    words = {"CASE": "Case 1", "A": "Case 1", "B": "Case 3", "DIR": f"{root}/logs",
             "FILE": f"{root}/m.svg", "ROOT": str(root)}  # fmt: skip
    arguments = [words.get(word, word) for word in asked.split()]
    if "scan" not in arguments:
        arguments += ["--study", str(whole_study.path), "--workspace", str(root)]
    main([*arguments, "--json"])
    said = json.loads(capsys.readouterr().out)
    main(["status", "--schema"])
    published = json.loads(capsys.readouterr().out)
    answer = published["commands"].get(asked, published["commands"]["status"])
    Draft202012Validator({"$defs": published["$defs"], **answer}).validate(said)


def test_the_schema_refuses_what_is_not_an_answer() -> None:
    found = schema()
    validator = Draft202012Validator({"$defs": found["$defs"], **found["commands"]["status"]})
    assert not validator.is_valid([{"name": "x"}])


def test_what_json_prints_is_read_back_as_the_same_values(whole_study: Maker) -> None:
    cases = whole_study.book().cases()
    assert msgspec.json.decode(msgspec.json.encode(cases), type=list[CaseView]) == cases


def test_answers_are_frozen(whole_study: Maker) -> None:
    case: Any = whole_study.book().cases()[0]
    with pytest.raises(AttributeError):
        case.state = "finished"
