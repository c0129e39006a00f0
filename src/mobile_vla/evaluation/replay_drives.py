"""Replays of the training actions, driven in closed loop on the scenes that the policy drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frame_store import open_frames
from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.evaluation.baselines import (
    Baseline,
    replay_by_step,
    replay_by_step_and_instruction,
)
from mobile_vla.evaluation.offline import LoadedRun
from mobile_vla.evaluation.predictions import RecordedEpisode
from mobile_vla.policy.normalisation import base_velocities, select_columns
from mobile_vla.runs.results import ReplayDrives, Rollout
from mobile_vla.runs.workspace import Workspace
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import DriveEnv, steps_of_drive
from mobile_vla.simulator.world import Side

REPLAYS: Mapping[str, Callable[[Sequence[RecordedEpisode]], Baseline]] = {
    "replay_by_step": replay_by_step,
    "replay_by_step_and_instruction": replay_by_step_and_instruction,
}
"""The replays by the names that they have in `offline.json`."""
NO_PICTURE = (1, 1)


def drive_replays(
    trained: LoadedRun, workspace: Workspace, drives: Sequence[Rollout]
) -> list[ReplayDrives]:
    """Each replay of the run's training episodes on the scenes and instructions of `drives`.

    A replay looks at nothing, so no picture is rendered and no model runs.
    """
    if not drives:
        return []
    training = _training_actions(trained, workspace)
    replays = {name: replay(training) for name, replay in REPLAYS.items()}
    return [
        ReplayDrives(name=name, rollouts=[_drive(trained, replay, drive) for drive in drives])
        for name, replay in replays.items()
    ]


def drive_of(scene: int, side: Side, environment: DriveEnv) -> Rollout:
    """The record of a drive that is over."""
    outcome = environment.outcome()
    return Rollout(
        scene=scene,
        direction=side,
        success=outcome.success,
        collision=outcome.collision,
        side=outcome.side,
        path_length=outcome.path_length,
        steps=outcome.steps,
        path=outcome.path,
    )


def _training_actions(trained: LoadedRun, workspace: Workspace) -> list[RecordedEpisode]:
    """The training split's actions in the policy's dimensions, without latents."""
    folder = workspace.data(trained.case.train_data)
    policy = trained.policy
    frames = open_frames(
        load_dataset(folder).manifest, folder, policy.backbone.image_size, workspace.cache
    )
    return [
        _episode(
            episode.direction, select_columns(frames.actions(episode.id), policy.statistics.names)
        )
        for episode in read_manifest(trained.run.manifest).split("train")
    ]


def _drive(trained: LoadedRun, replay: Baseline, drive: Rollout) -> Rollout:
    """One replay on the scene of `drive`, under its instruction."""
    robot, names = trained.case.robot, trained.policy.statistics.names
    environment = DriveEnv(
        sample_scene(drive.scene),
        drive.direction,
        NO_PICTURE,
        max_steps=steps_of_drive(robot.step),
        step_seconds=robot.step,
        limits=robot.limits,
    )
    steps = np.zeros((environment.max_steps, len(names)), np.float32)
    for action in base_velocities(replay(_episode(drive.direction, steps)), names):
        if environment.done:
            break
        environment.move(action)
    return drive_of(drive.scene, drive.direction, environment)


def _episode(direction: str, actions: np.ndarray) -> RecordedEpisode:
    return RecordedEpisode("", "", direction, "", actions, torch.empty(0))
