"""Suggest the existing path that is most like a mistyped one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mobile_vla.messages.errors import UserError

LOOKED_AT = 20_000
"""Entries looked at for a suggestion; beyond it the error should not keep the user waiting."""
DEPTH = 5
LEAST_LIKENESS = 0.3
CHECKPOINT_SUFFIXES = {".pt", ".ckpt", ".pth", ".bin", ".safetensors"}


def require_path(path: Path, roots: Sequence[Path] = ()) -> Path:
    """`path` where it exists; else a `UserError` that names the nearest path that does.

    `roots`: folders in which to look as well, such as where weights are kept.
    """
    if path.exists():
        return path
    problem = "is a link to nowhere" if path.is_symlink() else "does not exist"
    near = nearest_path(path, roots)
    advice = f'did you mean "{near}"?' if near else "check the path."
    raise UserError(f"{path} {problem}: {advice}")


def nearest_path(path: Path, roots: Sequence[Path] = ()) -> Path | None:
    """The existing path most like `path`, below its nearest existing ancestor or the roots.

    A path of the same name wins over one that is merely spelt alike. None where nothing is.
    """
    starts = [_existing_ancestor(path), *(root for root in roots if root.is_dir())]
    folders_only = not path.suffix
    best, score = None, LEAST_LIKENESS
    for candidate in _below(starts):
        if candidate.is_dir() != folders_only:
            continue
        if not folders_only and candidate.suffix not in {path.suffix, *CHECKPOINT_SUFFIXES}:
            continue
        likeness = _likeness(path, candidate)
        if likeness > score:
            best, score = candidate, likeness
    return best


def _existing_ancestor(path: Path) -> Path:
    return next((parent for parent in path.absolute().parents if parent.is_dir()), Path.cwd())


def _below(starts: Iterable[Path]) -> Iterator[Path]:
    """Paths below the starts, nearest first, at most `LOOKED_AT`; links are not followed."""
    queue = [(start, 0) for start in starts]
    left = LOOKED_AT
    while queue and left > 0:
        folder, depth = queue.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries[:left]:
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False) and depth < DEPTH:
                queue.append((Path(entry.path), depth + 1))
        left -= len(entries)


def _likeness(path: Path, candidate: Path) -> float:
    """From 0 to 1, the names counting for most and the folders for the rest."""
    name = difflib.SequenceMatcher(None, path.name, candidate.name).ratio()
    if name < LEAST_LIKENESS:
        return 0.0
    folders = difflib.SequenceMatcher(None, path.parts[:-1], candidate.parts[:-1]).ratio()
    return 0.8 * name + 0.2 * folders
