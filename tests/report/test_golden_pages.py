"""Golden pages in both languages, on every state of a study.

To accept a meant change: `pytest tests/report/test_golden_pages.py --accept-golden`, then read the
diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from document_evidence import view_of
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.formats import LANGUAGES, Language
from mobile_vla.report.render import report_html, report_markdown
from mobile_vla.report.write_report import view_of as view_of_book
from study_states import STATES

if TYPE_CHECKING:
    from run_folders import Maker

GOLDEN = Path(__file__).parent / "golden"
ENGLISH = re.compile(r"(?:\b[a-z]{2,}\b[ ,]+){3,}[a-z]{2,}\b")
"""Four English words in a row."""


def check(page: str, name: str, *, accept: bool) -> None:
    path = GOLDEN / name
    if accept:
        path.write_text(page, encoding="utf-8")
    assert path.exists(), f"no {path.name}: run with --accept-golden"
    assert page == path.read_text(encoding="utf-8")


def without_chance(page: str, workspace: Path) -> str:
    """The page with what differs between two runs of a test replaced: paths, times, processes."""
    page = page.replace(str(workspace), "WORKSPACE")
    page = re.sub(r"\d{8}-\d{6}(-\d+)?", "TIME", page)
    page = re.sub(r"\| \d\d-\d\d \|", "| DATE |", page)
    return re.sub(r"(process|프로세스) \d+[이가]?", r"\1 PID", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_happy_page_is_the_golden_page(language: Language, pytestconfig: pytest.Config) -> None:
    page = report_markdown(view_of(Path("ws")), language)
    check(page, f"happy.{language}.md", accept=pytestconfig.getoption("--accept-golden"))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_state_has_its_golden_page(
    maker: Maker, state: Callable[[Maker], object], pytestconfig: pytest.Config
) -> None:
    accept = pytestconfig.getoption("--accept-golden")
    state(maker)
    view = view_of_book(maker.book("laptop"))
    for language in LANGUAGES:
        page = without_chance(report_markdown(view, language), maker.workspace)
        check(page, f"{state.__name__}.{language}.md", accept=accept)


class Text(HTMLParser):
    """The words of a page, without its style and the labels of its figures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hidden, self.words = 0, ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words += f" {data}"


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_html_says_what_markdown_says_in_every_state(
    maker: Maker, state: Callable[[Maker], object]
) -> None:
    state(maker)
    view = view_of_book(maker.book("laptop"))
    for language in LANGUAGES:
        html = Text(report_html(view, language)).words
        markdown = re.sub(r"\]\([^)]*\)|:---", "", report_markdown(view, language))
        words = set(re.findall(r"[\w가-힣]+", markdown.replace("\\", "")))
        assert words - set(re.findall(r"[\w가-힣]+", html)) == set()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_korean_page_has_no_english_sentence_but_quotations(
    maker: Maker, state: Callable[[Maker], object]
) -> None:
    state(maker)
    page = report_markdown(view_of_book(maker.book("laptop")), "ko")
    for quotation in (
        r"`[^`]*`",
        r"\[[^]]*\]",
        "No such file or directory",
        "no/such.pt does not exist",
    ):
        page = re.sub(quotation, "", page)
    assert [line for line in page.splitlines() if ENGLISH.search(line)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answers_come_first_and_are_five(maker: Maker, language: Language) -> None:
    lines = report_markdown(view_of_book(maker.book("laptop")), language).splitlines()
    assert lines[0].startswith("# ") and lines[1] == ""
    heads = ("exists", "drives", "compares", "fails", "next")
    expected = [f"- **{phrase(f'report.answer_{head}', language)}**: " for head in heads]
    assert [line.startswith(head) for line, head in zip(lines[2:7], expected, strict=True)] == [
        True
    ] * 5
    assert lines[7] == ""
