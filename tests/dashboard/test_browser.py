"""The pages in Chromium: nothing from elsewhere, keyboard, narrow screens, a run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard_client import listening
from mobile_vla.messages.formats import LANGUAGES
from mobile_vla.runs.events import Heartbeat
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.process import Process, boot_id, start_ticks, this_process
from run_folders import Maker

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def watched(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page that may reach nothing but the dashboard, and whose console must stay empty."""
    context = browser.new_context(**options)
    problems: list[str] = []

    def only_here(route: Any) -> None:
        if route.request.url.startswith((address, "data:")):
            route.continue_()
        else:
            problems.append(route.request.url)
            route.abort()

    context.route("**/*", only_here)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
    yield page
    context.close()
    assert problems == []


def save(page: Any, name: str) -> None:
    """Keep a picture where `SCREENSHOTS` names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def addresses(maker: Maker) -> dict[str, str]:
    run = maker.book().case("Case 1").run
    assert run is not None
    return {"study": "/", "case": "/case/robot_10", "run": f"/run/{run.path}",
            "compare": "/compare?a=left_10&b=both_20", "matrix": "/matrix", "report": "/report",
            "documents": "/documents", "document": "/document/page.md", "episodes": "/episodes",
            "search": "/search?q=case", "api": "/api"}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [400, 1280])
def test_every_page_is_quiet_and_fits(study, documents, browser, language, width):
    with listening(study, documents=documents) as address:
        size = {"width": width, "height": 800}
        with watched(browser, address, viewport=size, color_scheme="dark") as page:
            for name, path in addresses(study).items():
                page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={language}")
                assert page.evaluate("document.documentElement.lang") == language
                across = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert across <= 0, name
                assert page.evaluate("[...document.images].every((i) => i.naturalWidth)"), name
                save(page, f"{name}-{language}-{width}")


def test_every_page_reads_without_script(study, documents, browser):
    with (
        listening(study, documents=documents) as address,
        watched(browser, address, java_script_enabled=False) as page,
    ):
        for path in addresses(study).values():
            page.goto(address + path)
            assert page.locator("h1").is_visible()
        page.goto(address + addresses(study)["run"])
        assert page.locator("svg.curve").is_visible()


def test_by_keyboard_alone(study, documents, browser):
    with listening(study, documents=documents) as address, watched(browser, address) as page:
        page.goto(f"{address}/?lang=en")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.locator(".about").first.focus()
        assert page.locator(".about:focus > .tip").is_visible()
        page.locator("input[name=q]").focus()
        page.keyboard.type("left_20")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=left_20")
        page.locator(".hits a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/case/left_20")
        page.goto(f"{address}/document/page.md?lang=en")
        page.locator(".claim").first.focus()
        tip = page.locator(".claim:focus > .tip")
        assert tip.is_visible() and "the evidence gives 10" in tip.inner_text()


def test_a_run_is_watched_until_it_is_killed(maker, browser):
    sleeper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        process = Process(pid=sleeper.pid, boot=boot_id(), host=this_process().host,
                          started=start_ticks(sleeper.pid) or 0)  # fmt: skip
        run = maker.begin("left_10", process=process)
        run.log(Heartbeat(step=1, epoch=0), seconds=3500)
        metrics = MetricsFile(run.folder.metrics)
        metrics.append(epoch=0, step=1, train_loss=1.0)
        path = run.folder.path.relative_to(maker.workspace).as_posix()
        with listening(maker) as address, watched(browser, address) as page:
            page.goto(f"{address}/run/{path}?lang=en")
            page.locator(".live-text", has_text="1 of 40").wait_for()
            page.locator(".uplot").wait_for()
            page.locator("details summary").first.click()
            metrics.append(epoch=0, step=2, train_loss=0.5)
            run.log(Heartbeat(step=2, epoch=0))
            page.locator(".live-text", has_text="2 of 40").wait_for()
            sleeper.send_signal(signal.SIGKILL)
            sleeper.wait()
            page.locator(".lead .mark", has_text="killed").wait_for()
            assert page.locator("details").first.get_attribute("open") is not None
            assert page.locator(".uplot").count() == 1
            save(page, "killed")
    finally:
        sleeper.kill()
        sleeper.wait()


AXE = os.environ.get("AXE")


@pytest.mark.skipif(not AXE, reason="AXE names no axe.min.js; tests/clients.sh installs it")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(study, documents, browser, language, scheme):
    script = Path(str(AXE)).read_text()
    with (
        listening(study, documents=documents, write=True) as address,
        watched(browser, address, color_scheme=scheme, bypass_csp=True) as page,
    ):
        violations = {}
        for name, path in addresses(study).items():
            page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={language}")
            page.evaluate(script)
            for rule in page.evaluate("axe.run().then((result) => result.violations)"):
                nodes = [node["html"][:160] for node in rule["nodes"]]
                violations[f"{name}: {rule['id']}"] = nodes
        assert violations == {}
