"""Train and validation: stratified, exact, near-duplicates together, stable as episodes arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, Split
from mobile_vla.messages.errors import UserError

BLOCK = 5
"""Of every five episodes of a stratum, in order of arrival, exactly one validates.

A scene is a stratum of its own where it has as many of a direction.
"""


@dataclass(frozen=True, slots=True)
class SplitCandidate:
    """One episode to assign. `group` is the index of its first near-duplicate (or its own).

    `previous` is the split it already has; such an episode is never moved.
    """

    direction: Direction
    group: int
    scene: str | None = None
    previous: Split | None = None


def assign_splits(candidates: Sequence[SplitCandidate], seed: int) -> list[Split]:
    """The split of each candidate, in order of arrival.

    A split depends only on the seed, the stratum and the position in it, so appending episodes
    moves none, and the first 5n of a stratum are always 4n train, n val. Near-duplicates follow
    the first of them and take no position. Previous splits stay; a new near-duplicate of an
    assigned episode joins its split.
    """
    splits: dict[int, Split] = {}
    for index, candidate in enumerate(candidates):
        if candidate.previous is not None:
            splits[index] = candidate.previous
            splits.setdefault(candidate.group, candidate.previous)
    for stratum, leaders in _strata(candidates).items():
        for start in range(0, len(leaders), BLOCK):
            block = leaders[start : start + BLOCK]
            position = _val_position(seed, stratum, start // BLOCK)
            _assign_block(block, position, splits)
    return [splits[i] if i in splits else splits[a.group] for i, a in enumerate(candidates)]


def _assign_block(block: Sequence[int], position: int, splits: dict[int, Split]) -> None:
    """Assign the free episodes: one of five validates, the one at `position` where it is free."""
    free = [index for index in block if index not in splits]
    validating = None
    if not any(splits.get(index) == "val" for index in block) and position < len(block) and free:
        validating = block[position] if block[position] in free else free[0]
    for index in free:
        splits[index] = "val" if index == validating else "train"


def _strata(candidates: Sequence[SplitCandidate]) -> dict[str, list[int]]:
    """The first of each near-duplicate group, by direction, and by scene where that has enough."""
    leaders = [index for index, candidate in enumerate(candidates) if candidate.group == index]
    counts = Counter((candidates[i].direction, candidates[i].scene) for i in leaders)
    scenes = Counter(direction for direction, _ in counts)
    strata: dict[str, list[int]] = {}
    for index in leaders:
        direction, scene = candidates[index].direction, candidates[index].scene
        alone = scenes[direction] > 1 and scene and counts[direction, scene] >= BLOCK
        strata.setdefault(f"{direction}/{scene}" if alone else direction, []).append(index)
    return strata


def _val_position(seed: int, stratum: str, block: int) -> int:
    from blake3 import blake3

    digest = blake3(f"{seed}/{stratum}/{block}".encode()).digest(8)
    return int.from_bytes(digest, "little") % BLOCK


def select(manifest: Manifest, counts: Mapping[Direction, int]) -> Manifest:
    """The first `counts` episodes of each direction, in order, splits kept.

    Directions that `counts` lacks give none.

    Raises:
        UserError: the data set has fewer of a direction; the message says how many.
    """
    have = manifest.counts()
    for direction, count in counts.items():
        if have.get(direction, 0) < count:
            raise UserError(
                f"{count} {direction} episodes are asked for but data set {manifest.name} has "
                f"{have.get(direction, 0)}: record or simulate more, or ask for fewer."
            )
    left = dict(counts)
    chosen: list[ManifestEpisode] = []
    for episode in manifest.episodes:
        if left.get(episode.direction, 0) > 0:
            left[episode.direction] -= 1
            chosen.append(episode)
    return Manifest.of(manifest.name, manifest.step, chosen)
