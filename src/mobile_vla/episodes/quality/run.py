"""`mvla episodes check`: look at a data set whole and say what would spoil training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode_summary import Seen
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import MEANING, Check, Finding
from mobile_vla.episodes.manifest import MANIFEST_FILE, Manifest, read_manifest
from mobile_vla.episodes.quality import checks
from mobile_vla.episodes.scan_folder import Progress, fitting, look_at_folder
from mobile_vla.messages.errors import UserError


class Sequences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one direction: episodes, different action sequences, episodes of the commonest one."""

    episodes: int
    distinct: int
    commonest: int


class CheckReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer for programs. `spoils`: at least one finding would spoil training.

    `episodes` were read, `unread` could not be; `manifest` is the pinned identity, if there is one.
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
    sequences: dict[Direction, Sequences]
    spoils: bool
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Checked:
    """The report and what it rests on."""

    report: CheckReport
    seen: list[Seen]


def check_folder(
    folder: Path,
    *,
    naming: Naming = LAB_NAMES,
    full_speed: float | None = None,
    strips: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Checked:
    """Check every episode of `folder` and the set as a whole, against its manifest if it has one.

    `full_speed` in m/s (rad/s); `strips` keeps small pictures for the page.

    Raises:
        UserError: the folder is missing or holds no episode.
    """
    seen, unread = look_at_folder(
        folder, naming=naming, strips=strips, jobs=jobs, progress=progress
    )
    manifest, damage = _manifest(folder)
    findings = [*unread, *damage, *check_seen(seen, unread, manifest, full_speed)]
    return Checked(_report(folder, seen, len(unread), manifest, findings), seen)


def check_seen(
    seen: Sequence[Seen],
    unread: Sequence[Finding],
    manifest: Manifest | None,
    full_speed: float | None,
) -> list[Finding]:
    """Every check, those of splits where a manifest says what the splits are."""
    kept, findings = fitting(seen)
    findings += checks.check_episodes(kept)
    findings += checks.check_duplicates(kept)
    findings += checks.check_repeats(kept)
    findings += checks.check_same_actions(kept)
    findings += checks.check_balance(kept)
    splits: checks.Splits = {}
    if manifest is not None:
        splits = {row.id: row.split for row in manifest.episodes}
        findings += checks.check_manifest(seen, unread, manifest)
        findings += checks.check_near_duplicates(kept, splits)
        findings += checks.check_splits(kept, splits)
    findings += checks.check_range(kept, splits, full_speed)
    return findings


def summary(report: CheckReport) -> list[tuple[str, int, int, str]]:
    """Rows (check, findings, of them spoiling, meaning) of the checks that found something."""
    found = Counter(finding.check for finding in report.findings)
    spoiling = Counter(finding.check for finding in report.findings if finding.spoils)
    names: list[Check] = [name for name in MEANING if name in found]
    return [(name, found[name], spoiling[name], MEANING[name]) for name in names]


def _manifest(folder: Path) -> tuple[Manifest | None, list[Finding]]:
    if not (folder / MANIFEST_FILE).exists():
        return None, []
    try:
        return read_manifest(folder), []
    except UserError as error:
        return None, [Finding(MANIFEST_FILE, str(error), "manifest")]


def _report(
    folder: Path,
    seen: Sequence[Seen],
    unread: int,
    manifest: Manifest | None,
    findings: list[Finding],
) -> CheckReport:
    directions = checks.by_direction(seen)
    return CheckReport(
        folder=str(folder),
        manifest=manifest.hash if manifest else None,
        episodes=len(seen),
        unread=unread,
        frames=sum(len(one.actions) for one in seen),
        seconds=round(sum(len(one.actions) * one.step for one in seen), 3),
        directions={direction: len(ones) for direction, ones in sorted(directions.items())},
        scenes=_count([one.parts.scene if one.parts else None for one in seen]),
        dates=_count([one.parts.date if one.parts else None for one in seen]),
        splits=_split_counts(manifest),
        sequences={direction: _sequences(ones) for direction, ones in sorted(directions.items())},
        spoils=any(finding.spoils for finding in findings),
        findings=findings,
    )


def _count(values: Sequence[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value).items()))


def _split_counts(manifest: Manifest | None) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in manifest.episodes if manifest else ():
        counts.setdefault(row.split, Counter())[row.direction] += 1
    return {split: dict(sorted(found.items())) for split, found in sorted(counts.items())}


def _sequences(ones: Sequence[Seen]) -> Sequences:
    counts = Counter(one.sequence for one in ones)
    return Sequences(
        episodes=len(ones), distinct=len(counts), commonest=counts.most_common(1)[0][1]
    )
