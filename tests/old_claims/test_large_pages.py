"""Large pages take time and memory in proportion; what is no page is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.old_claims import source
from mobile_vla.old_claims.extract import read_claims
from mobile_vla.old_claims.source import parse_document, read_document


def test_what_a_long_line_goes_on_with_is_told_as_not_read() -> None:
    text = "epochs: 12 " + "x" * 30_000 + " 13\n"
    claims, unread = read_claims(parse_document(Path("page.md"), text.encode()), (), {})
    assert [claim.value for claim in claims] == ["12"]
    assert len(unread) == 1


def test_what_is_no_page_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match="is no file"):
            read_document(path)
    monkeypatch.setattr(source, "LIMIT", 9)
    (tmp_path / "large.md").write_text("x" * 10)
    with pytest.raises(UserError, match="larger than"):
        read_document(tmp_path / "large.md")


LINES = (
    "## Loss 0.5", "| 0.7 |", "> 예전 위키에 \"100 %\" 라고 적힌 것은 잘못이다.", "４ chairs",
    "Started at 15:04.", "[^mvla-1]: it reached 0.001", "다른 연구실은 30 에폭을 돌렸다.",
    "Is it 12 epochs?",
)  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_every_line_with_a_number_is_a_claim_or_told_as_not_read(line: str) -> None:
    page = f"| a |\n|--|\n{line}\n" if line.startswith("|") else f"{line}\n"
    claims, unread = read_claims(parse_document(Path("page.md"), page.encode()), (), {})
    assert claims or [one.text for one in unread]


def test_days_names_and_paths_are_no_numbers() -> None:
    page = "# 2. Notes of 2026-10-01\n\nSee runs/a_20261001/x1.txt and sim_left_20261001.\n"
    document = parse_document(Path("page.md"), page.encode())
    assert read_claims(document, {"sim_left_20261001"}, {}) == ([], [])
