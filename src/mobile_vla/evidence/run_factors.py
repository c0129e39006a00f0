"""The factors of one run, each from evidence. What evidence does not tell is not there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import msgspec

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.evidence.flatten import NONE, flat, value_text
from mobile_vla.evidence.model import Evidence, Known
from mobile_vla.evidence.read_run import Facts
from mobile_vla.evidence.timeline import Timeline
from mobile_vla.runs.load_report import LoadedSource
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.study.case_file import LATER_KEYS
from mobile_vla.study.models import Counts, ResolvedCase

SETTING = "setting."
"""Before the keys of another program's configuration that are no factor of ours."""
DERIVED = frozenset(
    {
        "episodes_left",
        "episodes_right",
        "episodes_straight",
        "training_episodes",
        "validation_set",
        "weights_as_loaded",
        "epochs",
        "optimiser_steps",
        "evaluation_set",
        "evaluation_scenes",
    }
)
"""Factors that follow from others; they confound where they move beyond what a question implies."""

EPISODES = frozenset(
    {
        "episodes_left",
        "episodes_right",
        "episodes_straight",
        "training_episodes",
        "validation_set",
    }
)
IMPLIED: dict[str, frozenset[str]] = {
    "direction_balance": EPISODES,
    "data_amount": EPISODES | {"epochs"},
    "vlm": frozenset({"weights_as_loaded"}),
    "initial_weights": frozenset({"weights_as_loaded"}),
    "seed": frozenset({"weights_as_loaded"}),
    "recipe.frozen_dtype": frozenset({"weights_as_loaded"}),
    "recipe.batch": frozenset({"epochs"}),
    "recipe.accumulate": frozenset({"epochs"}),
    "optimiser_steps": frozenset({"epochs"}),
}
"""What necessarily moves with a factor.

Epochs follow from the amount and the batch at equal steps, and they set the optimiser steps.
"""

FactorRows = Iterator[tuple[str, str, Evidence]]
TRAIN_SHARE = 0.8
"""Of the stratified split: one episode of every five validates."""


def read_factors(facts: Facts, line: Timeline) -> dict[str, Known]:
    """Every factor that the run's files tell, by name, with where it was read."""
    factors = [*_of_case(facts), *_of_weights(facts), *_of_code(facts), *_of_events(facts, line)]
    factors += [*_of_manifest(facts), *_of_evaluation(facts)]
    return {
        name: Known(value=value, evidence=evidence, derived=name in DERIVED)
        for name, value, evidence in factors
    }


def planned_factors(case: ResolvedCase) -> dict[str, str]:
    """What a case varies as its study plans it: data, weights, recipe, forecast steps."""
    train = planned_train(case.data)
    factors = dict(_recipe(case))
    factors |= {
        "vlm": case.vlm.name,
        "initial_weights": case.init.name if case.init else NONE,
        "data_amount": str(train.total),
        "direction_balance": balance(train),
        "optimiser_steps": str(planned_steps(case)),
        "seed": str(case.recipe.seed),
        "robot": _robot(case),
        "topology": topology(case),
        "profile": case.profile,
    }
    return factors


def planned_train(data: Counts) -> Counts:
    """Training episodes by direction of a case with so many episodes in all."""
    return Counts(
        left=round(data.left * TRAIN_SHARE),
        right=round(data.right * TRAIN_SHARE),
        straight=round(data.straight * TRAIN_SHARE),
    )


def planned_steps(case: ResolvedCase) -> int:
    """Optimiser steps of a whole run."""
    recipe = case.recipe
    batches = math.ceil(planned_train(case.data).total / recipe.batch)
    return math.ceil(batches / recipe.accumulate) * recipe.epochs


def balance(counts: Counts) -> str:
    """Shares by direction: "left", or "50 % left, 50 % right"."""
    shares = counts.by_direction()
    if len(shares) < 2:
        return next(iter(shares), NONE)
    return ", ".join(f"{100 * n / counts.total:.4g} % {name}" for name, n in shares.items())


def split_counts(manifest: Manifest, split: str) -> Counts:
    """Episodes of one split by direction."""
    return _counts([e for e in manifest.episodes if e.split == split])


def _counts(episodes: list[ManifestEpisode]) -> Counts:
    ways = [episode.direction for episode in episodes]
    return Counts(
        left=ways.count("left"), right=ways.count("right"), straight=ways.count("straight")
    )


def _of_case(facts: Facts) -> FactorRows:
    case, file = facts.case, "case.yaml"
    if case is None:
        return
    recipe = _recipe(case) | {"seed": str(case.recipe.seed)}
    for name, value in recipe.items():
        place = name if name.startswith("recipe.") else f"recipe.{name}"
        later = place.removeprefix("recipe.") in LATER_KEYS
        if later or place in facts.case_keys:  # another key that the file has not is unknown
            yield name, value, facts.at(file, f"key {place}")
    yield "robot", _robot(case), facts.at(file, "key robot")
    yield "profile", case.profile, facts.at(file, "key profile")
    yield "topology", topology(case), facts.at(file, "keys devices, nodes")
    yield "note", case.note or NONE, facts.at(file, "key note")


def _recipe(case: ResolvedCase) -> dict[str, str]:
    factors = {f"recipe.{key}": value_text(v) for key, v in flat(msgspec.to_builtins(case.recipe))}
    factors["epochs"] = factors.pop("recipe.epochs")
    del factors["recipe.seed"]
    return factors


def _robot(case: ResolvedCase) -> str:
    robot = case.robot
    dimensions = ", ".join(robot.action[: case.recipe.action_dim])
    return f"{dimensions}; {robot.step:g} s a step; full speed {robot.full_speed:g}"


def topology(case: ResolvedCase) -> str:
    """How many processes train together: "1" or "2 × 4" (nodes by devices)."""
    return f"{case.nodes} × {case.devices}" if case.nodes > 1 else str(case.devices)


def _of_weights(facts: Facts) -> FactorRows:
    report, file = facts.load_report, "load_report.json"
    if report is None:
        return
    vlm = _source(report.sources, "vlm")
    if vlm is not None:
        name = facts.case.vlm.name if facts.case else vlm.path
        yield "vlm", f"{name} {vlm.sha256[:12]}", facts.at(file, "key sources, role vlm")
    init = _source(report.sources, "init")
    planned = facts.case.init if facts.case else None
    if init is not None:
        value = f"{planned.name if planned else init.path} {init.sha256[:12]}"
        yield "initial_weights", value, facts.at(file, "key sources, role init")
    elif planned is None and vlm is not None:
        yield "initial_weights", NONE, facts.at(file, "key sources")
    yield "weights_as_loaded", report.tensors_hash[:12], facts.at(file, "key tensors_hash")


def _source(sources: tuple[LoadedSource, ...], role: str) -> LoadedSource | None:
    return next((source for source in sources if source.role == role), None)


def _of_code(facts: Facts) -> FactorRows:
    environment, file = facts.environment, "environment.json"
    if environment is None:
        return
    code = f"{environment.version}, sources {environment.making_blake3[:12]}"
    yield "code", code, facts.at(file, "key making_blake3")
    packages = ", ".join(
        f"{name} {version}" for name, version in sorted(environment.packages.items())
    )
    yield "packages", packages, facts.at(file, "key packages")
    yield "device", environment.device, facts.at(file, "key device")


def _of_events(facts: Facts, line: Timeline) -> FactorRows:
    file = "events.jsonl"
    if line.steps is not None and line.last is not None:
        yield "optimiser_steps", str(line.steps), facts.at(file, f"line {line.last[0]}")
    if line.starts:
        number, start = line.starts[-1]
        yield "host", start.process.host, facts.at(file, f"line {number}")
    wall = line.wall_seconds()
    if wall is not None:
        yield "wall_time", f"{wall:.0f} s", facts.at(file, "first and last line")


def _of_manifest(facts: Facts) -> FactorRows:
    manifest, file = facts.manifest, "manifest.json"
    if manifest is None:
        return
    where = facts.at(file, "key episodes")
    train = [episode for episode in manifest.episodes if episode.split == "train"]
    counts = _counts(train)
    yield "data_amount", str(counts.total), where
    yield "direction_balance", balance(counts), where
    yield "episodes_left", str(counts.left), where
    yield "episodes_right", str(counts.right), where
    if counts.straight:
        yield "episodes_straight", str(counts.straight), where
    yield "training_episodes", _set_hash(episode.hash for episode in train), where
    held = (episode.hash for episode in manifest.episodes if episode.split == "val")
    yield "validation_set", _set_hash(held), where


def _set_hash(hashes: Iterable[str]) -> str:
    """blake3 over sorted content hashes: equal only where the very same episodes are meant."""
    from blake3 import blake3

    return blake3("\n".join(sorted(hashes)).encode()).hexdigest()[:12]


def _of_evaluation(facts: Facts) -> FactorRows:
    """The set before each run's own leaks were cut from it: cutting them makes no other set."""
    if isinstance(facts.offline, Offline):
        where = facts.at("evaluation/offline.json", "key set")
        episodes = {*facts.offline.set.episodes, *facts.offline.set.leaked}
        yield "evaluation_set", _set_hash(episodes), where
    if isinstance(facts.rollouts, Rollouts):
        drives = sorted(f"{drive.scene} {drive.direction}" for drive in facts.rollouts.rollouts)
        name = f"{facts.rollouts.simulator}, {facts.rollouts.max_steps} steps, "
        scenes = name + _set_hash(drives)
        yield "evaluation_scenes", scenes, facts.at("evaluation/rollouts.json", "key rollouts")
