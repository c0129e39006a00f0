"""The checks of a data set: each a function from episode summaries to findings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mobile_vla.episodes.dataset import uncertain_direction
from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode_summary import EpisodeSummary
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.manifest import Manifest, Split
from mobile_vla.episodes.near_duplicates import near_pairs
from mobile_vla.messages.reason import reason

MIN_FOR_SHARE = 5
"""Episodes of a direction from which shares of them are worth a finding."""
SAME_NOTED, SAME_SPOILS, REPEATS_NOTED = 0.2, 0.5, 0.3
BALANCED = 0.5
"""Episodes of the rarest direction over those of the commonest, from which they are balanced."""
TOLERANCE = 1e-3
"""m/s or rad/s by which an action may pass a limit."""
EXCESS_NOTED, EXCESS_SPOILS = 0.05, 0.25
"""Shares of a limit by which an action may pass it: measured velocities scatter."""
FRAMES_BEYOND = 0.1
"""Share of an episode's frames beyond training's range from which that range is too narrow."""
Limits = tuple[float, float, float]
"""Full speeds ahead, sideways (m/s) and turning (rad/s)."""
Splits = Mapping[str, Split]


def check_episodes(episodes: Sequence[EpisodeSummary]) -> list[Finding]:
    """Faults of single episodes: pictures, instruction, direction."""
    directions = set(by_direction(episodes))
    findings = []
    for episode in episodes:
        name = episode.source
        if episode.dark:
            why = reason("episode.dark", frames=list(episode.dark))
            findings.append(Finding(name, why, "dark_frames", frames=episode.dark))
        if episode.frozen:
            why = reason("episode.frozen", frames=list(episode.frozen))
            spoils = len(episode.frozen) > 1
            findings.append(Finding(name, why, "frozen_frames", spoils, episode.frozen))
        if not episode.instruction.strip():
            why = reason("episode.no_instruction")
            findings.append(Finding(name, why, "no_instruction", len(directions) > 1))
        if episode.evidence.agreed is None:
            findings.append(uncertain_direction(episode))
    return findings


def check_duplicates(episodes: Sequence[EpisodeSummary]) -> list[Finding]:
    """Contents that occur twice."""
    by_hash: dict[str, EpisodeSummary] = {}
    findings = []
    for episode in episodes:
        twin = by_hash.setdefault(episode.hash, episode)
        if twin is not episode:
            why = reason("episode.duplicate", other=twin.source)
            findings.append(Finding(episode.source, why, "duplicate"))
    return findings


def check_near_duplicates(episodes: Sequence[EpisodeSummary], splits: Splits) -> list[Finding]:
    """Nearly the same pictures in two splits; `check_duplicates` reports equal contents."""
    findings = []
    for i, j, difference in near_pairs([episode.thumbs for episode in episodes]):
        first, second = episodes[i], episodes[j]
        sides = (splits.get(first.id), splits.get(second.id))
        if None in sides or sides[0] == sides[1] or first.hash == second.hash:
            continue
        why = reason(
            "episode.near_duplicate",
            split=str(sides[1]), other=first.source, other_split=str(sides[0]),
            difference=round(difference, 1),
        )  # fmt: skip
        findings.append(Finding(second.source, why, "near_duplicate"))
    return findings


def check_repeats(episodes: Sequence[EpisodeSummary]) -> list[Finding]:
    """Directions in which many episodes show almost the same pictures as another.

    Such episodes share a split, so few are left to measure on.
    """
    findings = []
    for direction, members in by_direction(episodes).items():
        near = near_pairs([episode.thumbs for episode in members])
        pairs = [(members[i], members[j]) for i, j, _ in near if members[i].hash != members[j].hash]
        repeated = {episode.id for pair in pairs for episode in pair}
        share = len(repeated) / len(members)
        if len(members) >= MIN_FOR_SHARE and share >= REPEATS_NOTED:
            why = reason(
                "episode.many_near_duplicates",
                count=len(repeated), total=len(members), direction=direction, share=share,
                example=pairs[0][0].source, other=pairs[0][1].source,
            )  # fmt: skip
            findings.append(Finding("", why, "near_duplicate", spoils=False))
    return findings


def check_same_actions(episodes: Sequence[EpisodeSummary]) -> list[Finding]:
    """Directions in which most episodes share one action sequence."""
    findings = []
    for direction, members in by_direction(episodes).items():
        sequences = Counter(episode.sequence for episode in members)
        sequence, count = sequences.most_common(1)[0]
        share = count / len(members)
        if len(members) < MIN_FOR_SHARE or count < 2 or share < SAME_NOTED:
            continue
        example = next(e.source for e in members if e.sequence == sequence)
        why = reason(
            "episode.same_actions",
            count=count, total=len(members), direction=direction, share=share, example=example,
        )  # fmt: skip
        findings.append(Finding("", why, "same_actions", share >= SAME_SPOILS))
    return findings


def check_balance(episodes: Sequence[EpisodeSummary]) -> list[Finding]:
    """Far fewer left than right episodes, or the reverse."""
    counts = {direction: len(members) for direction, members in by_direction(episodes).items()}
    left, right = counts.get("left", 0), counts.get("right", 0)
    if not counts or min(left, right) >= BALANCED * max(left, right):
        return []
    why = reason("episode.unbalanced", left=left, right=right)
    return [Finding("", why, "balance", spoils=False)]


def check_range(
    episodes: Sequence[EpisodeSummary], splits: Splits, full_speed: float | Limits | None
) -> list[Finding]:
    """Actions over full speed (m/s, rad/s), or of val beyond the magnitudes that train spans.

    Up to 5 % over a limit is no finding, up to 25 % over full speed a note. Beyond training's
    range, it takes a tenth of an episode's frames: one frame a little above the maximum is no
    finding, and a few far above it are a note. An episode has one such finding, a spoiling one
    first.
    """
    training = [e.actions for e in episodes if splits.get(e.id) == "train"]
    reach = np.max([np.abs(a).max(axis=0) for a in training], axis=0) if training else None
    findings = []
    for episode in episodes:
        over = _over_full_speed(episode, full_speed) if full_speed else None
        beyond = _beyond_training(episode, reach) if splits.get(episode.id) == "val" else None
        candidates = [finding for finding in (over, beyond) if finding]
        findings += sorted(candidates, key=lambda finding: not finding.spoils)[:1]
    return findings


def _over_full_speed(episode: EpisodeSummary, full_speed: float | Limits) -> Finding | None:
    magnitudes = np.abs(episode.actions)
    limits = np.broadcast_to(full_speed, 3)[: magnitudes.shape[1]]
    frames = _exceeding(magnitudes, limits, EXCESS_NOTED)
    if not frames:
        return None
    column = int((magnitudes / limits).max(axis=0).argmax())
    why = reason(
        "episode.over_full_speed",
        speed=float(magnitudes[:, column].max()), full_speed=float(limits[column]),
        frames=list(frames),
    )  # fmt: skip
    spoils = bool(_exceeding(magnitudes, limits, EXCESS_SPOILS))
    return Finding(episode.source, why, "range", spoils, frames)


def _beyond_training(episode: EpisodeSummary, reach: np.ndarray | None) -> Finding | None:
    if reach is None:
        return None
    frames = _exceeding(np.abs(episode.actions), reach, EXCESS_NOTED)
    far = _exceeding(np.abs(episode.actions), reach, EXCESS_SPOILS)
    if not far and len(frames) < FRAMES_BEYOND * len(episode.actions):
        return None
    share = len(frames) / len(episode.actions)
    why = reason("episode.beyond_training", frames=list(frames), share=share)
    spoils = len(far) >= FRAMES_BEYOND * len(episode.actions)
    return Finding(episode.source, why, "range", spoils, frames)


def _exceeding(magnitudes: np.ndarray, limit: float | np.ndarray, share: float) -> tuple[int, ...]:
    """Frames of (T,) or (T, columns) magnitudes that pass the limit by more than `share` of it."""
    over = (magnitudes > limit * (1 + share) + TOLERANCE).reshape(len(magnitudes), -1)
    return tuple(map(int, np.flatnonzero(over.any(axis=1))))


def check_splits(episodes: Sequence[EpisodeSummary], splits: Splits) -> list[Finding]:
    """Splits that hold one direction only, where the set holds more."""
    held: dict[Split, set[Direction]] = defaultdict(set)
    for direction, members in by_direction(episodes).items():
        for episode in members:
            if episode.id in splits:
                held[splits[episode.id]].add(direction)
    directions = sorted(set().union(*held.values())) if held else []
    findings = []
    for split, present in sorted(held.items()):
        if len(present) == 1 < len(directions):
            why = reason(
                "episode.one_sided_split",
                split=split, direction=next(iter(present)), directions=[*directions],
            )  # fmt: skip
            findings.append(Finding("", why, "one_sided_split"))
    return findings


def check_manifest(
    episodes: Sequence[EpisodeSummary], unread: Iterable[Finding], manifest: Manifest
) -> list[Finding]:
    """Files that differ from the manifest, are missing, or came later."""
    files = {episode.source: episode for episode in episodes}
    reported = {finding.episode for finding in unread}
    findings = []
    for row in manifest.episodes:
        episode = files.pop(row.source, None)
        if episode is None and row.source not in reported:
            why = reason("episode.manifest_file_missing")
            findings.append(Finding(row.source, why, "manifest"))
        elif episode is not None and episode.hash != row.hash:
            findings.append(Finding(row.source, reason("episode.changed_content"), "manifest"))
    for source in files:
        why = reason("episode.not_in_manifest")
        findings.append(Finding(source, why, "manifest", spoils=False))
    return findings


def by_direction(episodes: Iterable[EpisodeSummary]) -> dict[Direction, list[EpisodeSummary]]:
    """Episodes of certain direction, by that direction."""
    members: dict[Direction, list[EpisodeSummary]] = {}
    for episode in episodes:
        if episode.evidence.agreed:
            members.setdefault(episode.evidence.agreed, []).append(episode)
    return members
