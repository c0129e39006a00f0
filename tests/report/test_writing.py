"""Files of the report: written whole, from a real casebook over a real study."""

import os
from pathlib import Path

import pytest

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.messages.errors import UserError
from mobile_vla.report.write_report import write_report
from mobile_vla.study.load_study import find_study, load_study

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study():
    return load_study(find_study(str(ROOT / "studies" / "left_right" / "study.yaml")))


def test_a_study_without_runs_is_reported_as_planned(tmp_path, study):
    paths = write_report(tmp_path, Casebook(tmp_path, study, "laptop"))
    assert [path.name for path in paths] == [
        "report.md", "report.html", "report.ko.md", "report.ko.html",
    ]  # fmt: skip
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.count("➖ planned |") + text.count("⏸️ blocked |") == len(study.cases)
    for question in study.questions:
        assert question.title.en in text
    assert "상자를 왼쪽과 오른쪽으로" in (tmp_path / "report.ko.md").read_text(encoding="utf-8")
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_written_again_on_unchanged_evidence_it_is_the_same_bytes(tmp_path, study):
    first = [path.read_bytes() for path in write_report(tmp_path, Casebook(tmp_path, study))]
    assert [
        path.read_bytes() for path in write_report(tmp_path, Casebook(tmp_path, study))
    ] == first


def test_one_language_without_html_is_one_file(tmp_path, study):
    paths = write_report(tmp_path, Casebook(tmp_path, study), ["ko"], html=False)
    assert [path.name for path in paths] == ["report.ko.md"]


def test_without_a_study_the_next_step_is_named(tmp_path):
    with pytest.raises(UserError, match="--study left_right"):
        write_report(tmp_path, Casebook(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_permission_nothing_is_half_written(tmp_path, study):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="No permission"):
        write_report(tmp_path, Casebook(tmp_path, study))
    tmp_path.chmod(0o700)


def test_what_stood_there_is_kept_when_a_file_cannot_be_replaced(tmp_path, study):
    (tmp_path / "report.md").mkdir()
    with pytest.raises(UserError, match=r"report\.md"):
        write_report(tmp_path, Casebook(tmp_path, study))
    assert (tmp_path / "report.md").is_dir()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
