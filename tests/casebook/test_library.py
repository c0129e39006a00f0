"""The library's example runs, and every answer is as its published schema says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from mobile_vla.casebook.model import CaseView
from mobile_vla.casebook.schema import ANSWERS, schema

sys.path.insert(0, str(Path(__file__).parent))
import foreign_material as make

if TYPE_CHECKING:
    from conftest import Maker

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
    case = msgspec.to_builtins(whole_study.book().cases()[0])
    assert set(case) == set(found["$defs"]["CaseView"]["properties"])
    assert set(case["runs"][0]) == set(found["$defs"]["RunView"]["properties"])
    for reference in re.findall(r"#/\$defs/(\w+)", str(found)):
        assert reference in found["$defs"]


def test_what_json_prints_is_read_back_as_the_same_values(whole_study: Maker) -> None:
    cases = whole_study.book().cases()
    assert msgspec.json.decode(msgspec.json.encode(cases), type=list[CaseView]) == cases


def test_answers_are_frozen(whole_study: Maker) -> None:
    case: Any = whole_study.book().cases()[0]
    with pytest.raises(AttributeError):
        case.state = "finished"
