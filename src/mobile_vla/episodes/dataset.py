"""A folder of episode files and the manifest that pins them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode import STEP_SECONDS, Episode
from mobile_vla.episodes.episode_summary import EpisodeSummary
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.hdf5 import read_episode
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, Split, read_manifest
from mobile_vla.episodes.near_duplicates import near_groups
from mobile_vla.episodes.scan_folder import consistent_episodes, summarize_folder
from mobile_vla.episodes.splits import SplitCandidate, assign_splits
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason


@dataclass(frozen=True, slots=True)
class Dataset:
    """A manifest and the folder that holds its files."""

    manifest: Manifest
    folder: Path

    def path(self, episode: ManifestEpisode) -> Path:
        """An episode's file."""
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
        UserError: no manifest, or not a valid one.
    """
    return Dataset(manifest=read_manifest(folder), folder=folder)


def build_manifest(
    folder: Path, *, name: str, seed: int, split: bool = True
) -> tuple[Manifest, list[Finding]]:
    """Read every episode file of `folder` in order of name and pin the usable ones; see `pin`.

    Raises:
        UserError: the folder is missing or holds no episode file.
    """
    episodes, findings = summarize_folder(folder)
    manifest, rejected = pin(episodes, name=name, seed=seed, split=split)
    return manifest, findings + rejected


def pin(
    episodes: Iterable[EpisodeSummary],
    *,
    name: str,
    seed: int,
    split: bool = True,
    previous: Manifest | None = None,
) -> tuple[Manifest, list[Finding]]:
    """The manifest of `episodes`, and a finding for each one that it leaves out.

    With `split` the episodes are divided into train and val by `seed`; without, all are "eval".
    Episodes of `previous` come first, in its order, and keep their splits. Episodes of another
    step, of uncertain direction, or with content that an earlier one has are left out.
    """
    consistent, findings = consistent_episodes(_in_order(episodes, previous))
    chosen, rejected = _usable(consistent)
    splits: list[Split] = ["eval"] * len(chosen)
    if split:
        splits = _splits(chosen, seed, previous)
    rows = [_row(episode, side) for episode, side in zip(chosen, splits, strict=True)]
    step = chosen[0].step if chosen else STEP_SECONDS
    return Manifest.of(name, step, rows), findings + rejected


def _in_order(
    episodes: Iterable[EpisodeSummary], previous: Manifest | None
) -> list[EpisodeSummary]:
    """Episodes of the previous manifest in its order, then the others as they came."""
    order = {e.id: place for place, e in enumerate(previous.episodes)} if previous else {}
    return sorted(episodes, key=lambda episode: order.get(episode.id, len(order)))


def _usable(episodes: list[EpisodeSummary]) -> tuple[list[EpisodeSummary], list[Finding]]:
    """Episodes of certain direction, each content once."""
    by_hash: dict[str, EpisodeSummary] = {}
    findings = []
    for episode in episodes:
        if episode.evidence.agreed is None:
            findings.append(uncertain_direction(episode))
        elif episode.hash in by_hash:
            why = reason("episode.duplicate", other=by_hash[episode.hash].id)
            findings.append(Finding(episode.source, why, "duplicate"))
        else:
            by_hash[episode.hash] = episode
    return list(by_hash.values()), findings


def uncertain_direction(episode: EpisodeSummary) -> Finding:
    """The finding for an episode whose instruction, file name and motion disagree."""
    return Finding(episode.source, episode.evidence.conflict, "direction")


def _splits(episodes: list[EpisodeSummary], seed: int, previous: Manifest | None) -> list[Split]:
    assigned: dict[str, Split] = {}
    for row in previous.episodes if previous else ():
        if row.split != "eval":
            assigned[row.id] = assigned[row.hash] = row.split
    groups = near_groups([episode.thumbs for episode in episodes])
    candidates = [
        SplitCandidate(
            direction=agreed_direction(episode),
            group=group,
            scene=episode.parts.scene if episode.parts else None,
            previous=assigned.get(episode.id) or assigned.get(episode.hash),
        )
        for episode, group in zip(episodes, groups, strict=True)
    ]
    return assign_splits(candidates, seed)


def agreed_direction(episode: EpisodeSummary) -> Direction:
    """The direction of an episode whose evidence agrees.

    Raises:
        ValueError: it disagrees.
    """
    direction = episode.evidence.agreed
    if direction is None:
        raise ValueError(f"{episode.id}: the evidence of its direction disagrees")
    return direction


def _row(episode: EpisodeSummary, split: Split) -> ManifestEpisode:
    return ManifestEpisode(
        id=episode.id,
        hash=episode.hash,
        direction=agreed_direction(episode),
        told_by=list(episode.evidence.by_source),
        frames=len(episode.actions),
        split=split,
        source=episode.source,
    )
