"""The folder that one study works in.

<workspace>/
    data/<name>/       episodes and their manifest
    runs/<case>/<run>/ run folders
    drives/<case>/     logs and episodes of drives, written by `mvla drive`
    cache/             frames and vision features, made again when missing
    report.md …        written by `mvla report`
"""

from __future__ import annotations

from pathlib import Path

DEFAULT = "workspace"


class Workspace:
    """The paths below a workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = path / "runs"
        self.cache = path / "cache"
        self.drives = path / "drives"

    def data(self, name: str) -> Path:
        """Folder of the data set called `name`."""
        return self.path / "data" / name

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"
