"""The small VLMs that ship with the package; how each was made stands in the card beside it."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.messages.errors import UserError

NAMES = {"kosmos2-tiny": "kosmos2-tiny", "robovlms-tiny": "robovlms-tiny.pt"}


def asset_path(name: str) -> Path:
    """Where a shipped VLM lies: `kosmos2-tiny` (a folder) or `robovlms-tiny` (a file)."""
    if name not in NAMES:
        raise UserError(f'No VLM "{name}" ships with the package: choose from {list(NAMES)}.')
    path = Path(__file__).parent / NAMES[name]
    if not path.exists():
        raise UserError(f"{path} is missing: install the package again, or run mvla vlm pretrain.")
    return path
