"""A folder of episode files and the manifest that pins them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mobile_vla.episodes.direction import tell_direction
from mobile_vla.episodes.hdf5 import EpisodeError, read_episode
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, read_manifest
from mobile_vla.episodes.schema import STEP_SECONDS, Episode
from mobile_vla.episodes.splits import assign_splits
from mobile_vla.record.errors import UserError

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one episode, which was therefore left out."""

    episode: str
    what: str


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
                return read_episode(self.path(episode))
        name = self.manifest.name
        raise UserError(f"Data set {name} has no episode {episode_id}: see its manifest.")


def load_dataset(folder: Path) -> Dataset:
    """The data set in `folder`, by its `manifest.json`.

    Raises:
        UserError: no manifest there, or not a sound one.
    """
    return Dataset(manifest=read_manifest(folder), folder=folder)


def build_manifest(
    folder: Path,
    *,
    name: str,
    seed: int,
    pattern: str = "*.h5",
    split: bool = True,
    progress: Progress | None = None,
) -> tuple[Manifest, list[Finding]]:
    """Read every episode file of `folder` in order of name and pin what is sound.

    With `split` the episodes are divided into train and val by `seed`; without, all are "eval".
    A file that cannot be read, whose witnesses disagree on its direction, or whose content is
    there already is left out and told as a finding.

    Raises:
        UserError: the folder is missing or holds no file of that pattern.
    """
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(
            f"{folder} holds no episode ({pattern}): check the path, or make some with "
            "`mvla episodes simulate`."
        )
    rows, findings = _read_rows(folder, paths, progress)
    if split:
        splits = assign_splits([row.direction for row in rows], seed)
        rows = [msgspec.structs.replace(row, split=s) for row, s in zip(rows, splits, strict=True)]
    return Manifest.of(name, STEP_SECONDS, rows), findings


def _read_rows(
    folder: Path, paths: list[Path], progress: Progress | None
) -> tuple[list[ManifestEpisode], list[Finding]]:
    rows: list[ManifestEpisode] = []
    findings: list[Finding] = []
    first_with: dict[str, str] = {}
    for done, path in enumerate(paths, start=1):
        row = _read_row(folder, path)
        if isinstance(row, ManifestEpisode) and row.hash in first_with:
            row = Finding(path.name, f"has the same content as {first_with[row.hash]}")
        if isinstance(row, Finding):
            findings.append(row)
        else:
            first_with[row.hash] = row.id
            rows.append(row)
        if progress:
            progress(done, len(paths))
    return rows, findings


def _read_row(folder: Path, path: Path) -> ManifestEpisode | Finding:
    try:
        episode = read_episode(path)
    except EpisodeError as error:
        return Finding(path.name, str(error))
    evidence = tell_direction(episode)
    if evidence.agreed is None:
        said = ", ".join(f"{witness} says {word}" for witness, word in evidence.told_by.items())
        return Finding(path.name, f"its direction is in doubt: {said}")
    return ManifestEpisode(
        id=episode.id,
        hash=episode.content_hash(),
        direction=evidence.agreed,
        told_by=list(evidence.told_by),
        frames=len(episode),
        split="eval",
        source=path.relative_to(folder).as_posix(),
    )
