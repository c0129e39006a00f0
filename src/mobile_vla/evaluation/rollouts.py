"""Closed loop in the simulator: paired scenes, each driven under both instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from mobile_vla import __version__
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frames import resize
from mobile_vla.evaluation.offline import Trained
from mobile_vla.evaluation.pictures import Film, draw_rollouts
from mobile_vla.policy.controller import Controller
from mobile_vla.record.files import write_json
from mobile_vla.record.results import Rollout, Rollouts
from mobile_vla.record.workspace import Workspace
from mobile_vla.simulator.environment import MAX_STEPS, DriveEnv
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.world import Side

FIRST_SCENE = 9_000_000
"""Seeds of evaluation scenes count from here; data sets draw theirs from above 2**40."""
SIDES: tuple[Side, Side] = ("left", "right")
FILMED_SCENES = 2
PICTURE = "rollouts.png"


def evaluate_rollouts(
    trained: Trained,
    workspace: Workspace,
    scenes: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rollouts:
    """Drive `scenes` scenes under both instructions; written to the run's `rollouts.json`.

    All scenes move in step, so each control step is one batch. The camera's pictures have the
    size of the recorded episodes and take the same way into the policy.
    """
    seeds = [FIRST_SCENE + index for index in range(scenes)]
    size = _recorded_size(trained, workspace)
    drives = [(seed, side) for seed in seeds for side in SIDES]
    environments = [DriveEnv(sample_scene(seed), side, size) for seed, side in drives]
    films = _drive(trained, environments, progress)
    rollouts = [
        _rollout(seed, side, environment)
        for (seed, side), environment in zip(drives, environments, strict=True)
    ]
    pictures = []
    if rollouts:
        filmed = FILMED_SCENES * len(SIDES)
        draw_rollouts(trained.run.evaluation / PICTURE, rollouts[:filmed], films[:filmed])
        pictures = [f"{trained.run.evaluation.name}/{PICTURE}"]
    result = Rollouts(
        time=datetime.now(UTC),
        checkpoint=trained.checkpoint,
        checkpoint_blake3=trained.blake3,
        simulator=f"mobile_vla {__version__}, MuJoCo, scenes from seed {FIRST_SCENE}",
        max_steps=MAX_STEPS,
        rollouts=rollouts,
        pictures=pictures,
    )
    write_json(trained.run.rollouts, result)
    return result


def _drive(
    trained: Trained,
    environments: Sequence[DriveEnv],
    progress: Callable[[int, int], None],
) -> list[Film]:
    """Drive all to their ends; what the first ones' cameras saw."""
    controller = Controller(trained.policy, trained.case.recipe.window)
    controller.reset([environment.instruction for environment in environments])
    pictures = [environment.reset() for environment in environments]
    films: list[Film] = [[picture] for picture in pictures]
    side = trained.policy.backbone.image_size
    for step in range(MAX_STEPS):
        actions = controller.act(np.stack([resize(picture, side) for picture in pictures]))
        for index, environment in enumerate(environments):
            if not environment.done:
                pictures[index], _ = environment.step(actions[index])
                films[index].append(pictures[index])
        progress(step + 1, MAX_STEPS)
        if all(environment.done for environment in environments):
            break
    return films


def _rollout(seed: int, side: Side, environment: DriveEnv) -> Rollout:
    outcome = environment.outcome()
    return Rollout(
        scene=seed,
        direction=side,
        success=outcome.success,
        collision=outcome.collision,
        side=outcome.side,
        path_length=outcome.path_length,
        steps=outcome.steps,
        path=outcome.path,
    )


def _recorded_size(trained: Trained, workspace: Workspace) -> tuple[int, int]:
    """(height, width) in px of the recorded frames."""
    dataset = load_dataset(workspace.data(trained.case.train_data))
    height, width = dataset.read(dataset.manifest.episodes[0].id).images.shape[1:3]
    return int(height), int(width)
