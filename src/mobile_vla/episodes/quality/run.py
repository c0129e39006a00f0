"""`mvla episodes check`: read a whole data set and report what would spoil training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode_summary import EpisodeSummary
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import CHECKS, Finding, FindingRow, finding_row
from mobile_vla.episodes.manifest import MANIFEST_FILE, Manifest, read_manifest
from mobile_vla.episodes.quality import checks
from mobile_vla.episodes.scan_folder import Progress, consistent_episodes, summarize_folder
from mobile_vla.messages.catalogue import term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason


class SequenceCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one direction: episodes, distinct action sequences, episodes of the commonest one."""

    episodes: int
    distinct: int
    commonest: int


class CheckReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON answer. `spoils`: at least one finding would spoil training.

    `episodes` were read, `unread` could not be; `manifest` is the data set's identity, if pinned.
    """

    folder: str
    manifest: str | None
    episodes: int
    unread: int
    frames: int
    seconds: float
    directions: dict[Direction, int]
    scenes: dict[str, int]
    dates: dict[str, int]
    splits: dict[str, dict[str, int]]
    sequences: dict[Direction, SequenceCounts]
    spoils: bool
    findings: list[FindingRow]


@dataclass(frozen=True, slots=True)
class CheckedFolder:
    """The report, and the findings and episode summaries behind it."""

    report: CheckReport
    findings: list[Finding]
    episodes: list[EpisodeSummary]


def check_folder(
    folder: Path,
    *,
    naming: Naming = LAB_NAMES,
    full_speed: float | checks.Limits | None = None,
    strips: bool = False,
    follow_external: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> CheckedFolder:
    """Check every episode of `folder` and the set as a whole, against its manifest if it has one.

    `full_speed` in m/s (rad/s), of all axes or of each; `strips` adds small pictures for the
    contact sheet.

    Raises:
        UserError: the folder is missing or holds no episode.
    """
    episodes, unread = summarize_folder(
        folder, naming=naming, strips=strips, follow_external=follow_external,
        jobs=jobs, progress=progress,
    )  # fmt: skip
    manifest, damage = _manifest(folder)
    findings = [*unread, *damage, *check_summaries(episodes, unread, manifest, full_speed)]
    report = _report(folder, episodes, len(unread), manifest, findings)
    return CheckedFolder(report, findings, episodes)


def check_summaries(
    episodes: Sequence[EpisodeSummary],
    unread: Sequence[Finding],
    manifest: Manifest | None,
    full_speed: float | checks.Limits | None,
) -> list[Finding]:
    """The findings of every check; checks of splits need a manifest."""
    consistent, findings = consistent_episodes(episodes)
    findings += checks.check_episodes(consistent)
    findings += checks.check_duplicates(consistent)
    findings += checks.check_repeats(consistent)
    findings += checks.check_same_actions(consistent)
    findings += checks.check_balance(consistent)
    splits: checks.Splits = {}
    if manifest is not None:
        splits = {row.id: row.split for row in manifest.episodes}
        findings += checks.check_manifest(episodes, unread, manifest)
        findings += checks.check_near_duplicates(consistent, splits)
        findings += checks.check_splits(consistent, splits)
    findings += checks.check_range(consistent, splits, full_speed)
    return findings


def summary(report: CheckReport) -> list[tuple[str, int, int, str]]:
    """Rows (check, findings, of them spoiling, meaning) of the checks with findings."""
    counts = Counter(finding.check for finding in report.findings)
    spoiling = Counter(finding.check for finding in report.findings if finding.spoils)
    names = [name for name in CHECKS if name in counts]
    return [(name, counts[name], spoiling[name], term("check", name, "en")) for name in names]


def _manifest(folder: Path) -> tuple[Manifest | None, list[Finding]]:
    if not (folder / MANIFEST_FILE).exists():
        return None, []
    try:
        return read_manifest(folder), []
    except UserError as error:
        why = reason("episode.manifest_unreadable", error=str(error).rstrip("."))
        return None, [Finding(MANIFEST_FILE, why, "manifest")]


def _report(
    folder: Path,
    episodes: Sequence[EpisodeSummary],
    unread: int,
    manifest: Manifest | None,
    findings: list[Finding],
) -> CheckReport:
    directions = sorted(checks.by_direction(episodes).items())
    return CheckReport(
        folder=str(folder),
        manifest=manifest.hash if manifest else None,
        episodes=len(episodes),
        unread=unread,
        frames=sum(len(episode.actions) for episode in episodes),
        seconds=round(sum(len(episode.actions) * episode.step for episode in episodes), 3),
        directions={direction: len(members) for direction, members in directions},
        scenes=_count([episode.parts.scene if episode.parts else None for episode in episodes]),
        dates=_count([episode.parts.date if episode.parts else None for episode in episodes]),
        splits=_split_counts(manifest),
        sequences={direction: _sequences(members) for direction, members in directions},
        spoils=any(finding.spoils for finding in findings),
        findings=[finding_row(finding) for finding in findings],
    )


def _count(values: Sequence[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))


def _split_counts(manifest: Manifest | None) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in manifest.episodes if manifest else ():
        counts.setdefault(row.split, Counter())[row.direction] += 1
    return {split: dict(sorted(sides.items())) for split, sides in sorted(counts.items())}


def _sequences(episodes: Sequence[EpisodeSummary]) -> SequenceCounts:
    counts = Counter(episode.sequence for episode in episodes)
    return SequenceCounts(
        episodes=len(episodes), distinct=len(counts), commonest=counts.most_common(1)[0][1]
    )
