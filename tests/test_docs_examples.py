"""The examples of the documentation run to their end, and come out as the text says.

A line `<!-- save: PATH -->` before a code block saves it, `<!-- run -->` runs it, in a new folder
for each page and in the page's order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.cli.main import parser
from run_folders import Maker

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"<!-- (run|save: (\S+)) -->\n```\w+\n(.*?)```", re.DOTALL)


def mvla(arguments: str, folder: Path) -> str:
    """What a command of the shell prints, where `mvla` is this Python's."""
    python = f'{sys.executable} -c "from mobile_vla.cli.main import main; exit(main())"'
    script = f'set -e\nmvla() {{ {python} "$@"; }}\n{arguments}'
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow(page: str, folder: Path) -> str:
    """Save and run the marked blocks of a page; what the commands printed."""
    printed = ""
    blocks = BLOCK.findall((DOCS / page).read_text())
    assert blocks, page
    for action, name, text in blocks:
        if action == "run":
            printed += mvla(text, folder)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return printed


def successes(case: dict[str, Any], side: str) -> int:
    drives = case["run"]["rollouts"]["rollouts"]
    return sum(drive["success"] for drive in drives if drive["direction"] == side)


@pytest.mark.slow
def test_the_example_study_drives_as_its_page_says(tmp_path: Path) -> None:
    printed = follow("studies.md", tmp_path)
    assert "effect of data balance: left_only vs balanced: valid" in printed
    assert "suggestive at most" in printed
    cases = json.loads(mvla("mvla status --json --full --study mine", tmp_path))
    left_only, balanced = ({c["name"]: c for c in cases}[n] for n in ("left_only", "balanced"))
    assert successes(left_only, "left") >= 7
    assert successes(left_only, "right") <= 1
    assert min(successes(balanced, side) for side in ("left", "right")) >= 6


@pytest.mark.slow
def test_the_tutorial_drives_as_it_says(tmp_path: Path) -> None:
    printed = follow("tutorial.md", tmp_path)
    assert "effect of data balance: left_only vs balanced: valid" in printed
    assert "suggestive at most" in printed
    assert (tmp_path / "workspace" / "report.html").is_file()
    cases = json.loads(mvla("mvla status --json --full", tmp_path))
    left_only, balanced = ({c["name"]: c for c in cases}[n] for n in ("left_only", "balanced"))
    assert successes(left_only, "left") >= 7
    assert successes(left_only, "right") <= 1
    assert min(successes(balanced, side) for side in ("left", "right")) >= 6


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_run_is_sealed_and_given_away_as_its_page_says(maker: Maker, tmp_path: Path) -> None:
    pytest.importorskip("securesystemslib")
    pytest.importorskip("huggingface_hub")
    maker.finish("left_10", good=0.7)
    mvla(f"mvla study use {maker.path}", tmp_path)
    (tmp_path / "runs").rename(tmp_path / "workspace")
    (tmp_path / "workspace" / "runs").mkdir()
    (tmp_path / "workspace" / "left_10").rename(tmp_path / "workspace" / "runs" / "left_10")
    printed = follow("seals.md", tmp_path)
    assert printed.count("holds (case left_10, finished") == 2
    assert "signed with lab.pub.pem" in printed
    assert "policy.safetensors\t" in printed and "Nothing was sent" in printed
    assert (tmp_path / "crate" / "ro-crate-metadata.json").is_file()


def test_hooks_of_the_pages_take_the_files_that_pre_commit_appends() -> None:
    found = 0
    for page in DOCS.glob("*.md"):
        for arguments in re.findall(r"args: \[(--evidence.*)\]", page.read_text()):
            chosen = parser("audit").parse_args(["audit", *arguments.split(", "), "page.md"])
            assert chosen.document == ["page.md"], page.name
            found += 1
    assert found


def test_the_page_on_installing_lists_every_extra() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (DOCS / "install.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    assert listed == set(project["optional-dependencies"]) - {"dev", "docs", "crosscheck"}


def test_every_page_marks_only_blocks_that_are_followed() -> None:
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        assert len(re.findall(r"<!-- (?:run|save: )", text)) == len(BLOCK.findall(text)), page.name
