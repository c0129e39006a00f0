"""Large pages in several processes: the same claims, and a child that dies costs nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mobile_vla.old_audit import audit_document as audit
from mobile_vla.old_audit.audit_document import Proof, audit_document
from mobile_vla.old_audit.process_pool import in_forks
from mobile_vla.old_claims.parts import parts_of
from mobile_vla.old_claims.source import parse_document

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import audit as corpus
from benchmarks.audit_evidence import make_proof


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_parts_give_what_the_whole_gives(
    proof: Proof, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    pages = [corpus.dense_page(120_000), corpus.runs_page(120_000)]
    pages += [corpus.unmarked(p.read_bytes())[0] for s in corpus.CORPORA for p in s.glob("0*.md")]
    for data in pages:
        document = parse_document(Path("page.md"), data)
        whole = audit_document(document, proof)
        monkeypatch.setattr(audit, "LARGE", 0)
        monkeypatch.setattr(audit, "workers", lambda: processes)
        parts = audit_document(document, proof)
        monkeypatch.undo()
        assert parts == whole


def test_parts_begin_with_headings_and_leave_nothing_out() -> None:
    document = parse_document(Path("page.md"), corpus.dense_page(50_000))
    for count in (1, 2, 5):
        parts = parts_of(document, count)
        assert len(parts) == count
        assert [n for part in parts for n in part.pieces] == list(range(len(document.pieces)))
        assert [n for part in parts for n in part.tables] == list(range(len(document.tables)))
        assert all(document.pieces[part.pieces.start].kind == "heading" for part in parts[1:])
    plain = parse_document(Path("page.md"), b"No heading at all.\n" * 9)
    assert len(parts_of(plain, 4)) == 1


def test_a_part_whose_process_dies_is_worked_on_again() -> None:
    here = os.getpid()

    def work(part: int) -> bytes:
        if part == 1 and os.getpid() != here:
            os.kill(os.getpid(), 9)
        return str(part).encode()

    assert in_forks(work, [0, 1, 2]) == [b"0", b"1", b"2"]
