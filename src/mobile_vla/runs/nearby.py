"""Paths near one that does not exist: a bounded walk, for suggestions in error messages."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST_ENTRIES = 20_000
MOST_SECONDS = 0.5
DEPTH = 5
NEVER = {"/proc", "/sys", "/dev", "/run"}
"""Folders of the kernel, which hold nobody's files and never end."""


def existing_ancestor(path: Path) -> Path:
    """The nearest folder above `path` that exists."""
    return next((parent for parent in path.absolute().parents if _is_folder(parent)), Path.cwd())


def entries_below(folders: Iterable[Path]) -> Iterator[Path]:
    """Paths below the folders, nearest first; links are not followed.

    The walk ends after `MOST_ENTRIES` or `MOST_SECONDS`. Of a file system's root and of the
    kernel's folders nothing comes but the entries of the root.
    """
    waiting = deque((folder, 0) for folder in folders)
    left, deadline = MOST_ENTRIES, time.monotonic() + MOST_SECONDS
    while waiting:
        folder, depth = waiting.popleft()
        if str(folder) in NEVER:
            continue
        at_root = folder.parent == folder
        for entry in _entries(folder, left):
            left -= 1
            yield Path(entry.path)
            if left <= 0 or time.monotonic() > deadline:
                return
            if depth < DEPTH and not at_root and entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), depth + 1))


def _entries(folder: Path, most: int) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found.append(entry)
                if len(found) >= most:
                    break
    except (OSError, ValueError):
        pass
    return sorted(found, key=lambda entry: entry.name)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
