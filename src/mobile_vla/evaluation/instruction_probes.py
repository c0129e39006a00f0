"""Probe whether a policy follows the instruction: other texts on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mobile_vla.evaluation.metrics import Speed, sideways
from mobile_vla.evaluation.predictions import RecordedEpisode
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.results import Hearing, Swap
from mobile_vla.simulator.instructions import OTHER_OBJECTS, PARAPHRASES, Phrase, instruction
from mobile_vla.simulator.world import Side

OTHER: dict[str, Side] = {"left": "right", "right": "left"}
SIDES: dict[str, Side] = {"left": "left", "right": "right"}
STANDING = 0.05
"""Share of full speed below which an action does not move sideways."""
Predict = Callable[[RecordedEpisode, str], np.ndarray]
"""An episode and a text to executed actions (T, A), m/s (rad/s)."""
Test = Literal["swapped", "blank", "paraphrased", "other_object"]


@dataclass(frozen=True, slots=True)
class ProbedPolicy:
    """A policy (or its blind or deaf variant) and the episodes to probe it on.

    Only episodes that go left or right are used; `predict` may cache its results.
    """

    series: str
    predict: Predict
    episodes: Sequence[RecordedEpisode]
    full_speed: Speed

    def ask(self, test: Test, text: str, phrase_for: Callable[[str], str], side: int) -> Hearing:
        """Run one probe; `phrase_for` gives the text for an episode's direction.

        `side`: +1 if the text names the recorded side, -1 the other side, 0 none.
        """
        rows = []
        for episode in self.episodes:
            try:
                now = self.predict(episode, phrase_for(episode.direction))
            except UserError as error:
                return Hearing(series=self.series, test=test, text=text, refused=str(error))
            rows.append(self._row(self.predict(episode, episode.instruction), now, episode))
        change, turns, mirrored = (np.array(column) for column in zip(*rows, strict=True))
        pointed = turns[np.isfinite(turns)]
        recorded = float(np.mean(pointed > 0)) if len(pointed) else None
        other = float(np.mean(pointed < 0)) if len(pointed) else None
        frames = mirrored[np.isfinite(mirrored)]
        return Hearing(
            series=self.series,
            test=test,
            text=text,
            change=float(change.mean()),
            turns=recorded,
            follows=recorded if side > 0 else other if side < 0 else None,
            mirrored=float(frames.mean()) if test == "swapped" and len(frames) else None,
            n=len(rows),
        )

    def _row(
        self, before: np.ndarray, now: np.ndarray, episode: RecordedEpisode
    ) -> tuple[float, float, float]:
        side = sideways(now, episode.actions, self.full_speed)
        speeds = np.broadcast_to(self.full_speed, before.shape[1:])
        moving = np.abs(before[:, 1]) > STANDING * speeds[1]
        turned = before * np.array([1, -1, *[1] * (before.shape[1] - 2)])
        same = (np.abs(turned - now)[:, :2] < 1e-3 * speeds[:2]).all(1)
        return (
            float(np.linalg.norm(before - now, axis=1).mean()),
            np.nan if side is None else side,
            float(same[moving].mean()) if moving.any() else np.nan,
        )


def turning_episodes(episodes: Sequence[RecordedEpisode]) -> list[RecordedEpisode]:
    """The episodes that go left or right; a `UserError` where there is none."""
    turning = [episode for episode in episodes if episode.direction in OTHER]
    if not turning:
        raise UserError("No evaluation episode goes left or right: swapping cannot be measured.")
    return turning


def swap_instruction(probed: ProbedPolicy) -> Hearing:
    """The task's sentence with the other side."""
    return probed.ask("swapped", instruction_template(), lambda side: instruction(OTHER[side]), -1)


def instruction_probes_of(probed: ProbedPolicy) -> list[Hearing]:
    """Swapped, blank, paraphrased and other objects, in this order."""
    probes = [swap_instruction(probed), probed.ask("blank", "", lambda side: "", 0)]
    for test, phrases in (("paraphrased", PARAPHRASES), ("other_object", OTHER_OBJECTS)):
        probes += [_phrased(probed, test, phrase) for phrase in phrases]  # type: ignore[arg-type]
    return probes


def as_swap(hearing: Hearing) -> Swap:
    """The swapped probe as the short record `Swap`."""
    return Swap(change=hearing.change or 0.0, follows=hearing.follows or 0.0, n=hearing.n)


def instruction_template() -> str:
    """The task's sentence with a place for the side."""
    return instruction("left").replace("left", "{side}")


def _phrased(probed: ProbedPolicy, test: Test, phrase: Phrase) -> Hearing:
    import msgspec

    probe = probed.ask(test, phrase.text, lambda side: phrase.for_side(SIDES[side]), 1)
    return msgspec.structs.replace(probe, language=phrase.language)
