"""Batches of each optimiser step; the next step's are loaded while this one is computed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobile_vla.training.rank_group import ALONE, RankGroup

if TYPE_CHECKING:
    from mobile_vla.episodes.manifest import ManifestEpisode
    from mobile_vla.training.data import Batch, EpisodeTensors


@dataclass(frozen=True, slots=True)
class StepBatches:
    """One optimiser step's episodes, and this rank's share of them as batches.

    `waited`: seconds that the loop waited.
    """

    episodes: Sequence[ManifestEpisode]
    batches: list[Batch]
    waited: float


def prefetch(
    tensors: EpisodeTensors,
    groups: Sequence[Sequence[ManifestEpisode]],
    size: int,
    epoch: int,
    world: RankGroup = ALONE,
) -> Iterator[StepBatches]:
    """Each group in turn, in batches of `size` episodes, as `epoch` shows them.

    A thread loads one group ahead. If vision trains, nothing is loaded ahead: latents need the
    weights of the previous step. Loading draws no random numbers, so both give the same results.
    """
    if not tensors.stored:
        for group in groups:
            start = time.monotonic()
            batches = _batches(tensors, world.share(group), size, epoch)
            yield StepBatches(group, batches, time.monotonic() - start)
        return
    shares = [world.share(group) for group in groups]
    with ThreadPoolExecutor(1, "batches") as pool:
        coming = [pool.submit(_batches, tensors, share, size, epoch) for share in shares[:1]]
        for number, group in enumerate(groups):
            start = time.monotonic()
            batches = coming.pop().result()
            coming += [
                pool.submit(_batches, tensors, share, size, epoch)
                for share in shares[number + 1 :][:1]
            ]
            yield StepBatches(group, batches, time.monotonic() - start)


def _batches(
    tensors: EpisodeTensors, episodes: Sequence[ManifestEpisode], size: int, epoch: int
) -> list[Batch]:
    """Episodes with texts of a length go together, so that little is padded.

    Within a step their order changes no sum, and equal lengths keep the order they had.
    """
    by_text = sorted(episodes, key=tensors.text_length)
    starts = range(0, len(by_text), size)
    return [tensors.batch(by_text[start : start + size], epoch) for start in starts]
