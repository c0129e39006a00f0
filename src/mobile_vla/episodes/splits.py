"""Train and validation: stratified by direction, exact, and unmoved by episodes that come later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, Split
from mobile_vla.episodes.words import Direction
from mobile_vla.record.errors import UserError

BLOCK = 5
"""Of every five episodes of a direction, in order of arrival, exactly one validates."""


def assign_splits(directions: Sequence[Direction], seed: int) -> list[Split]:
    """The split of each episode, given their directions in order of arrival.

    An episode's split depends on its seed, direction and place among that direction alone, so
    appending episodes moves none, and the first 5n of a direction are always 4n train, n val.
    """
    seen: dict[Direction, int] = {}
    splits: list[Split] = []
    for direction in directions:
        place = seen.get(direction, 0)
        seen[direction] = place + 1
        block, position = divmod(place, BLOCK)
        splits.append("val" if position == _val_position(seed, direction, block) else "train")
    return splits


def _val_position(seed: int, direction: Direction, block: int) -> int:
    from blake3 import blake3

    digest = blake3(f"{seed}/{direction}/{block}".encode()).digest(8)
    return int.from_bytes(digest, "little") % BLOCK


def select(manifest: Manifest, counts: Mapping[Direction, int]) -> Manifest:
    """The first `counts` episodes of each direction, in order, splits kept.

    A direction that is not named gives none.

    Raises:
        UserError: the data set has fewer of a direction; the message says how many.
    """
    have = manifest.counts()
    for direction, wanted in counts.items():
        if have.get(direction, 0) < wanted:
            raise UserError(
                f"{wanted} {direction} episodes are asked for but data set {manifest.name} has "
                f"{have.get(direction, 0)}: record or simulate more, or ask for fewer."
            )
    left = dict(counts)
    chosen: list[ManifestEpisode] = []
    for episode in manifest.episodes:
        if left.get(episode.direction, 0) > 0:
            left[episode.direction] -= 1
            chosen.append(episode)
    return Manifest.of(manifest.name, manifest.step, chosen)
