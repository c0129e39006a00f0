"""A trained case on the shared evaluation set, with baselines and the instruction swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frames import open_frames
from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
from mobile_vla.evaluation.baselines import (
    Baseline,
    blind,
    deaf,
    mean_action,
    replay_by_step,
    replay_by_step_and_instruction,
)
from mobile_vla.evaluation.metrics import Prediction, score, sideways
from mobile_vla.evaluation.predictions import Recorded, mean_latents, predict
from mobile_vla.policy.policy import Policy
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import hash_file, write_json
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.results import EpisodeSet, Offline, Scored, Swap
from mobile_vla.record.workspace import Workspace
from mobile_vla.simulator.instructions import instruction
from mobile_vla.simulator.world import Side
from mobile_vla.study.models import ResolvedCase
from mobile_vla.study.resolved import read_case
from mobile_vla.training.build import load_trained_policy
from mobile_vla.training.checkpoints import POLICY
from mobile_vla.training.features import Features

OTHER: dict[str, Side] = {"left": "right", "right": "left"}


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's best checkpoint, loaded."""

    run: RunFolder
    case: ResolvedCase
    policy: Policy
    checkpoint: str
    blake3: str


def load_run(run: RunFolder) -> Trained:
    """The best checkpoint of a run, or a `UserError` where it has none that loads."""
    if not run.best.exists():
        raise UserError(f"{run.path} has no checkpoint to evaluate: train its case first.")
    case = read_case(run.case_yaml)
    file = run.best.resolve() / POLICY
    return Trained(
        run=run,
        case=case,
        policy=load_trained_policy(case, file),
        checkpoint=str(file.relative_to(run.path.resolve())),
        blake3=hash_file(file),
    )


def evaluate_offline(trained: Trained, workspace: Workspace) -> Offline:
    """Metrics, baselines and swap of a run's best checkpoint; written to its `offline.json`.

    Episodes that the run trained on, or chose its checkpoint by, are cut from the set and counted.
    """
    case, policy = trained.case, trained.policy
    own = read_manifest(trained.run.manifest)
    clean, leaked = _clean_set(case, workspace, own)
    recorded = _recorded(trained, clean, case.evaluation_data, workspace)
    training = _recorded(trained, own, case.train_data, workspace, only="train")
    window, names = case.recipe.window, policy.statistics.names
    speed = case.robot.full_speed
    baselines: dict[str, Baseline] = {
        "mean_action": mean_action(training),
        "replay_by_step": replay_by_step(training),
        "replay_by_step_and_instruction": replay_by_step_and_instruction(training),
        "blind": blind(policy, window, mean_latents(training)),
        "deaf": deaf(policy, window),
    }

    def scored(name: str, act: Baseline) -> Scored:
        predictions = [
            Prediction(episode.hash, episode.direction, act(episode), episode.actions)
            for episode in recorded
        ]
        return score(name, predictions, names, speed)

    result = Offline(
        time=datetime.now(UTC),
        checkpoint=trained.checkpoint,
        checkpoint_blake3=trained.blake3,
        set=_episode_set(clean, leaked),
        policy=scored("policy", lambda episode: predict(policy, episode, window)),
        baselines=[scored(name, act) for name, act in baselines.items()],
        swap=_swap(policy, recorded, window, speed),
    )
    write_manifest(trained.run.evaluation_manifest, clean)
    write_json(trained.run.offline, result)
    return result


def _clean_set(
    case: ResolvedCase, workspace: Workspace, own: Manifest
) -> tuple[Manifest, list[str]]:
    whole = load_dataset(workspace.data(case.evaluation_data)).manifest
    known = {episode.hash for episode in own.episodes}
    leaked = [episode.hash for episode in whole.episodes if episode.hash in known]
    kept = [episode for episode in whole.episodes if episode.hash not in known]
    if not kept:
        raise UserError(
            f"All {len(leaked)} episodes of {case.evaluation_data} were trained on by "
            f"{case.case}: make an evaluation set of other episodes."
        )
    return Manifest.of(whole.name, whole.step, kept), leaked


def _recorded(
    trained: Trained, manifest: Manifest, data: str, workspace: Workspace, only: str | None = None
) -> list[Recorded]:
    """A manifest's episodes with their latents."""
    policy, folder = trained.policy, workspace.data(data)
    whole = load_dataset(folder).manifest
    frames = open_frames(whole, folder, policy.backbone.image_size, workspace.cache)
    features = Features(policy, frames, workspace.cache)
    dim = trained.case.recipe.action_dim
    return [
        Recorded(
            id=episode.id,
            hash=episode.hash,
            direction=episode.direction,
            instruction=frames.instruction(episode.id),
            actions=frames.actions(episode.id)[:, :dim],
            latents=features.of(episode.id, episode.hash).detach(),
        )
        for episode in manifest.episodes
        if only in (None, episode.split)
    ]


def _episode_set(clean: Manifest, leaked: list[str]) -> EpisodeSet:
    counts = clean.counts()
    return EpisodeSet(
        name=clean.name,
        hash=clean.hash,
        episodes=[episode.hash for episode in clean.episodes],
        left=counts.get("left", 0),
        right=counts.get("right", 0),
        leaked=leaked,
    )


def _swap(policy: Policy, recorded: Sequence[Recorded], window: int, full_speed: float) -> Swap:
    """The same frames under the other instruction: how far, and how often to the other side."""
    changes, follows = [], []
    for episode in recorded:
        if episode.direction not in OTHER:
            continue
        told = predict(policy, episode, window)
        swapped = predict(policy, episode, window, instruction(OTHER[episode.direction]))
        changes.append(np.linalg.norm(told - swapped, axis=1).mean())
        side = sideways(swapped, episode.actions, full_speed)
        follows.append(side is not None and side < 0)
    if not changes:
        raise UserError("No evaluation episode goes left or right: swapping cannot be measured.")
    return Swap(change=float(np.mean(changes)), follows=float(np.mean(follows)), n=len(changes))
