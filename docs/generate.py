"""Make the generated parts of README.md, or check that they are what the program says now.

    python docs/generate.py                     make them again
    python docs/generate.py --check             exit 1 where they differ
    python docs/generate.py --from workspace    first take the table and pictures of a demo

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DEMO = ROOT / "docs" / "demo"
PART = re.compile(r"(<!-- generated: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PICTURED = "Case 3"
COLUMNS = "88"


def main() -> int:
    """Run the command line above."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true")
    options.add_argument("--from", dest="workspace", type=Path)
    chosen = options.parse_args()
    if chosen.workspace:
        take_demo(chosen.workspace)
    before = README.read_text(encoding="utf-8")
    after = PART.sub(lambda part: f"{part[1]}{PARTS[part['name']]()}\n{part[3]}", before)
    if chosen.check:
        if before != after:
            print("README.md differs from what the program says: run `make readme`.")
        return int(before != after)
    README.write_text(after, encoding="utf-8")
    return 0


def take_demo(workspace: Path) -> None:
    """Keep the rows of a demo's table, and the picture of one case's rollouts."""
    from mobile_vla.analysis.casebook import Casebook
    from mobile_vla.cli.status_table import rows
    from mobile_vla.runs.files import write_atomic
    from mobile_vla.study.load_study import find_study, load_study

    study = find_study("left_right")
    book = Casebook(workspace, load_study(study), "laptop", study_path=study)
    kept = msgspec.json.format(msgspec.json.encode(rows(book.cases())), indent=1)
    here = str(workspace.resolve().parent).encode()  # a reader's checkout lies elsewhere
    write_atomic(DEMO / "rows.json", kept.replace(here, b".") + b"\n")
    run = book.case(PICTURED).run
    if run is None or run.rollouts is None:
        raise SystemExit(f"{PICTURED} has no rollouts in {workspace}: run `mvla demo` first.")
    shutil.copyfile(workspace / run.path / run.rollouts.pictures[0], DEMO / "rollouts.png")
    picture_dashboard(book)


def picture_dashboard(book: Casebook) -> None:
    """Take the picture of the dashboard's first page, in Chromium."""
    from playwright.sync_api import sync_playwright

    from mobile_vla.dashboard.app import DashboardOptions
    from mobile_vla.dashboard.server import make_server
    from mobile_vla.listening import bind

    with bind("127.0.0.1", 0) as listener, sync_playwright() as playwright:
        listener.listen()
        server = make_server(book, DashboardOptions())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            chromium = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1200, "height": 1240})
            page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/?lang=en&theme=light")
            page.screenshot(path=DEMO / "dashboard.png")
            chromium.close()
        finally:
            server.should_exit = True
            thread.join()


def table() -> str:
    """The table of the demo that `--from` took."""
    from rich.console import Console

    from mobile_vla.analysis.headline_metrics import Rate
    from mobile_vla.cli.status_table import print_table

    kept = msgspec.json.decode((DEMO / "rows.json").read_bytes())
    for row in kept:
        for side in ("success_left", "success_right"):
            row[side] = row[side] and msgspec.convert(row[side], Rate)
    text = io.StringIO()
    print_table(kept, Console(file=text))
    return block(text.getvalue())


def says(*command: str) -> Callable[[], str]:
    """What a command prints, in an empty folder."""

    def run() -> str:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-m", "mobile_vla.cli", *command],
                cwd=folder,
                env={**os.environ, "COLUMNS": COLUMNS},
                capture_output=True,
                text=True,
                check=False,
            )
        shown = " ".join(f'"{word}"' if " " in word else word for word in command)
        return block(f"$ mvla {shown}\n{done.stdout}{done.stderr}")

    return run


def block(text: str) -> str:
    """A fenced block of plain text, without spaces at line ends."""
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(["```text", *lines, "```"])


PARTS: dict[str, Callable[[], str]] = {
    "table": table,
    "help": says("--help"),
    "plan": says("plan"),
}

if __name__ == "__main__":
    sys.exit(main())
