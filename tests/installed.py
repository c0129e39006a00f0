"""What an install of the evidence side alone does; `tests/installs.sh` names its `mvla` in $MVLA.

This module is not collected by itself: it needs an environment that takes minutes to make.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

import foreign_material as make
from run_folders import Maker


def mvla(*arguments: object, folder: Path, status: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [os.environ["MVLA"], *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def place(maker: Maker) -> tuple[str, ...]:
    return ("--study", str(maker.path), "--workspace", str(maker.workspace))


def test_status_and_plan(whole_study: Maker, tmp_path: Path) -> None:
    cases = json.loads(mvla("status", *place(whole_study), "--json", folder=tmp_path))
    assert cases[0]["state"] == "finished"
    assert "Case 1" in mvla("status", *place(whole_study), folder=tmp_path)
    assert "Case 1" in mvla("plan", *place(whole_study), folder=tmp_path)


def test_compare_and_report(whole_study: Maker, tmp_path: Path) -> None:
    mvla("compare", "--all", *place(whole_study), folder=tmp_path)
    said = mvla("report", "--html", *place(whole_study), folder=tmp_path)
    assert 'pip install "mobile-vla[figures]"' in said
    paths = [Path(line) for line in said.splitlines() if not line.startswith("mvla: ")]
    assert len(paths) == 4 and all(path.is_file() for path in paths)


def test_scan_and_audit(tmp_path: Path) -> None:
    make.write(tmp_path / "logs/a.txt", make.log("nav_left_20251203", [0.3, 0.2, 0.1]))
    assert "nav_left_20251203" in mvla("scan", "logs", folder=tmp_path)
    page = "| run | epochs |\n| --- | --- |\n| nav_left_20251203 | 12 |\n"
    (tmp_path / "page.md").write_text(page)
    found = mvla("audit", "page.md", "--evidence", "logs", folder=tmp_path, status=1)
    assert "contradicted" in found


def test_weights(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(2)}}, tmp_path / "a.pt")
    torch.save({"state_dict": {"w": torch.zeros(2)}}, tmp_path / "b.pt")
    assert "torch state_dict" in mvla("weights", "inspect", "a.pt", folder=tmp_path)
    assert "apart by up to 1" in mvla("weights", "diff", "a.pt", "b.pt", folder=tmp_path, status=1)
    merge = mvla("weights", "merge", "RUN", "--out", "new", folder=tmp_path, status=2)
    assert 'pip install "mobile-vla[train]"' in merge


def test_reading_episodes_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    said = mvla("episodes", "check", "data", folder=tmp_path, status=2)
    assert 'pip install "mobile-vla[data]"' in said


@pytest.mark.parametrize("command", [("train", "Case 1"), ("demo",)])
def test_training_says_what_to_install(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert 'pip install "mobile-vla[train' in mvla(*command, folder=tmp_path, status=2)
