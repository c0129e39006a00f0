"""A trained case on the shared evaluation set, with baselines and the instruction swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frame_store import open_frames
from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
from mobile_vla.evaluation.baselines import (
    Baseline,
    mean_action,
    nearest_neighbour,
    replay_by_step,
    replay_by_step_and_instruction,
)
from mobile_vla.evaluation.instruction_probes import (
    ProbedPolicy,
    as_swap,
    instruction_probes_of,
    swap_instruction,
    turning_episodes,
)
from mobile_vla.evaluation.leakage import near_copies
from mobile_vla.evaluation.metrics import Prediction, Speed, score
from mobile_vla.evaluation.predictions import CachedPredictions, RecordedEpisode, mean_latents
from mobile_vla.evaluation.training_coverage import spans, training_split
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.normalisation import ACTION_NAMES, select_columns
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import hash_file, write_json
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.results import EpisodeSet, Hearing, Offline, Scored
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.case_file import read_case
from mobile_vla.study.models import ResolvedCase
from mobile_vla.training.build_policy import load_trained_policy
from mobile_vla.training.feature_store import Features
from mobile_vla.training.run_checkpoints import POLICY


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run's checkpoint in memory. `results`: the folder that its evaluation is written to."""

    run: RunFolder
    case: ResolvedCase
    policy: Policy
    checkpoint: str
    blake3: str
    results: Path


def load_run(run: RunFolder, checkpoint: str = "best") -> LoadedRun:
    """A checkpoint of a run: `best`, `latest` or a folder's name such as `step-000200`.

    What is measured of the best lies in the run's `evaluation/`, of another in a folder of its
    name there. A `UserError` where the run has no such checkpoint, or it does not load.
    """
    if not run.best.exists():
        raise UserError(f"{run.path} has no checkpoint to evaluate: train its case first.")
    folder = run.checkpoints / checkpoint
    if not folder.is_dir():
        available = ", ".join(
            sorted(path.name for path in run.checkpoints.iterdir() if path.is_dir())
        )
        raise UserError(f"{run.path} has no checkpoint {checkpoint}: it has {available}.")
    folder = folder.resolve()
    best = folder == run.best.resolve()
    case = read_case(run.case_yaml)
    file = folder / POLICY
    return LoadedRun(
        run=run,
        case=case,
        policy=load_trained_policy(case, file),
        checkpoint=str(file.relative_to(run.path.resolve())),
        blake3=hash_file(file),
        results=run.evaluation if best else run.evaluation / folder.name,
    )


def evaluate_offline(trained: LoadedRun, workspace: Workspace) -> Offline:
    """Metrics, baselines and instruction tests of a run's checkpoint, in `offline.json`.

    Episodes that the run trained on, or chose its checkpoint by, are cut from the set and counted.
    """
    manifest = read_manifest(trained.run.manifest)
    clean, leaked, near = _clean_set(trained, workspace, manifest)
    recorded = _recorded(trained, clean, trained.case.evaluation_data, workspace)
    training = _recorded(trained, manifest, trained.case.train_data, workspace, only="train")
    result = measure(trained, recorded, training, _episode_set(clean, leaked, near))
    write_manifest(trained.results / trained.run.evaluation_manifest.name, clean)
    write_json(trained.results / trained.run.offline.name, result)
    return result


def measure(
    trained: LoadedRun,
    recorded: Sequence[RecordedEpisode],
    training: Sequence[RecordedEpisode],
    episode_set: EpisodeSet,
) -> Offline:
    """All offline measurements of a policy on `recorded`, baselines from `training` alone."""
    policy, speed = trained.policy, key_speeds(trained)
    window, names = trained.case.recipe.window, policy.statistics.names
    seeing = CachedPredictions(policy, window)
    blind = CachedPredictions(policy, window, mean_latents(training))

    def predictions(act: Baseline) -> list[Prediction]:
        return [Prediction(e.hash, e.direction, act(e), e.actions) for e in recorded]

    def scored(name: str, act: Baseline) -> Scored:
        return score(name, predictions(act), names, speed)

    baselines: dict[str, Baseline] = {
        "mean_action": mean_action(training),
        "replay_by_step": replay_by_step(training),
        "replay_by_step_and_instruction": replay_by_step_and_instruction(training),
        "nearest_neighbour": nearest_neighbour(training),
        "blind": blind,
        "deaf": lambda episode: seeing(episode, ""),
    }
    hearing = _probe_instructions(seeing, blind, recorded, speed)
    return Offline(
        time=datetime.now(UTC),
        checkpoint=trained.checkpoint,
        checkpoint_blake3=trained.blake3,
        set=episode_set,
        policy=scored("policy", seeing),
        baselines=[scored(name, act) for name, act in baselines.items()],
        swap=as_swap(hearing[0]),
        hearing=hearing,
        spans=spans(predictions(seeing), names, policy.statistics.scale),
        training=training_split(training, speed),
    )


def key_speeds(trained: LoadedRun) -> Speed:
    """The full speeds that keys are measured by.

    A differential drive's turns are measured by the largest of training, which is natural driving
    more often than it is full speed.
    """
    robot = trained.case.robot
    if not robot.turns_to_steer:
        return robot.full_speed
    return np.array([robot.full_speed, trained.policy.statistics.scale[1]])


def _probe_instructions(
    seeing: CachedPredictions,
    blind: CachedPredictions,
    recorded: Sequence[RecordedEpisode],
    speed: Speed,
) -> list[Hearing]:
    """All tests of the policy, and the swap of one that cannot see and one that cannot hear."""
    turning = turning_episodes(recorded)

    def deaf(episode: RecordedEpisode, text: str) -> np.ndarray:
        return seeing(episode, "")

    return [
        *instruction_probes_of(ProbedPolicy("policy", seeing, turning, speed)),
        swap_instruction(ProbedPolicy("blind", blind, turning, speed)),
        swap_instruction(ProbedPolicy("deaf", deaf, turning, speed)),
    ]


def _clean_set(
    trained: LoadedRun, workspace: Workspace, training: Manifest
) -> tuple[Manifest, list[str], list[str]]:
    """The episodes that the run has not seen, hashes of those it has, and hashes of near copies."""
    case = trained.case
    manifest = load_dataset(workspace.data(case.evaluation_data)).manifest
    trained_hashes = {episode.hash for episode in training.episodes}
    leaked = [episode.hash for episode in manifest.episodes if episode.hash in trained_hashes]
    clean = [episode for episode in manifest.episodes if episode.hash not in trained_hashes]
    if not manifest.episodes:
        raise UserError(
            f"The evaluation set {case.evaluation_data} is empty: simulate or import it."
        )
    if abs(manifest.step - case.robot.step) > 1e-6:
        raise UserError(
            f"{case.evaluation_data} has steps of {manifest.step} s but {case.case} was trained "
            f"for steps of {case.robot.step} s: evaluate it on episodes of its own robot."
        )
    data = (case.evaluation_data, case.train_data)
    near = near_copies(clean, training, data, workspace, trained.policy.backbone.image_size)
    leaked += near
    clean = [episode for episode in clean if episode.hash not in near]
    if not clean:
        raise UserError(
            f"All {len(leaked)} episodes of {case.evaluation_data} were trained on by "
            f"{case.case}: make an evaluation set of other episodes."
        )
    return Manifest.of(manifest.name, manifest.step, clean), leaked, near


def _recorded(
    trained: LoadedRun, manifest: Manifest, data: str, workspace: Workspace, only: str | None = None
) -> list[RecordedEpisode]:
    """A manifest's episodes with their latents.

    Raises:
        UserError: an episode was recorded with fewer action dimensions than the policy predicts.
    """
    policy, folder = trained.policy, workspace.data(data)
    everything = load_dataset(folder).manifest
    frames = open_frames(everything, folder, policy.backbone.image_size, workspace.cache)
    features = Features(policy, frames, workspace.cache)
    names = policy.statistics.names
    needed = max(map(ACTION_NAMES.index, names)) + 1
    for episode in manifest.episodes:
        width = frames.actions(episode.id).shape[1]
        if width < needed:
            raise UserError(
                f"{episode.id} of {data} was recorded with {width} action dimensions but "
                f"{trained.case.case} predicts {', '.join(names)}: evaluate it on episodes of "
                "its own robot."
            )
    return [
        RecordedEpisode(
            id=episode.id,
            hash=episode.hash,
            direction=episode.direction,
            instruction=frames.instruction(episode.id),
            actions=select_columns(frames.actions(episode.id), names),
            latents=features.of(episode.id, episode.hash).detach(),
        )
        for episode in manifest.episodes
        if only in (None, episode.split)
    ]


def _episode_set(clean: Manifest, leaked: list[str], near: list[str]) -> EpisodeSet:
    counts = clean.counts()
    return EpisodeSet(
        name=clean.name,
        hash=clean.hash,
        episodes=[episode.hash for episode in clean.episodes],
        left=counts.get("left", 0),
        right=counts.get("right", 0),
        leaked=leaked,
        near=near,
    )
