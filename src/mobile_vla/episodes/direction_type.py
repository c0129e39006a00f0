"""The one type that a manifest shares with an episode, without numpy behind it."""

from __future__ import annotations

from typing import Literal

Direction = Literal["left", "right", "straight"]
