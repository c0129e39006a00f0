"""Corrections in the bytes of a document."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import Proof, audit_document
from mobile_vla.old_audit.fix import Fixed, diff_text, fix_document, write_fixed
from mobile_vla.old_audit.table_alignment import is_aligned
from mobile_vla.old_claims.source import parse_document, read_document

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import audit as corpus
from benchmarks.audit_evidence import make_proof

PAGE = (
    "# 한글\n\n| Run | Epochs | 상태 |\n| :--- | :---: | --- |\n"
    "| nav_left_20251203 | 12 | ⏳ |\n\n```\nnav_left_20251203 epochs: 12\n```\n"
)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    return make_proof(tmp_path_factory.mktemp("evidence"))


def fixed(data: bytes, proof: Proof) -> Fixed:
    document = parse_document(Path("page.md"), data)
    return fix_document(document, audit_document(document, proof), proof)


def test_the_value_is_replaced_and_the_old_one_struck_through(proof: Proof) -> None:
    data = fixed(PAGE.encode(), proof).data.decode()
    assert "| 10 ~~12~~[^mvla-1] |" in data
    assert "| ✅ ~~⏳~~[^mvla-2] |" in data
    assert "epochs: 10 (was: 12; note mvla-3)" in data
    assert "[^mvla-1]: mvla audit: nav_left_20251203, 에폭 수 “12”: 근거와 다름; 근거: 10" in data


def test_every_other_byte_stays(proof: Proof) -> None:
    for newline in ("\n", "\r\n"):
        before = b"\xef\xbb\xbf" + PAGE.replace("\n", newline).encode()
        after = fixed(before, proof).data
        kept = after.decode().replace(" ~~12~~[^mvla-1]", "").replace("✅ ~~⏳~~[^mvla-2]", "⏳")
        kept = kept.replace(" (was: 12; note mvla-3)", "").replace("10", "12")
        assert kept.startswith(before.decode())
        assert after.count(b"\n") == after.count(newline.encode())


def test_fixing_twice_changes_nothing_more(proof: Proof) -> None:
    for path in sorted(corpus.CORPUS.glob("[0-9]*.md")):
        once = fixed(corpus.unmarked(path.read_bytes())[0], proof)
        assert once.done
        again = fixed(once.data, proof)
        assert (again.data, again.done) == (once.data, [])


def test_tables_keep_their_columns(proof: Proof) -> None:
    for path in sorted(corpus.CORPUS.glob("[0-9]*.md")):
        before = parse_document(path, corpus.unmarked(path.read_bytes())[0])
        after = parse_document(path, fixed(before.data, proof).data)
        widths = [[len(row) for row in table] for table in before.tables]
        assert [[len(row) for row in table] for table in after.tables] == widths


def test_what_nothing_can_replace_is_left_and_told(proof: Proof) -> None:
    found = fixed(b"nav_left_20251203 is better than nav_leftright_20251204.\n", proof)
    assert found.done == []
    assert [judged.claim.quantity for judged in found.left] == ["better"]


def test_words_are_corrected_in_the_documents_language(proof: Proof) -> None:
    page = (
        "- nav_robovlms_20251204 failed: out of memory\n- nav_leftright_20251204 took 5 hours\n\n"
        "| Run | VLM init | Date | Status |\n|--|--|--|--|\n"
        "| nav_left_20251203 | RoboVLMs | 12/05 | Best |\n"
        "| nav_leftright_20251204 | none | 12/04 | done |\n"
    )
    data = fixed(page.encode(), proof).data.decode()
    for told in ("path error ~~out of memory~~", "62 min ~~5 hours~~", "none ~~RoboVLMs~~",
                 "12/03 ~~12/05~~", "not comparable ~~Best~~"):  # fmt: skip
        assert told in data
    korean = "# 학습 정리\n\n- `sim_live_20261004`: ✅ 완료\n- nav_left_20251203 시작: 12월 5일\n"
    data = fixed(korean.encode(), proof).data.decode()
    assert "⏳ ~~✅~~[^mvla-1] 진행 중 ~~완료~~[^mvla-2]" in data
    assert "12월 3일 ~~12월 5일~~" in data
    assert "근거와 다름; 근거: 진행 중" in data


def test_aligned_tables_stay_aligned_by_their_width_on_screen(proof: Proof) -> None:
    page = (
        "| 학습명            | Epochs | 상태 |\n| :---------------- | -----: | :--- |\n"
        "| nav_left_20251203 |     12 | 완료 |\n| sim_both_20261002 |     20 | ⏳   |\n"
    )
    lines = fixed(page.encode(), proof).data.decode().splitlines()[:4]
    assert is_aligned(lines)
    assert "10 ~~12~~[^mvla-1] | 완료" in lines[2]
    ragged = page.replace("완료 |", "완료|")
    after = fixed(ragged.encode(), proof).data.decode()
    assert after.startswith(ragged.split("| nav_left")[0])


def test_a_document_that_changed_meanwhile_is_refused(proof: Proof, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    document = read_document(page)
    found = fix_document(document, audit_document(document, proof), proof)
    page.write_text("another\n")
    with pytest.raises(UserError, match="changed while"):
        write_fixed(document, found)
    assert page.read_text() == "another\n"


def test_read_only_files_and_links_out_of_the_folder_are_refused(
    proof: Proof, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    outside, inside, link = tmp_path / "o.md", tmp_path / "in" / "p.md", tmp_path / "in" / "l.md"
    outside.write_text(PAGE)
    inside.write_text(PAGE)
    link.symlink_to(outside)
    inside.chmod(0o444)
    for path, told in ((link, "outside its folder"), (inside, "read-only")):
        document = read_document(path)
        found = fix_document(document, audit_document(document, proof), proof)
        with pytest.raises(UserError, match=told):
            write_fixed(document, found)
    assert outside.read_text() == inside.read_text() == PAGE


def test_writing_keeps_the_mode_and_the_diff_shows_it(proof: Proof, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    page.chmod(0o640)
    document = read_document(page)
    found = fix_document(document, audit_document(document, proof), proof)
    write_fixed(document, found)
    assert page.read_bytes() == found.data
    assert page.stat().st_mode & 0o777 == 0o640
    shown = diff_text(page, document.data, found.data)
    assert "-| nav_left_20251203 | 12 | ⏳ |" in shown


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("It ran `12 epochs` in all.", "`10 (was: 12; note mvla-1) epochs`"),
        ("<!-- 12 epochs -->", "<!-- 10 (was: 12; note mvla-1) epochs -->"),
        ("<div>\n12 epochs\n</div>", "<div>\n10 (was: 12; note mvla-1) epochs\n</div>"),
        ("![12 epochs](a12.png)", "![10 (was: 12; note mvla-1) epochs](a12.png)"),
        ("[12 epochs](http://a/12)", "[10 (was: 12; note mvla-1) epochs](http://a/12)"),
        ("It took <b>12 epochs</b>.", "<b>10 ~~12~~[^mvla-1] epochs</b>"),
        ("<script>\nlet a = '12 epochs'\n</script>", None),
        ("<img alt='12 epochs'>", None),
        ("It ran $12$ epochs.", None),
        ("See [this](./12 epochs \"12 epochs\").", None),
    ],
)  # fmt: skip
def test_markup_is_written_only_where_it_is_markup(
    proof: Proof, page: str, told: str | None
) -> None:
    before = f"## nav_left_20251203\n\n{page}\n"
    found = fixed(before.encode(), proof)
    if told is None:
        assert (found.data.decode(), found.done) == (before, [])
    else:
        assert told in found.data.decode()
        assert fixed(found.data, proof).data == found.data


def test_what_is_confounded_is_called_so_in_the_documents_language(proof: Proof) -> None:
    for head, said, told in (
        ("Possible", "yes", "no (confounded) ~~yes~~"),
        ("가능 여부", "가능", "불가능 (교란됨) ~~가능~~"),
        ("Possible", "✅", "❌ (confounded) ~~✅~~"),
    ):  # fmt: skip
        page = (
            f"| Comparison | A | B | {head} |\n|--|--|--|--|\n"
            f"| data | nav_left_20251203 | nav_leftright_20251204 | {said} |\n"
        )
        assert told in fixed(page.encode(), proof).data.decode()
