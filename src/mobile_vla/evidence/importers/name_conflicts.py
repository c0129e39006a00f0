"""What a foreign run calls itself, held against what it read, trained and wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mobile_vla.evidence.model import EpisodesRead, Foreign, RunView
from mobile_vla.messages.reason import Reason, reason

WAYS = ("left", "right", "straight")


def claimed_directions(name: str) -> set[str]:
    """Directions that a name states: "…_leftright_…", "…_right_only_…"."""
    words = re.split(r"[_\W\d]+", name.lower())
    joined = {"".join(pair) for pair in (("left", "right"), ("right", "left"))}
    found = {way for way in WAYS if any(word in (way, f"{way}only") for word in words)}
    return found | ({"left", "right"} if joined & set(words) else set())


def own_conflicts(name: str, foreign: Foreign) -> list[str]:
    """Contradictions within one run."""
    return [
        *_frozen(foreign),
        *_samples(foreign),
        *_glob(name, foreign.train),
        *_root(name, foreign),
    ]


def against_others(runs: Sequence[RunView]) -> list[RunView]:
    """Each run, told where another of other directions read the very same number of episodes."""
    return [_against(run, runs) for run in runs]


def _against(run: RunView, runs: Sequence[RunView]) -> RunView:
    mine, read = claimed_directions(run.case), _read(run)
    if not mine or read is None:
        return run
    told = [
        f"its name says {' and '.join(sorted(mine))}, but it read {read[0]} + {read[1]} episodes "
        f"from the same folder by the same glob as {other.case}, which says "
        f"{' and '.join(sorted(claimed_directions(other.case)))}"
        for other in runs
        if other.case != run.case and _read(other) == read
        and claimed_directions(other.case) not in (mine, set())
    ]  # fmt: skip
    return (
        msgspec.structs.replace(run, conflicts=[*run.conflicts, *map(_note, told[:1])])
        if told
        else run
    )


def _note(text: str) -> Reason:
    return reason("run.foreign_note", text=text)


def _read(run: RunView) -> tuple[int, int, str | None, str | None] | None:
    found = run.foreign
    if found is None or found.train is None or found.validation is None:
        return None
    train = found.train
    return train.episodes, found.validation.episodes, train.folder, train.pattern


def _frozen(foreign: Foreign) -> list[str]:
    if not (foreign.frozen and foreign.trained_parameters):
        return []
    lora = foreign.settings.get("train_setup.lora_r")
    enabled = foreign.settings.get("train_setup.lora_enable")
    rank = f" (LoRA, r = {lora.value})" if lora and enabled and enabled.value == "True" else ""
    return [
        f"its configuration calls the VLM frozen, yet {foreign.trained_parameters / 1e6:.1f} M "
        f"parameters train{rank}; in which parts, the log does not say"
    ]


def _samples(foreign: Foreign) -> list[str]:
    train, samples = foreign.train, foreign.samples_per_epoch
    if train is None or samples is None or samples == train.episodes:
        return []
    return [
        f"{foreign.steps_per_epoch} steps an epoch × batch {train.batch} are {samples} samples, "
        f"but its data set says {train.episodes} episodes"
    ]


def _glob(name: str, train: EpisodesRead | None) -> list[str]:
    ways = claimed_directions(name)
    if train is None or train.pattern is None or len(ways) != 1:
        return []
    (way,) = ways
    if way in train.pattern.lower():
        return []
    return [
        f"its name says {way} only, but its glob {train.pattern} selects no direction: "
        f"the {train.episodes} training episodes are all that match"
    ]


def _root(name: str, foreign: Foreign) -> list[str]:
    root = foreign.settings.get("output_root")
    if root is None or root.value.rstrip("/").rpartition("/")[2] in (name, ""):
        return []
    if not root.value.startswith("runs/"):
        return []
    return [f"its output_root {root.value} names another run"]
