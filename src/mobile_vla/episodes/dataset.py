"""A folder of episode files and the manifest that pins them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode import STEP_SECONDS, Episode
from mobile_vla.episodes.episode_summary import Seen
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import read_episode
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, Split, read_manifest
from mobile_vla.episodes.near_duplicates import near_groups
from mobile_vla.episodes.scan_folder import fitting, look_at_folder
from mobile_vla.episodes.splits import Arrival, place
from mobile_vla.messages.errors import UserError


@dataclass(frozen=True, slots=True)
class Dataset:
    """A manifest and the folder in which its files stand."""

    manifest: Manifest
    folder: Path

    def path(self, episode: ManifestEpisode) -> Path:
        """Where an episode's file stands."""
        return self.folder / episode.source

    def read(self, episode_id: str) -> Episode:
        """Decode one episode of the manifest.

        Raises:
            UserError: no such id, or an `EpisodeError` of its file.
        """
        for episode in self.manifest.episodes:
            if episode.id == episode_id:
                return replace(read_episode(self.path(episode)), id=episode.id)
        name = self.manifest.name
        raise UserError(f"Data set {name} has no episode {episode_id}: see its manifest.")


def load_dataset(folder: Path) -> Dataset:
    """The data set in `folder`, by its `manifest.json`.

    Raises:
        UserError: no manifest there, or not a sound one.
    """
    return Dataset(manifest=read_manifest(folder), folder=folder)


def build_manifest(
    folder: Path, *, name: str, seed: int, split: bool = True
) -> tuple[Manifest, list[Finding]]:
    """Read every episode file of `folder` in order of name and pin what is sound; see `pin`.

    Raises:
        UserError: the folder is missing or holds no episode file.
    """
    seen, findings = look_at_folder(folder)
    manifest, doubts = pin(seen, name=name, seed=seed, split=split)
    return manifest, findings + doubts


def pin(
    seen: Iterable[Seen],
    *,
    name: str,
    seed: int,
    split: bool = True,
    previous: Manifest | None = None,
) -> tuple[Manifest, list[Finding]]:
    """The manifest of what was seen, and what had to be left out.

    With `split` the episodes are divided into train and val by `seed`; without, all are "eval".
    Episodes of `previous` come first, in its order, and keep their splits. What could not be read,
    whose witnesses disagree on its direction, or whose content is there already is left out and
    told as a finding.
    """
    kept, findings = fitting(_in_order(seen, previous))
    chosen, doubts = _sound(kept)
    splits: list[Split] = ["eval"] * len(chosen)
    if split:
        splits = _splits(chosen, seed, previous)
    rows = [_row(one, side) for one, side in zip(chosen, splits, strict=True)]
    step = chosen[0].step if chosen else STEP_SECONDS
    return Manifest.of(name, step, rows), findings + doubts


def _in_order(seen: Iterable[Seen], previous: Manifest | None) -> list[Seen]:
    """Those of the previous manifest first, as it has them, then the others as they came."""
    order = {e.id: place for place, e in enumerate(previous.episodes)} if previous else {}
    return sorted(seen, key=lambda one: order.get(one.id, len(order)))


def _sound(seen: list[Seen]) -> tuple[list[Seen], list[Finding]]:
    """Those whose witnesses agree, each content once."""
    first: dict[str, Seen] = {}
    findings = []
    for one in seen:
        if one.told.agreed is None:
            findings.append(doubted(one))
        elif one.hash in first:
            what = f"has the same content as {first[one.hash].id}"
            findings.append(Finding(one.source, what, "duplicate"))
        else:
            first[one.hash] = one
    return list(first.values()), findings


def doubted(one: Seen) -> Finding:
    """What its witnesses say, where they disagree on the direction."""
    said = ", ".join(f"{witness} says {word}" for witness, word in one.told.told_by.items())
    return Finding(one.source, f"its direction is in doubt: {said}", "direction")


def _splits(seen: list[Seen], seed: int, previous: Manifest | None) -> list[Split]:
    kept: dict[str, Split] = {}
    for row in previous.episodes if previous else ():
        if row.split != "eval":
            kept[row.id] = kept[row.hash] = row.split
    groups = near_groups([one.thumbs for one in seen])
    arrivals = [
        Arrival(
            direction=agreed(one),
            group=group,
            scene=one.parts.scene if one.parts else None,
            kept=kept.get(one.id) or kept.get(one.hash),
        )
        for one, group in zip(seen, groups, strict=True)
    ]
    return place(arrivals, seed)


def agreed(one: Seen) -> Direction:
    """The direction of an episode whose witnesses agree."""
    direction = one.told.agreed
    if direction is None:
        raise ValueError(f"{one.id}: its witnesses disagree")
    return direction


def _row(one: Seen, split: Split) -> ManifestEpisode:
    return ManifestEpisode(
        id=one.id,
        hash=one.hash,
        direction=agreed(one),
        told_by=list(one.told.told_by),
        frames=len(one.actions),
        split=split,
        source=one.source,
    )
