"""The HTML page: whole in itself, well formed, said in words as well as in colour."""

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from document_evidence import png, renamed, view_of, write_files
from mobile_vla.messages.formats import LANGUAGES
from mobile_vla.report.render import report_html

VOID = {"meta", "link", "img", "br", "line", "circle", "polyline"}
CHROMIUM = Path("/usr/bin/chromium")


class Page(HTMLParser):
    """Checks nesting, and collects tags with their attributes and the text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def view(tmp_path):
    view = view_of(tmp_path)
    write_files(view)
    return view


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_fetched_and_nothing_runs(view, language):
    page = Page(report_html(view, language))
    assert page.all("script") == [] and page.all("iframe") == []
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "data", "action", "xlink:href"):
            link = attrs.get(name) or ""
            assert not re.match(r"(?i)\s*(https?:|//|javascript:|file:)", link)
    style = report_html(view, language).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_assistive_technology_needs_is_there(view, language):
    page = Page(report_html(view, language))
    assert page.all("html") == [{"lang": language}]
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 3
    assert all(attrs.get("alt") for attrs in page.all("img"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.all("svg"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert len(targets) == 8 and set(targets) <= set(ids)


def test_states_are_words_not_only_colours(view):
    html = report_html(view, "en")
    assert re.search(r'class="mark bad"><span aria-hidden="true">✗</span> failed', html)
    assert re.search(r'class="mark unsure"><span aria-hidden="true">⚠</span> confounded', html)


def test_figures_are_drawn_from_the_run_folders(view):
    html = report_html(view, "en")
    assert html.count('class="train-loss"') == html.count('class="validation-loss"') == 3
    assert html.count('class="path-success"') == 40 + 20
    assert html.count('class="path-collision"') == 9
    assert html.count('class="path-other_side"') == 11
    assert html.count("data:image/png;base64,") == 2


def test_same_evidence_same_bytes_and_a_changed_curve_changes_them(view):
    first = report_html(view, "en")
    assert report_html(view, "en") == first
    path = view.file_of(view.cases[0].run, "metrics.csv")
    path.write_text(path.read_text().replace(",0.41,", ",0.91,", 1))
    assert report_html(view, "en") != first


def test_no_runs_no_figures(tmp_path):
    html = report_html(view_of(tmp_path), "en")
    assert 'id="curves"' not in html and "cannot be shown" in html
    Page(html)


@pytest.mark.parametrize(
    "picture", ["../../../secret.png", "evaluation/x.png", "evaluation/no.png"]
)
def test_only_pictures_inside_the_run_folder_are_embedded(view, tmp_path, picture):
    (tmp_path / "secret.png").write_bytes(png(4, 4))
    run = view.cases[0].run
    view.file_of(run, "evaluation/x.png").write_text("<svg onload=alert(1)>")
    rollouts = msgspec.structs.replace(run.rollouts, pictures=[picture])
    run = msgspec.structs.replace(run, rollouts=rollouts)
    case = msgspec.structs.replace(view.cases[0], run=run, runs=[run])
    html = report_html(replace(view, cases=[case]), "en")
    assert "data:image/png" not in html and "cannot be shown" in html


def test_names_from_documents_are_escaped(view):
    html = report_html(renamed(view, '"><script>alert(1)</script>'), "en")
    assert "<script" not in html
    Page(html)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page_without_requests_or_sideways_scrolling(
    view, tmp_path, width, scheme
):
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    file = tmp_path / "report.html"
    file.write_text(report_html(view, "ko"), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=True
        )
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        across = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
        browser.close()
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert (across, broken, said) == (0, 0, [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_matplotlib_the_page_says_why_it_has_no_figures(view, language, monkeypatch):
    assert "mobile-vla[figures]" not in report_html(view, language)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(report_html(view, language))
    assert page.all("svg") == [] and 'pip install "mobile-vla[figures]"' in "".join(page.text)
