"""`mvla audit` as a user meets it: what it refuses, what it goes on with, what its exit tells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import audit_text, gather_proof
from mobile_vla.old_audit.fix import fix_document, write_fixed
from mobile_vla.old_claims.source import read_document

if TYPE_CHECKING:
    from run_folders import Maker

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

FALSE = "nav_left_20251203 ran 12 epochs.\n"


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    make_proof(tmp_path / "logs")
    return ["--evidence", str(tmp_path / "logs")]


def page(folder: Path, text: str, name: str = "page.md") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_an_output_that_cannot_be_written_is_refused_first(
    tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for output, told in ((tmp_path, "is a folder"), (tmp_path / "no" / "s.sarif", "no folder")):
        assert main(["audit", page(tmp_path, FALSE), *logs, "--sarif", str(output)]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_file_that_cannot_be_corrected_keeps_none_of_the_others(
    tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [page(tmp_path, FALSE, name) for name in ("a.md", "b.md", "c.md")]
    (tmp_path / "b.md").chmod(0o444)
    assert main(["audit", *pages, pages[0], *logs, "--fix"]) == 2
    assert "read-only" in capsys.readouterr().err
    texts = [(tmp_path / name).read_text() for name in ("a.md", "b.md", "c.md")]
    assert ["10 ~~12~~" in text for text in texts] == [True, False, True]


def test_corrections_are_shown_and_written_at_once_and_told_to_programs(
    tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = page(tmp_path, FALSE)
    assert main(["audit", name, *logs, "--fix", "--diff", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert [one["claim"]["value"] for one in told["corrected"]] == ["12"]
    assert "+nav_left_20251203 ran 10 ~~12~~" in told["diff"]
    assert "10 ~~12~~" in Path(name).read_text()


def test_a_file_that_is_gone_or_has_two_names_is_told_in_a_sentence(
    tmp_path: Path, logs: list[str]
) -> None:
    proof = gather_proof(None, [Path(logs[1])])
    document = read_document(Path(page(tmp_path, FALSE)))
    fixed = fix_document(document, audit_text(FALSE, proof), proof)
    (tmp_path / "other.md").hardlink_to(document.path)
    with pytest.raises(UserError, match="other names"):
        write_fixed(document, fixed)
    document.path.unlink()
    with pytest.raises(UserError, match="was not corrected"):
        write_fixed(document, fixed)


def test_no_evidence_is_never_a_pass(
    tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    name = page(tmp_path, "There were 17 chairs.\n")
    for evidence in (logs, ["--evidence", str(tmp_path / "empty")]):
        assert main(["audit", name, *evidence]) == 0
        assert "nothing of it could be checked" in capsys.readouterr().out
        assert main(["audit", name, *evidence, "--strict"]) == 1
    assert "holds no run" in capsys.readouterr().err
    assert main(["audit", page(tmp_path, "No more than words.\n"), *logs, "--strict"]) == 0


def test_case_1_is_the_studys_where_a_page_numbers_none_itself(maker: Maker) -> None:
    maker.finish("left_10")
    maker.finish("both_20")
    proof = gather_proof(maker.book())
    (judged,) = audit_text("Case 1 was trained for 12 epochs.", proof).claims
    assert (judged.claim.name, judged.verdict) == ("left_10", "contradicted")
    own = "## Case 1: both_20\n\nCase 1 read 20 episodes. Case 3 was trained for 12 epochs.\n"
    first, second = audit_text(own, proof).claims
    assert (first.claim.name, first.verdict) == ("both_20", "supported")
    assert (second.claim.name, second.verdict) == (None, "ambiguous")


def test_a_server_over_no_workspace_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mcp", "--workspace", str(tmp_path / "none")]) == 2
    assert "There is no workspace" in capsys.readouterr().err
