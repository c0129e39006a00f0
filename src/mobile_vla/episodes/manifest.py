"""The exact episodes of a data set: id, content hash, direction, split. Never a glob.

Light imports only: the evidence side reads manifests too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.contained_path import PathOutsideError, contained_path
from mobile_vla.runs.files import write_json
from mobile_vla.runs.outside_files import decode_json, read_regular

MANIFEST_FILE = "manifest.json"
VERSION = 1
MOST_BYTES = 512 << 20
Split = Literal["train", "val", "eval"]


class ManifestEpisode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One episode. `hash` is of its decoded content; `source` its file in the data set's folder."""

    id: str
    hash: str
    direction: Direction
    told_by: list[str]
    frames: int
    split: Split
    source: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The episodes of a data set in order of arrival. `step` in seconds; `hash` is its identity."""

    version: int = VERSION
    name: str
    step: float
    episodes: list[ManifestEpisode]
    hash: str

    @classmethod
    def of(cls, name: str, step: float, episodes: Iterable[ManifestEpisode]) -> Manifest:
        """A manifest of these episodes, its identity computed."""
        listed = list(episodes)
        return cls(name=name, step=step, episodes=listed, hash=identity(listed))

    def identity(self) -> str:
        """blake3 over the sorted (id, hash, direction, split): the identity of the data set."""
        return identity(self.episodes)

    def split(self, name: Split) -> list[ManifestEpisode]:
        """The episodes of one split, in order."""
        return [episode for episode in self.episodes if episode.split == name]

    def counts(self) -> dict[Direction, int]:
        """How many episodes each direction has; directions without any are left out."""
        counts: dict[Direction, int] = {}
        for episode in self.episodes:
            counts[episode.direction] = counts.get(episode.direction, 0) + 1
        return counts


def identity(episodes: Iterable[ManifestEpisode]) -> str:
    """blake3 over the sorted (id, hash, direction, split), 64 hex digits."""
    from blake3 import blake3

    rows = sorted((e.id, e.hash, e.direction, e.split) for e in episodes)
    return blake3(msgspec.json.encode(rows)).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Read a manifest, from its file or from the folder that holds `manifest.json`.

    Raises:
        UserError: no such file, not a manifest, or its episodes do not match its own hash.
    """
    file = path / MANIFEST_FILE if path.is_dir() else path
    try:
        return parse_manifest(file, read_regular(file, MOST_BYTES))
    except OSError as error:
        raise UserError(
            f"There is no manifest at {file} ({error.strerror}): make one with "
            "`mvla episodes simulate` or `mvla episodes import`."
        ) from error


def parse_manifest(file: Path, data: bytes) -> Manifest:
    """A manifest from the bytes of `file`.

    Raises:
        UserError: not a manifest, of another version, edited, or with files outside its folder.
    """
    try:
        manifest = decode_json(data, Manifest)
    except ValueError as error:
        raise UserError(
            f"{file} is not a manifest: {error}. Make it again from its episodes."
        ) from error
    if manifest.version != VERSION:
        raise UserError(f"{file} has version {manifest.version}, this program reads {VERSION}.")
    if manifest.hash != manifest.identity():
        raise UserError(
            f"The episodes listed in {file} do not match its own hash, so it was edited by hand: "
            "make it again from its episodes."
        )
    for episode in manifest.episodes:
        try:
            contained_path(file.parent, episode.source)
        except PathOutsideError as error:
            raise UserError(
                f"{file} names the file {episode.source!r}, which is outside its folder: "
                "make it again from its episodes."
            ) from error
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest to a file, or as `manifest.json` into a folder, whole or not at all."""
    write_json(path / MANIFEST_FILE if path.is_dir() else path, manifest)
