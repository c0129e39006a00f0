"""Pages that are hard to read: nothing fails, and every place is right."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.claims_evidence import RUNS, one, read

from mobile_vla.claims.lexicon import extend
from mobile_vla.claims.read import read_document
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError

FRAGMENTS = st.sampled_from([
    "# ", "## Case 1\n", "baseline", "| a | b |\n|---|---|\n", "| Run | Val loss |\n|---|---|\n", "|", " ", "\n",  # noqa: E501
    "- ", "  - ", "val loss", ": ", "0.19", "✅", "~~", "**", "`", "```\n", "> ", "검증 손실", "은 ", "19/20", "(", ")",  # noqa: E501
    "<!-- mvla: Case 1 = baseline -->", "---\n", "&amp;", "<br>", "\u202e", "epoch 3", "Case 1", "250 + 250 = 500",  # noqa: E501
    unicodedata.normalize("NFD", "검증 손실"), "%", "2026-05-03", "*right*.h5", "\\", "[x](y)", "- [ ] ",  # noqa: E501
])  # fmt: skip


PAGES = st.lists(FRAGMENTS | st.text(max_size=4), max_size=40).map("".join)


@given(PAGES)
@example("|a\n|-\n|~~1~~ 2")
@example("baseline```\n250 + 250 = 500```\n")
def test_any_page_is_read_and_every_claim_stands_where_it_says(text: str) -> None:
    check_page(text)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(PAGES)
def test_ten_thousand_pages(text: str) -> None:
    check_page(text)


def check_page(text: str) -> None:
    data = text.encode("utf-8", "replace")
    try:
        reading = read_document(data, "p", RUNS)
    except UserError:
        assert "\0" in text
        return
    for claim in reading.claims:
        written = data[claim.place.start : claim.place.end].decode()
        assert unicodedata.normalize("NFC", written) == claim.value
        assert claim.place.line == data[: claim.place.start].count(b"\n") + 1
        assert claim.run is None or claim.run in {run.name for run in RUNS}
    for unread in reading.unread:
        assert sentence(unread.why, "en")
        assert sentence(unread.why, "ko")


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"a\0b", "é".encode("latin-1"), b"x" * (16 * 2**20 + 1)]
)
def test_what_is_no_page_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match="name a"):
        read_document(data, "p.md", RUNS)


def test_composed_and_decomposed_hangul_are_the_same() -> None:
    text = unicodedata.normalize("NFD", "## baseline\n\n- 검증 손실: 0.19 (에폭 2)\n- 상태: 완료\n")
    data = text.encode()
    reading = read_document(data, "p", RUNS)
    assert [(c.quantity, c.word or c.number) for c in reading.claims] == [
        ("val_loss", 0.19),
        ("state", "finished"),
    ]
    first, second = (data[c.place.start : c.place.end].decode() for c in reading.claims)
    assert (first, unicodedata.normalize("NFC", second)) == ("0.19", "완료")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff## baseline\n\n- Val loss: 0.19\n",
        "## baseline\r\n\r\n- Val loss: 0.19\r\n",
        "---\ntitle: x\n---\n## baseline\n\n- Val loss: 0.19\n",
        "## baseline\n\n- Val&nbsp;loss x\n- Val loss: **0.19**",
        "## baseline\n\n- Val loss: \u202a0.19\u202c".replace("\u202a", "").replace("\u202c", ""),
        "## baseline\n\n"
        + "".join("  " * depth + f"- level {depth}\n" for depth in range(10))
        + "  " * 10
        + "- Val loss: 0.19\n",
        "| Run | Val loss |\n|---|---|\n| baseline | 0.19 | 7 | 8 |\n| nav_left_20260503 |\n",
    ],
)
def test_one_value_through_all_of_it(text: str) -> None:
    assert (one(text).number, one(text).run) == (0.19, "baseline")


def test_a_page_in_another_language_is_read_by_structure_and_said_so() -> None:
    reading = read(
        "# Отчёт о запуске\n\nМодель работает хорошо и учится быстро.\n\n| Run | Val loss |\n|---|---|\n| baseline | 0.19 |\n"  # noqa: E501
    )
    assert reading.language == "other"
    assert [claim.run for claim in reading.claims] == ["baseline"]


def test_a_very_long_line_is_told() -> None:
    reading = read("Val loss: 0.19 " * 100_000)
    assert reading.claims == []
    assert [unread.why.code for unread in reading.unread] == ["claim.line_too_long"]


def test_a_very_long_cell_is_not_read() -> None:
    text = "| Run | Val loss |\n|---|---|\n| baseline | 0.19 |\n| baseline | {} |\n"
    assert one(text.format("0.1/" * 10_000)).number == 0.19


def test_a_lexicon_is_extended_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        '[quantity.val_loss]\nnames = ["wobble"]\n[quantity.grip]\ntype = "number"\nnames = ["grip force"]\n'  # noqa: E501
    )
    reading = read("## baseline\n\n- Wobble: 0.19\n- Grip force: 3.5\n", lexicon=extend(path))
    assert [(c.quantity, c.number) for c in reading.claims] == [("val_loss", 0.19), ("grip", 3.5)]


@pytest.mark.parametrize(
    "text",
    [
        "x =",
        "[nonsense]\na = 1",
        "[quantity.a]\ntype = 'odd'",
        "[qualifier]\nbest = 'x'",
        "[quantity]\na = 3",
        "[unit.size]\nX = 'a'",
    ],
)
def test_a_file_that_is_no_lexicon_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"ours\.toml"):
        extend(path)
    with pytest.raises(UserError):
        extend(tmp_path / "absent.toml")
