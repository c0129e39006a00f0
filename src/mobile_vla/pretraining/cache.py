"""Skip pretraining if the same small VLM exists already, by content and not by name or time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.runs.files import hash_file

if TYPE_CHECKING:
    from mobile_vla.pretraining.labelled_arrays import Lessons

PACKAGE = Path(__file__).resolve().parents[1]
SOURCES = ("policy/**/*.py", "simulator/*.py", "pretraining/*.py")
"""The code that decides the weights."""
LISTED = re.compile(r"^\| (\S+) \| [\d,]+ \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def recipe_hash(
    name: str, seed: int, lessons: Lessons, start: Path | None, words: Sequence[str] = ()
) -> str:
    """blake3 over everything that decides the weights: name, seed, lessons, words, code, torch."""
    import torch
    from blake3 import blake3

    settings = [name, seed, lessons, str(torch.__version__), *words]
    hasher = blake3(msgspec.json.encode(settings))
    files = [file for pattern in SOURCES for file in sorted(PACKAGE.glob(pattern))]
    if start is not None:
        files += sorted(start.glob("*.safetensors"))
    for file in files:
        hasher.update(f"{file.name} {hash_file(file)}\n".encode())
    return hasher.hexdigest()


def recipe_line(recipe: str) -> str:
    """What a card says of its recipe."""
    return f"\nMade by the recipe `{recipe}` (seed, lessons, code and torch).\n"


def card_path(path: Path) -> Path:
    """Where the card of a folder, or of a file, lies."""
    return path / "CARD.md" if path.is_dir() else path.with_suffix(".CARD.md")


def made_already(path: Path, recipe: str) -> bool:
    """Whether the card there names this recipe, and its files have the hashes that it lists."""
    try:
        card = card_path(path).read_text(encoding="utf-8")
        folder = path if path.is_dir() else path.parent
        intact = all(hash_file(folder / file) == digest for file, digest in LISTED.findall(card))
    except OSError:
        return False
    return intact and recipe_line(recipe) in card
