"""Every page: HTML in both languages, the same values as JSON, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from starlette.testclient import TestClient

from dashboard_client import client
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.dashboard.app import Dashboard, DashboardOptions, build_app
from mobile_vla.dashboard.curves import Curves
from mobile_vla.dashboard.live_book import LiveBook
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.messages.as_json import plain
from mobile_vla.messages.formats import LANGUAGES
from mobile_vla.study.load_study import load_study
from run_folders import Maker

JSON = {"Accept": "application/json"}
VOID = {"meta", "link", "img", "br", "line", "circle", "polyline", "polygon", "rect", "input"}


class Html(HTMLParser):
    """Checks nesting; collects tags, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(maker: Maker) -> list[str]:
    run = maker.book().case("Case 1").run
    assert run is not None
    return ["/", "/case/left_10", f"/run/{run.path}", "/compare", "/compare?a=left_10&b=both_20",
            "/compare?a=left_10&b=robot_10&question=vlm", "/matrix", "/documents",
            "/document/page.md", "/episodes", "/search?q=case", "/api", "/report",
            f"/file/{run.path}/events.jsonl"]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_well_formed_and_links_to_pages_that_exist(study, documents, language):
    web = client(study, documents=documents)
    links: set[str] = set()
    for address in pages(study):
        answer = web.get(address, params={"lang": language} if "?" not in address else None)
        assert answer.status_code == 200, (address, answer.text)
        html = Html(answer.text)
        ids = [attrs["id"] for _, attrs in html.tags if attrs.get("id")]
        assert len(ids) == len(set(ids)), address
        for tag, attrs in html.tags:
            assert "style" not in attrs and not [name for name in attrs if name.startswith("on")]
            for name in ("href", "src"):
                value = attrs.get(name) or ""
                assert not re.match(r"https?:|//", value), (tag, value)
                if value.startswith("/") and "{" not in value:
                    links.add(value)
    for link in links:
        assert web.get(link).status_code == 200, link


def test_json_is_what_the_library_gives(study):
    book, web = study.book(), client(study)

    def library(value: object) -> object:
        return json.loads(msgspec.json.encode(plain(value)))

    run = book.case("Case 1").run
    assert run is not None
    answers = {
        "/": {"cases": book.cases(), "comparisons": book.comparisons(),
              "plan": book.printed_plan()},
        "/case/left_10": book.case("left_10"),
        f"/run/{run.path}": {"run": run, "facts": list(run_table(run, study.workspace))},
        "/compare?a=left_10&b=both_20": book.compare("left_10", "both_20", exploratory=True),
        "/matrix": book.matrix(),
    }  # fmt: skip
    for address, value in answers.items():
        assert web.get(address, headers=JSON).json() == library(value), address


def test_each_case_shows_its_state_and_reason_in_words(study):
    text = " ".join(Html(client(study).get("/?lang=en").text).text.split())
    assert "✗ failed" in text and "RuntimeError: CUDA out of memory" in text
    assert "✓ finished" in text and "planned" in text and "not begun" in text
    korean = Html(client(study).get("/?lang=ko").text).text
    assert "실패" in korean and "완료" in korean


def test_the_language_and_the_theme_stay(study):
    web = client(study)
    assert '<html lang="ko"' in web.get("/?lang=ko&theme=dark").text
    again = web.get("/matrix").text
    assert '<html lang="ko" data-theme="dark">' in again


def test_markup_in_names_logs_and_documents_stays_text(study, documents):
    planted = '"><script>alert(1)</script>'
    run = study.begin("robot_20")
    run.exit("exception", f"RuntimeError: {planted}", step=3)
    shutil.copytree(run.folder.path, study.workspace / "runs" / "<b>planted" / "20260101-000000")
    web = client(study, documents=documents)
    sent = quote(planted)
    asked = [f"/search?q={sent}", f"/case/{sent}", f"/run/{sent}", f"/compare?a={sent}&b=left_10"]
    for address in [*pages(study), *asked]:
        text = web.get(address).text
        assert "<script>alert" not in text and "<img src=x" not in text and "<b>planted" not in text
        Html(text)


@pytest.mark.parametrize(
    "name", ["../secret", "%2e%2e/secret", "/etc/passwd", "link", "nothing", "a%00b", "runs",
             "C:/secret"],
)  # fmt: skip
def test_no_file_outside_the_workspace_is_shown(study, tmp_path_factory, name):
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("hidden")
    (study.workspace / "link").symlink_to(outside)
    answer = client(study).get(f"/file/{name}")
    assert answer.status_code in (400, 404) and "hidden" not in answer.text


def test_of_a_long_log_only_the_end_is_read(study):
    log = study.workspace / "console.log"
    with open(log, "wb") as file:
        file.truncate(2_000_000_000)
        file.seek(0, 2)
        file.writelines(b"line %07d\n" % number for number in range(20_000))
    size = log.stat().st_size
    answer = client(study).get("/file/console.log", headers=JSON).json()
    log.unlink()
    assert answer["tail"] and answer["bytes"] == size
    assert answer["lines"][-1] == "line 0019999" and len(answer["lines"]) < 20_000


def test_a_pipe_is_not_waited_for(study):
    os.mkfifo(study.workspace / "pipe")
    assert client(study).get("/file/pipe").status_code == 400


@pytest.mark.parametrize("address", ["/episodes/empty", "/episode/empty/a", "/frame/empty/0/a"])
def test_a_data_folder_without_a_manifest_is_refused_with_the_next_step(study, address):
    (study.workspace / "data" / "empty").mkdir(parents=True, exist_ok=True)
    answer = client(study).get(address, headers=JSON)
    assert answer.status_code == 400 and "mvla episodes import" in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "", "127.0.0.1.evil.example"]
)
def test_an_unknown_host_name_is_refused(study, host):
    answer = client(study).get("/", headers={"Host": host})
    assert answer.status_code == 403 and "Case 1" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:8080"])
def test_addresses_of_this_machine_are_answered(study, host):
    assert client(study).get("/api", headers={"Host": host}).status_code == 200


def test_with_a_token_nothing_is_shown_without_it(study):
    token = "a-token-of-some-length"
    web = client(study, token=token)
    for address in ("/", "/live", "/page.css", "/static/dashboard.js", "/?token=wrong"):
        assert web.get(address).status_code == 403
    bearer = {"Authorization": f"Bearer {token}"}
    assert web.get("/api", headers=bearer).status_code == 200
    first = web.get(f"/api?token={token}&q=1", follow_redirects=False)
    assert first.status_code == 303 and first.headers["location"] == "/api?q=1"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert web.get("/api").status_code == 200


def test_headers_allow_no_script_but_the_files(study):
    for address in ("/", "/nothing", "/openapi.json"):
        headers = client(study).get(address).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_written(study, documents, method):
    before = (documents / "page.md").read_bytes()
    web = client(study, documents=documents)
    for address in ("/", "/case/left_10", "/document/page.md", "/file/study.yaml"):
        assert web.request(method, address, content=b"name=Case 1").status_code in (403, 405)
    assert (documents / "page.md").read_bytes() == before


def test_a_binding_is_written_only_from_the_form_of_the_page(study, documents):
    page = documents / "page.md"
    page.write_text(
        "| run | training episodes | steps | val loss |\n| --- | --- | --- | --- |\n"
        "| balanced | 16 | 80 | 0.1 |\n"
    )
    web = client(study, documents=documents, write=True)
    shown = web.get("/document/page.md").text
    forms = re.findall(r'name="(form_token|name|run)" value="([^"]+)"', shown)
    form = dict(forms[:3])
    assert form["name"] == "balanced" and form["run"] == "both_20"
    before = page.read_bytes()
    for wrong in ({"form_token": ""}, {"form_token": "wrong"}, {"run": "nothing"}, {"name": "x"}):
        assert web.post("/document/page.md", data={**form, **wrong}).status_code == 400
    elsewhere = {"Origin": "http://evil.example"}
    assert web.post("/document/page.md", data=form, headers=elsewhere).status_code == 403
    assert page.read_bytes() == before
    assert web.post("/document/page.md", data=form).status_code == 200
    after = page.read_bytes()
    assert b"balanced = both_20" in after and len(after) > len(before)


def test_claims_are_marked_where_they_stand(study, documents):
    text = client(study, documents=documents).get("/document/page.md?lang=en").text
    line = text[text.index('id="L5"') : text.index('id="L6"')]
    assert "verdict-contradicted" in line and "99" in line
    assert "→ 10" in line and "verdict-supported" in text


def test_a_document_is_audited_again_when_it_changes(study, documents):
    web, page = client(study, documents=documents), documents / "page.md"
    assert web.get("/document/page.md", headers=JSON).json()["claims"]
    page.write_text(page.read_text().replace("| Case 1 | 99 |", "| Case 1 | 10 |"))
    text = web.get("/document/page.md?lang=en").text
    assert "verdict-supported" in text and "verdict-contradicted" not in text


def test_a_document_too_large_is_refused_before_it_is_read(study, documents, monkeypatch):
    from mobile_vla.dashboard import documents_page

    with open(documents / "large.md", "wb") as file:
        file.truncate(3 << 20)
    web, read = client(study, documents=documents), []
    audited = documents_page.read_page
    monkeypatch.setattr(
        documents_page, "read_page", lambda path: read.append(path.name) or audited(path)
    )
    answer = web.get("/document/large.md", headers=JSON)
    assert answer.status_code == 400 and "larger than 2 MB" in answer.json()["error"]
    assert "larger than 2 MB" in web.get("/documents?lang=en").text
    assert read == ["page.md"]


def test_a_workspace_that_vanishes_is_said_to_be_gone(study):
    web = client(study)
    assert web.get("/").status_code == 200
    shutil.rmtree(study.workspace / "runs")
    assert "planned" in web.get("/?lang=en").text
    shutil.rmtree(study.workspace)
    answer = web.get("/?lang=en")
    assert answer.status_code == 200 and "The workspace is gone" in answer.text


@pytest.mark.parametrize("name", ["x" * 250, "왼쪽_열_개" * 10])
def test_runs_of_long_and_korean_names_are_shown(study, name):
    run = study.begin("robot_20")
    shutil.copytree(run.folder.path, study.workspace / "runs" / name / "20260101-000000")
    answer = client(study).get(f"/run/runs/{quote(name)}/20260101-000000")
    assert answer.status_code == 200 and name in answer.text


def test_half_written_events_do_no_harm(study):
    run = study.begin("robot_20")
    with open(run.folder.events, "ab") as file:
        file.write(b'{"event":"heartbeat","st')
    web = client(study)
    path = run.folder.path.relative_to(study.workspace)
    assert web.get("/").status_code == web.get(f"/run/{path}").status_code == 200


def test_a_changed_run_is_read_again_and_others_are_not(study, monkeypatch):
    from mobile_vla.dashboard import live_book

    read = []
    judge = live_book.view_run
    monkeypatch.setattr(
        live_book, "view_run", lambda run, *rest: read.append(run.path.name) or judge(run, *rest)
    )
    web = client(study)
    web.get("/")
    first = len(read)
    web.get("/")
    assert len(read) == first
    study.begin("robot_20").exit("exception", "RuntimeError: no", step=1)
    assert "RuntimeError: no" in web.get("/?lang=en").text and len(read) == first + 1


def test_the_openapi_document_names_every_page(study):
    document = client(study).get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    for address, item in document["paths"].items():
        names = set(re.findall(r"\{(\w+)\}", address))
        assert {field["name"] for field in item["get"]["parameters"]} == names
    assert {"/", "/run/{path}", "/compare", "/matrix"} <= document["paths"].keys()


def test_search_takes_words_in_any_order(study, documents):
    web = client(study, documents=documents)
    hits = web.get("/search?q=failed left_20", headers=JSON).json()["hits"]
    assert [hit["kind"] for hit in hits] == ["case", "run"]
    assert web.get("/search?q=PAGE.md", headers=JSON).json()["total"] == 1
    assert web.get("/search?q=", headers=JSON).json()["total"] == 0


def test_vendored_files_are_those_of_the_release():
    import hashlib

    import mobile_vla.dashboard as package

    static = Path(package.__file__).parent / "static"
    lines = (static / "vendored.txt").read_text().splitlines()
    entries = [line.split() for line in lines if line and not line.startswith("#")]
    assert entries
    for digest, name in entries:
        assert hashlib.sha256((static / name).read_bytes()).hexdigest() == digest, name
    ours = {"dashboard.js", "dashboard.css", "vendored.txt"}
    assert {path.name for path in static.iterdir()} == ours | {name for _, name in entries}


def test_a_run_shows_its_films_its_episodes_and_its_drives(finished_lab: Any) -> None:
    run = finished_lab.the_run("both_20")
    films = [path.name for path in run.evaluation.glob("drive_*.gif")]
    assert films
    book = Casebook(finished_lab.path, load_study(finished_lab.study), "laptop")
    dashboard = Dashboard(LiveBook(book, 0.0), DashboardOptions(), Curves(finished_lab.path))
    web = TestClient(build_app(dashboard), base_url="http://127.0.0.1:8080")
    path = run.path.relative_to(finished_lab.path).as_posix()
    html = Html(web.get(f"/run/{path}").text)
    pictures = [attrs["src"] for tag, attrs in html.tags if tag == "img"]
    assert {f"/picture/{path}/evaluation/{name}" for name in films} <= set(pictures)
    frames = [picture for picture in pictures if picture and picture.startswith("/frame/small/")]
    assert len(frames) == 12, "four of each side that train, all two that validate"
    for picture in pictures:
        answer = web.get(picture or "")
        assert answer.status_code == 200
        assert answer.headers["content-type"] in ("image/gif", "image/png")


@pytest.mark.parametrize("name", ["../secret.gif", "runs/none.gif", "study.yaml", "text.gif"])
def test_only_pictures_of_the_workspace_are_shown(study: Maker, name: str) -> None:
    (study.workspace.parent / "secret.gif").write_bytes(b"GIF89a")
    (study.workspace / "text.gif").write_text("no picture")
    assert client(study).get(f"/picture/{quote(name)}").status_code == 404


def test_styles_and_scripts_are_kept_by_their_hash(study: Maker) -> None:
    web = client(study)
    html = Html(web.get("/").text)
    named = [attrs.get("href") or attrs.get("src") or "" for _, attrs in html.tags]
    addresses = [name for name in named if name.partition("?")[0].endswith((".css", ".js"))]
    assert len(addresses) == 3
    for address in addresses:
        answer = web.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        plain = web.get(address.partition("?")[0])
        assert (plain.content, plain.headers["cache-control"]) == (answer.content, "no-store")
    assert web.get("/static/none.js").status_code == 404
    assert web.get("/static/..%2Fapp.py").status_code == 404
