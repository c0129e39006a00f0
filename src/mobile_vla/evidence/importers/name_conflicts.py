"""What a run is called and configured as, checked against what it read, trained and wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mobile_vla.evidence.model import EpisodesRead, Foreign, RunView
from mobile_vla.messages.reason import Reason, reason

DIRECTIONS = ("left", "right", "straight")


def claimed_directions(name: str) -> set[str]:
    """Directions that a name states.

    >>> sorted(claimed_directions("kosmos2_leftright_1")), claimed_directions("a_right_only")
    (['left', 'right'], {'right'})
    """
    words = re.split(r"[_\W\d]+", name.lower())
    joined = {"".join(pair) for pair in (("left", "right"), ("right", "left"))}
    stated = {way for way in DIRECTIONS if any(word in (way, f"{way}only") for word in words)}
    return stated | ({"left", "right"} if joined & set(words) else set())


def own_conflicts(name: str, foreign: Foreign) -> list[Reason]:
    """Contradictions within one run."""
    return [
        *_frozen(foreign),
        *_samples(foreign),
        *_glob(name, foreign.train),
        *_root(name, foreign),
    ]


def against_others(runs: Sequence[RunView]) -> list[RunView]:
    """Each run, with a conflict where one of other directions read as many of the same episodes."""
    return [_against(run, runs) for run in runs]


def _against(run: RunView, runs: Sequence[RunView]) -> RunView:
    directions, episodes = claimed_directions(run.case), _episodes(run)
    if not directions or episodes is None:
        return run
    for other in runs:
        others = claimed_directions(other.case)
        if other.case == run.case or _episodes(other) != episodes or others in (directions, set()):
            continue
        conflict = reason(
            "import.same_episodes", directions=[*sorted(directions)], train=episodes[0],
            validation=episodes[1], other=other.case, others=[*sorted(others)],
        )  # fmt: skip
        return msgspec.structs.replace(run, conflicts=[*run.conflicts, conflict])
    return run


def _episodes(run: RunView) -> tuple[int, int, str | None, str | None] | None:
    foreign = run.foreign
    if foreign is None or foreign.train is None or foreign.validation is None:
        return None
    train = foreign.train
    return train.episodes, foreign.validation.episodes, train.folder, train.pattern


def _frozen(foreign: Foreign) -> list[Reason]:
    if not (foreign.frozen and foreign.trained_parameters):
        return []
    millions = f"{foreign.trained_parameters / 1e6:.1f}"
    rank = foreign.settings.get("train_setup.lora_r")
    enabled = foreign.settings.get("train_setup.lora_enable")
    if rank and enabled and enabled.value == "True":
        return [reason("import.frozen_trains_lora", millions=millions, rank=rank.value)]
    return [reason("import.frozen_trains", millions=millions)]


def _samples(foreign: Foreign) -> list[Reason]:
    train, samples = foreign.train, foreign.samples_per_epoch
    if train is None or samples is None or samples == train.episodes:
        return []
    return [
        reason("import.samples_differ", steps=foreign.steps_per_epoch or 0, batch=train.batch or 0,
               samples=samples, episodes=train.episodes)
    ]  # fmt: skip


def _glob(name: str, train: EpisodesRead | None) -> list[Reason]:
    directions = claimed_directions(name)
    if train is None or train.pattern is None or len(directions) != 1:
        return []
    (direction,) = directions
    if direction in train.pattern.lower():
        return []
    return [
        reason("import.glob_selects_none", direction=direction, glob=train.pattern,
               episodes=train.episodes)
    ]  # fmt: skip


def _root(name: str, foreign: Foreign) -> list[Reason]:
    root = foreign.settings.get("output_root")
    if root is None or root.value.rstrip("/").rpartition("/")[2] in (name, ""):
        return []
    if not root.value.startswith("runs/"):
        return []
    return [reason("import.output_root", root=root.value)]
