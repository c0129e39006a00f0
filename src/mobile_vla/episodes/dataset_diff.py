"""`mvla episodes diff`: how two data sets differ, episode by episode."""

from __future__ import annotations

import msgspec

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode


class EpisodeChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One episode that is in both and differs in `before` and `after`."""

    id: str
    before: str
    after: str


class ManifestDifference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How B differs from A; all lists are empty where both are the same data set.

    `changed` holds ids whose content differs, `renamed` contents that have another id in B.
    """

    a: str
    b: str
    same: bool
    added: list[str]
    removed: list[str]
    changed: list[str]
    renamed: list[EpisodeChange]
    moved: list[EpisodeChange]
    redirected: list[EpisodeChange]


def diff_manifests(a: Manifest, b: Manifest) -> ManifestDifference:
    """The episodes added, removed, changed, renamed and moved between splits from `a` to `b`.

    >>> empty = Manifest.of("empty", 0.4, [])
    >>> diff_manifests(empty, empty).same
    True
    """
    before = {episode.id: episode for episode in a.episodes}
    after = {episode.id: episode for episode in b.episodes}
    gone = {e.hash: e for e in a.episodes if e.id not in after}
    renamed = [(gone[e.hash], e) for e in b.episodes if e.id not in before and e.hash in gone]
    old, new = {e.id for e, _ in renamed}, {e.id for _, e in renamed}
    pairs = [(before[e.id], e) for e in b.episodes if e.id in before] + renamed
    return ManifestDifference(
        a=a.hash,
        b=b.hash,
        same=a.hash == b.hash,
        added=[e.id for e in b.episodes if e.id not in before and e.id not in new],
        removed=[e.id for e in a.episodes if e.id not in after and e.id not in old],
        changed=[x.id for x, y in pairs if x.hash != y.hash],
        renamed=_changes([(x, y, x.id, y.id) for x, y in pairs]),
        moved=_changes([(x, y, x.split, y.split) for x, y in pairs]),
        redirected=_changes([(x, y, x.direction, y.direction) for x, y in pairs]),
    )


def describe(difference: ManifestDifference) -> list[str]:
    """The difference in lines, one an episode."""
    d = difference
    return [
        *(f"+ {episode}" for episode in d.added),
        *(f"- {episode}" for episode in d.removed),
        *(f"~ {episode}: its content changed" for episode in d.changed),
        *(f"~ {e.before}: now called {e.after}" for e in d.renamed),
        *(f"~ {e.id}: from {e.before} to {e.after}" for e in d.moved),
        *(f"~ {e.id}: its direction was {e.before}, now {e.after}" for e in d.redirected),
    ]


def _changes(pairs: list[tuple[ManifestEpisode, ManifestEpisode, str, str]]) -> list[EpisodeChange]:
    return [
        EpisodeChange(id=new.id, before=before, after=after)
        for _, new, before, after in pairs
        if before != after
    ]
