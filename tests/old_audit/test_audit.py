"""The audit on the corpus: verdicts, the mutated digit, bad input, the command's exit."""

from __future__ import annotations

import json
import random
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import Proof, audit_document, audit_text
from mobile_vla.old_audit.fix import fix_document
from mobile_vla.old_claims.model import Audit, Judged
from mobile_vla.old_claims.source import parse_document, read_document

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import audit as corpus
from benchmarks.audit_evidence import make_proof

WORDS = ("nav_left_20251203", "Case 1", "best", "보다 성능이 좋다", "12월 3일", "시작", "22:56",
         "took 6 min",
         "50/200", "train/val", "에폭 3", "1시간 소요", "→ 0.01", "scratch",
         "vision frozen", "\n\n- ",
         "Case 2", "| 250 left |", "val loss 0.013", "✅", "⏳",
         "\n", "진행 중", "```", "| a | b |\n|--|--|\n", "# ", "- ",
         "~~0.02~~", "250 left + 250 right",
         "vs", "\x00", "e\u0301", "한", "\u1112\u1161\u11ab", "\u202e", "[^1]",
         "<b>", "1e999", "  " * 9)  # fmt: skip


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


@pytest.mark.parametrize("name", ["held_out", "unseen", "blind"])
def test_pages_in_other_words_are_read_as_well(proof: Proof, name: str) -> None:
    found = corpus.measure(proof, corpus.CORPUS.with_name(name))
    assert found.wrong == []
    assert found.recall >= 0.94
    assert found.agreement >= 0.93


def test_thirty_pages_by_six_writers_are_read_as_they_were(proof: Proof) -> None:
    found = corpus.measure(proof, corpus.CORPUS.with_name("fresh"))
    assert len({one.page for one in found.marked}) == 30
    assert len(found.wrong) <= 1, [(page, one.claim.text) for page, one in found.wrong]
    assert found.recall >= 0.92
    assert found.agreement >= 0.87


@pytest.fixture(scope="module")
def figures(proof: Proof) -> corpus.Figures:
    return corpus.measure(proof)


def one(text: str, proof: Proof) -> Judged:
    (judged,) = audit_text(text, proof).claims
    return judged


def test_the_corpus_is_what_the_figures_need(figures: corpus.Figures) -> None:
    false = sum(m.truth == "contradicted" for m in figures.marked)
    assert len(figures.marked) >= 120
    assert len({m.page for m in figures.marked}) == 10
    assert sum(".ko." in page for page in {m.page for m in figures.marked}) >= 4
    assert false / len(figures.marked) > 0.28


def test_contradicted_is_never_said_of_what_is_not_false(figures: corpus.Figures) -> None:
    assert figures.wrong == []


@pytest.mark.parametrize("name", [path.name for path in sorted(corpus.CORPUS.glob("*.ko.md"))])
def test_decomposed_hangul_is_read_as_composed_is_and_corrected_in_place(
    proof: Proof, name: str
) -> None:
    composed = corpus.unmarked((corpus.CORPUS / name).read_bytes())[0].decode()
    data = unicodedata.normalize("NFD", composed).encode()
    document = parse_document(Path(name), data)
    audit = audit_document(document, proof)
    expected = audit_document(parse_document(Path(name), composed.encode()), proof)
    said = [(one.claim.line, one.claim.value, one.verdict) for one in audit.claims]
    assert said == [(one.claim.line, one.claim.value, one.verdict) for one in expected.claims]
    for one in audit.claims:
        place = data[one.claim.start : one.claim.end].decode()
        assert unicodedata.normalize("NFC", place) == one.claim.value
    once = fix_document(document, audit, proof)
    assert once.done
    untouched = data.splitlines()
    tables = {piece.start for table in document.tables for row in table for piece in row}
    aligned = {document.line_of(start) for start in tables}
    for number, line in enumerate(untouched, 1):
        if number not in {one.claim.line for one in once.done} | aligned:
            assert line in once.data


def test_what_is_false_is_found(figures: corpus.Figures) -> None:
    assert figures.recall >= 0.95
    assert figures.agreement >= 0.95


def test_mutating_one_digit_of_a_supported_number_contradicts_it(
    proof: Proof, figures: corpus.Figures
) -> None:
    numbers = [m for m in figures.marked if m.truth == "supported" and m.judged
               and m.judged.claim.number is not None and not m.judged.claim.about]  # fmt: skip
    assert len(numbers) > 50
    judge, chance = proof.judge(), random.Random(0)
    for marked in numbers:
        data, _ = corpus.unmarked((corpus.CORPUS / marked.page).read_bytes())
        assert marked.judged is not None
        claim = marked.judged.claim
        digits = [n for n in range(claim.start, claim.end) if chr(data[n]).isdigit()]
        place = chance.choice(digits)
        other = chance.choice([d for d in b"123456789" if d != data[place]])
        changed = data[:place] + bytes([other]) + data[place + 1 :]
        found = audit_document(parse_document(Path(marked.page), changed), proof, judge).claims
        verdicts = [j.verdict for j in found if j.claim.start == claim.start]
        assert "supported" not in verdicts, (marked.page, claim.text, claim.value)
        told = f"{marked.page}: {claim.value} in {claim.text!r} became {verdicts}"
        assert "contradicted" in verdicts or _other_epoch(marked.judged, found), told


def _other_epoch(judged: Judged, found: list[Judged]) -> bool:
    """A loss without an epoch may by chance become that of another one: ambiguous, and said so."""
    same = [j for j in found if j.claim.start == judged.claim.start]
    return bool(same) and same[0].verdict == "ambiguous" and "epoch" in same[0].reason


def test_best_and_final_are_each_wrong_in_the_others_place(proof: Proof) -> None:
    run = "nav_leftright_20251204"
    assert one(f"{run} best val loss 0.027", proof).verdict == "supported"
    assert one(f"{run} final val loss 0.0357", proof).verdict == "supported"
    swapped = one(f"{run} best val loss 0.0357", proof)
    assert swapped.verdict == "contradicted"
    assert "final" in swapped.reason
    assert one(f"{run} final val loss 0.027", proof).verdict == "contradicted"


def test_numbers_hold_to_the_digits_given(proof: Proof) -> None:
    run = "nav_left_20251203"
    assert one(f"{run} val loss 0.013", proof).verdict == "supported"
    assert one(f"{run} val loss 0.0130", proof).verdict != "supported"
    assert one(f"{run} read ~240 episodes", proof).verdict == "supported"
    assert one(f"{run} read ~13 episodes", proof).verdict == "contradicted"


def test_case_2_is_another_run_in_another_document(proof: Proof) -> None:
    first = "### Case 2: nav_left_20251203\n- Final Val Loss: 0.0131\n"
    second = "### Case 2: nav_leftright_20251204\n- Final Val Loss: 0.0131\n"
    assert audit_text(first, proof).claims[0].verdict == "supported"
    assert audit_text(second, proof).claims[0].verdict == "contradicted"
    assert one("Case 2 final val loss 0.0131", proof).verdict == "ambiguous"


def test_a_heading_and_a_table_that_disagree_are_a_finding(proof: Proof) -> None:
    text = "### Case 1: nav_left_20251203\n\n| Case | Run |\n|--|--|\n| 1 | sim_left_20261001 |\n"
    found = [j for j in audit_text(text, proof).claims if j.claim.quantity == "name"]
    assert [(j.verdict, j.claim.name) for j in found] == [("ambiguous", "sim_left_20261001")]


def test_in_progress_is_stale_while_it_ran_and_false_when_it_never_trained(proof: Proof) -> None:
    told = "작성일: 2025-12-04 15:30\n\n- nav_leftright_20251204: 진행 중\n"
    assert audit_text(told, proof).claims[0].verdict == "stale"
    assert one("nav_robovlms_20251204 is running", proof).verdict == "contradicted"


def test_what_is_expected_or_proposed_is_no_claim(proof: Proof) -> None:
    for text in ("nav_left_20251203 expected val loss 0.9", "## 예상\nnav_left_20251203 loss 0.9"):
        found = audit_text(text, proof)
        assert found.claims == []
        assert len(found.unread) == 1


def test_unread_numbers_are_counted(proof: Proof) -> None:
    found = audit_text("The room had 17 chairs.\n\nNo numbers here.\n", proof)
    assert [line.text for line in found.unread] == ["The room had 17 chairs."]


def test_byte_ranges_hold_with_bom_crlf_and_hangul(proof: Proof) -> None:
    text = "한글 제목\r\n\r\n| 학습명 | Epochs |\r\n|--|--|\r\n| nav_left_20251203 | **12** |\r\n"
    data = b"\xef\xbb\xbf" + text.encode()
    (judged,) = audit_document(parse_document(Path("x.md"), data), proof).claims
    assert data[judged.claim.start : judged.claim.end] == b"12"
    assert (judged.verdict, judged.expected, judged.claim.line) == ("contradicted", "10", 5)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\x01\x02", b"| a |\n|--|\n| 1 | 2 | 3 |\n||\n",
     b"- x\n" * 10 + b"  " * 30 + b"- 7\n",
     b"a" * 900_000, b"| " * 5000, b"<table><tr><td>val loss 0.1</td></tr></table>",
     b"---\nval loss: 3\n---\n", "👩‍🚀 Case 1 ✅ 0.013".encode(), "\u202enav_left 5".encode()],
)  # fmt: skip
def test_bad_input_is_read_or_left(data: bytes, proof: Proof) -> None:
    found = audit_document(parse_document(Path("bad.md"), data), proof)
    assert all(j.verdict in ("ambiguous", "unsupported") for j in found.claims)


def test_a_line_of_megabytes_is_refused(proof: Proof) -> None:
    with pytest.raises(UserError, match="line 2 is 2,000,000 bytes long"):
        parse_document(Path("x.md"), b"ok\n" + b"[" * 2_000_000)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_bytes(b"ok \xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        read_document(tmp_path / "x.md")
    with pytest.raises(UserError, match="cannot be read"):
        read_document(tmp_path / "none.md")


DOCUMENTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=25)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS)
def test_no_document_crashes_and_no_verdict_lacks_evidence(proof: Proof, parts: list[str]) -> None:
    holds(proof, parts)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS)
def test_nor_do_ten_thousand(proof: Proof, parts: list[str]) -> None:
    holds(proof, parts)


def holds(proof: Proof, parts: list[str]) -> None:
    """Claims stand where they say, and no verdict but "unknown" lacks evidence."""
    text = " ".join(parts).encode("utf-8", "replace").decode()
    found = audit_text(text, proof)
    for judged in found.claims:
        place = text.encode()[judged.claim.start : judged.claim.end].decode()
        assert unicodedata.normalize("NFC", place) == judged.claim.value
        if judged.verdict in ("supported", "contradicted", "stale"):
            assert judged.evidence is not None


def test_the_command_exits_1_on_a_contradiction_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_proof(tmp_path / "logs")
    page = tmp_path / "page.md"
    arguments = ["audit", str(page), "--evidence", str(tmp_path / "logs")]
    page.write_text("nav_left_20251203 ran 10 epochs. nav_x_20250101 ran 3 epochs.\n")
    assert main(arguments) == 0
    assert main([*arguments, "--strict"]) == 1
    page.write_text("nav_left_20251203 ran 12 epochs.\n")
    capsys.readouterr()
    assert main([*arguments, "--json", "--sarif", str(tmp_path / "s.sarif")]) == 1
    assert json.loads(capsys.readouterr().out)[0]["claims"][0]["verdict"] == "contradicted"
    assert json.loads((tmp_path / "s.sarif").read_text())["version"] == "2.1.0"


def test_counts_name_every_verdict() -> None:
    empty = Audit(document="x", blake3="", claims=[], unread=[])
    assert empty.counts() == dict.fromkeys(
        ("contradicted", "stale", "ambiguous", "unsupported", "supported"), 0
    )
