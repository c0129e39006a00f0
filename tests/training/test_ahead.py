"""Batches are made one step ahead, in order, and not where a step changes what they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from mobile_vla.training.prefetch import prefetch
from small_lab import until

GROUPS: Any = [["a", "bb"], ["c"], ["d", "e", "f"]]


class Made:
    """Stands for `EpisodeTensors`: what was asked for, in order."""

    def __init__(self, *, stored: bool) -> None:
        self.stored = stored
        self.asked: list[tuple[list[str], int]] = []

    def text_length(self, episode: str) -> int:
        return -len(episode)

    def batch(self, episodes: list[str], epoch: int) -> Any:
        if "f" in episodes:
            raise OSError("f is damaged")
        self.asked.append((episodes, epoch))
        return episodes


def test_the_next_step_is_made_while_one_is_computed_and_no_further() -> None:
    made: Any = Made(stored=True)
    coming = prefetch(made, GROUPS, 1, 7)
    first = next(coming)
    assert first.batches == [["bb"], ["a"]], "texts of a length together"
    until(lambda: len(made.asked) == 3, "the second group's batch")
    assert made.asked == [(["bb"], 7), (["a"], 7), (["c"], 7)]
    assert first.waited >= 0
    coming.close()
    assert len(made.asked) == 3


def test_nothing_is_made_ahead_while_vision_trains() -> None:
    made: Any = Made(stored=False)
    coming = prefetch(made, GROUPS, 2, 0)
    assert next(coming).batches == [["bb", "a"]]
    assert made.asked == [(["bb", "a"], 0)]
    assert next(coming).batches == [["c"]]


def test_an_error_comes_at_its_own_step() -> None:
    coming = prefetch(Made(stored=True), GROUPS, 3, 0)  # type: ignore[arg-type]
    assert [next(coming).episodes for _ in range(2)] == GROUPS[:2]
    with pytest.raises(OSError, match="f is damaged"):
        next(coming)
