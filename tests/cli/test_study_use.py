"""`mvla study use`: the default study of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobile_vla.cli.main import main
from mobile_vla.study.command_line import command_line
from mobile_vla.study.load_study import CHOSEN_STUDY, find_study


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shipped = find_study("left_right").resolve().read_text(encoding="utf-8")
    for name in ("studies/mine", "."):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "study.yaml").write_text(shipped, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_chosen_study_is_the_default_and_is_not_printed(folder: Path) -> None:
    assert find_study() == Path("study.yaml")
    assert main(["study", "use", "mine"]) == 0
    assert find_study() == Path("studies/mine/study.yaml")
    assert command_line("mvla plan", find_study("mine"), "laptop", Path("workspace")) == "mvla plan"


def test_a_study_that_does_not_exist_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "mine"])
    assert main(["study", "use", "mini"]) == 2
    assert "There is no study mini" in capsys.readouterr().err
    assert CHOSEN_STUDY.read_text() == "mine\n"


@pytest.mark.parametrize("content", [b"/gone/study.yaml\n", b"deleted\n", b"\xff\xfe\0"])
def test_a_choice_that_no_longer_holds_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    CHOSEN_STUDY.write_bytes(content)
    assert main(["status"]) == 2
    assert ".mvla-study in this folder" in capsys.readouterr().err
    assert main(["study", "use", "mine"]) == 0
    assert find_study() == Path("studies/mine/study.yaml")


def test_a_choice_that_is_no_file_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    CHOSEN_STUDY.mkdir()
    assert main(["status"]) == 2
    assert ".mvla-study in this folder cannot be read" in capsys.readouterr().err
