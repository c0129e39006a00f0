"""Suggest the existing path that is most like a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.nearby import entries_below, existing_ancestor

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
    starts = [existing_ancestor(path), *(root for root in roots if root.is_dir())]
    folders_only = not path.suffix
    best, score = None, LEAST_LIKENESS
    for candidate in entries_below(starts):
        if candidate.is_dir() != folders_only:
            continue
        if not folders_only and candidate.suffix not in {path.suffix, *CHECKPOINT_SUFFIXES}:
            continue
        likeness = _likeness(path, candidate)
        if likeness > score:
            best, score = candidate, likeness
    return best


def _likeness(path: Path, candidate: Path) -> float:
    """From 0 to 1, the names counting for most and the folders for the rest."""
    name = difflib.SequenceMatcher(None, path.name, candidate.name).ratio()
    if name < LEAST_LIKENESS:
        return 0.0
    folders = difflib.SequenceMatcher(None, path.parts[:-1], candidate.parts[:-1]).ratio()
    return 0.8 * name + 0.2 * folders
