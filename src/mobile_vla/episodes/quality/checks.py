"""The checks of a whole data set: each a function from what was seen to what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mobile_vla.episodes.dataset import doubted
from mobile_vla.episodes.direction_type import Direction
from mobile_vla.episodes.episode_summary import Seen
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.manifest import Manifest, Split
from mobile_vla.episodes.near_duplicates import near_pairs

SMALLEST_SHARE = 5
"""Episodes of a direction from which its commonest action sequence has a share worth telling."""
SAME_NOTED, SAME_SPOILS, REPEATS_NOTED = 0.2, 0.5, 0.3
BALANCED = 0.5
"""Episodes of the rarest direction over those of the commonest, from which they are balanced."""
TOLERANCE = 1e-3
"""m/s or rad/s by which an action may pass the range before it is told."""
Splits = Mapping[str, Split]


def check_episodes(seen: Sequence[Seen]) -> list[Finding]:
    """What is wrong with episodes by themselves: pictures, instruction, direction."""
    directions = {one.told.agreed for one in seen if one.told.agreed}
    findings = []
    for one in seen:
        if one.dark:
            what = f"shows nothing (dark or of one colour) in {_frames(one.dark)}"
            findings.append(Finding(one.source, what, "dark_frames", frames=one.dark))
        if one.frozen:
            what = f"drives but repeats the picture before in {_frames(one.frozen)}"
            spoils = len(one.frozen) > 1
            findings.append(Finding(one.source, what, "frozen_frames", spoils, one.frozen))
        if not one.instruction.strip():
            what = "has no instruction"
            findings.append(Finding(one.source, what, "no_instruction", len(directions) > 1))
        if one.told.agreed is None:
            findings.append(doubted(one))
    return findings


def check_duplicates(seen: Sequence[Seen]) -> list[Finding]:
    """Contents that are there twice."""
    first: dict[str, Seen] = {}
    findings = []
    for one in seen:
        twin = first.setdefault(one.hash, one)
        if twin is not one:
            what = f"has the same content as {twin.source}"
            findings.append(Finding(one.source, what, "duplicate"))
    return findings


def check_near_duplicates(seen: Sequence[Seen], splits: Splits) -> list[Finding]:
    """Pictures nearly the same on both sides of the split; same contents are told elsewhere."""
    findings = []
    for i, j, difference in near_pairs([one.thumbs for one in seen]):
        one, other = seen[i], seen[j]
        sides = (splits.get(one.id), splits.get(other.id))
        if None in sides or sides[0] == sides[1] or one.hash == other.hash:
            continue
        what = (
            f"({sides[1]}) shows almost the same pictures as {one.source} ({sides[0]}): "
            f"they differ by {difference:.1f} of 255 grey levels"
        )
        findings.append(Finding(other.source, what, "near_duplicate"))
    return findings


def check_repeats(seen: Sequence[Seen]) -> list[Finding]:
    """Directions many of whose episodes show almost the same pictures as another of them.

    They stay on one side of the split, so few are left to measure on.
    """
    findings = []
    for direction, ones in by_direction(seen).items():
        near = near_pairs([one.thumbs for one in ones])
        pairs = [(ones[i], ones[j]) for i, j, _ in near if ones[i].hash != ones[j].hash]
        repeated = {one.id for pair in pairs for one in pair}
        share = len(repeated) / len(ones)
        if len(ones) >= SMALLEST_SHARE and share >= REPEATS_NOTED:
            what = (
                f"{len(repeated)} of {len(ones)} {direction} episodes ({share:.0%}) show almost "
                f"the same pictures as another, such as {pairs[0][0].source} and "
                f"{pairs[0][1].source}"
            )
            findings.append(Finding("", what, "near_duplicate", spoils=False))
    return findings


def check_same_actions(seen: Sequence[Seen]) -> list[Finding]:
    """Directions most of whose episodes are one and the same action sequence."""
    findings = []
    for direction, ones in by_direction(seen).items():
        sequences = Counter(one.sequence for one in ones)
        sequence, count = sequences.most_common(1)[0]
        share = count / len(ones)
        if len(ones) < SMALLEST_SHARE or count < 2 or share < SAME_NOTED:
            continue
        example = next(one.source for one in ones if one.sequence == sequence)
        what = (
            f"{count} of {len(ones)} {direction} episodes ({share:.0%}) are one and the same "
            f"action sequence, that of {example}: replaying it by step would score as well"
        )
        findings.append(Finding("", what, "same_actions", share >= SAME_SPOILS))
    return findings


def check_balance(seen: Sequence[Seen]) -> list[Finding]:
    """Directions of which there is far less than of another."""
    counts = {direction: len(ones) for direction, ones in by_direction(seen).items()}
    turning = {d: counts.get(d, 0) for d in ("left", "right") if counts}
    if not turning or min(turning.values()) >= BALANCED * max(turning.values()):
        return []
    said = ", ".join(f"{count} {direction}" for direction, count in turning.items())
    what = f"holds {said}: a policy may learn the commoner direction and not the instruction"
    return [Finding("", what, "balance", spoils=False)]


def check_range(seen: Sequence[Seen], splits: Splits, full_speed: float | None) -> list[Finding]:
    """Actions over full speed (m/s, rad/s), or of val beyond the magnitudes that train spans."""
    findings = []
    training = [one.actions for one in seen if splits.get(one.id) == "train"]
    reach = np.max([np.abs(a).max(axis=0) for a in training], axis=0) if training else None
    for one in seen:
        largest = np.abs(one.actions).max(axis=1)
        over = np.flatnonzero(largest > full_speed + TOLERANCE) if full_speed else ()
        if len(over):
            worst = largest.max()
            what = f"reaches {worst:.2f}, over full speed {full_speed}, in {_frames(over)}"
            findings.append(Finding(one.source, what, "range", frames=_numbers(over)))
        elif reach is not None and splits.get(one.id) == "val":
            beyond = np.flatnonzero((np.abs(one.actions) > reach + TOLERANCE).any(axis=1))
            if len(beyond):
                what = f"goes beyond what the training split spans in {_frames(beyond)}"
                findings.append(Finding(one.source, what, "range", frames=_numbers(beyond)))
    return findings


def check_splits(seen: Sequence[Seen], splits: Splits) -> list[Finding]:
    """Splits that hold one direction only, where the set holds more."""
    held: dict[Split, set[Direction]] = defaultdict(set)
    for direction, ones in by_direction(seen).items():
        for one in ones:
            if one.id in splits:
                held[splits[one.id]].add(direction)
    everything = set().union(*held.values()) if held else set()
    findings = []
    for split, directions in sorted(held.items()):
        if len(directions) == 1 < len(everything):
            what = (
                f"the split {split} holds {next(iter(directions))} episodes only, while the data "
                f"set holds {' and '.join(sorted(everything))}: it measures one direction"
            )
            findings.append(Finding("", what, "one_sided_split"))
    return findings


def check_manifest(
    seen: Sequence[Seen], unread: Iterable[Finding], manifest: Manifest
) -> list[Finding]:
    """Files that are not what the manifest pins, are missing, or came later."""
    files = {one.source: one for one in seen}
    told = {finding.episode for finding in unread}
    findings = []
    for row in manifest.episodes:
        one = files.pop(row.source, None)
        if one is None and row.source not in told:
            findings.append(Finding(row.source, "is in the manifest but not there", "manifest"))
        elif one is not None and one.hash != row.hash:
            what = "is no longer the content that the manifest pins"
            findings.append(Finding(row.source, what, "manifest"))
    for source in files:
        what = "is not in the manifest, so no case trains on it"
        findings.append(Finding(source, what, "manifest", spoils=False))
    return findings


def by_direction(seen: Iterable[Seen]) -> dict[Direction, list[Seen]]:
    """Episodes whose witnesses agree, by what they say."""
    found: dict[Direction, list[Seen]] = {}
    for one in seen:
        if one.told.agreed:
            found.setdefault(one.told.agreed, []).append(one)
    return found


def _numbers(frames: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(frame) for frame in frames)


def _frames(frames: Sequence[int] | np.ndarray) -> str:
    """Frames as ranges: "frames 3 to 5, 9"."""
    ranges: list[list[int]] = []
    for frame in _numbers(frames):
        if ranges and frame == ranges[-1][1] + 1:
            ranges[-1][1] = frame
        else:
            ranges.append([frame, frame])
    said = [str(a) if a == b else f"{a} to {b}" for a, b in ranges]
    return f"frame{'s' if len(list(frames)) > 1 else ''} {', '.join(said)}"
