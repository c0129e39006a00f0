"""Closed loop in the simulator: paired scenes, each driven under both instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mobile_vla import __version__
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frames import resize
from mobile_vla.evaluation.journal import Heading, Journal
from mobile_vla.evaluation.offline import Trained
from mobile_vla.evaluation.pictures import Film, draw_gif, draw_paths, draw_rollouts, ending_of
from mobile_vla.policy.controller import Controller
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import write_json
from mobile_vla.record.results import Rollout, Rollouts
from mobile_vla.record.workspace import Workspace
from mobile_vla.simulator.environment import MAX_STEPS, DriveEnv
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.world import Side

FIRST_SCENE = 9_000_000
"""Seeds of evaluation scenes count from here; data sets draw theirs from above 2**40."""
SIDES: tuple[Side, Side] = ("left", "right")
AT_ONCE = 10
"""Scenes of a batch. Batches are cut by number, so an interruption changes no action."""
FILMED_SCENES = 2
JOURNAL = "rollouts.jsonl"
PICTURE = "rollouts.png"
PATHS = "paths.png"
GIF = "drive_{}.gif"


def evaluate_rollouts(
    trained: Trained,
    workspace: Workspace,
    scenes: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rollouts:
    """Drive `scenes` scenes under both instructions; written to the run's `rollouts.json`.

    Ten scenes move in step, so each control step is one batch; each batch is noted when it ends,
    and an interrupted evaluation of the same checkpoint goes on after it. The camera's pictures
    have the size of the recorded episodes and take the same way into the policy.
    """
    if scenes < 0:
        raise UserError(f"{scenes} scenes is less than none: give 0 or more.")
    seeds = [FIRST_SCENE + index for index in range(scenes)]
    size = _recorded_size(trained, workspace)
    simulator = f"mobile_vla {__version__}, MuJoCo, scenes from seed {FIRST_SCENE}"
    heading = Heading(
        checkpoint_blake3=trained.blake3,
        simulator=simulator,
        max_steps=MAX_STEPS,
        image_size=size,
    )
    folder = trained.run.evaluation
    journal = Journal(folder / JOURNAL, heading)
    batches = [seeds[first : first + AT_ONCE] for first in range(0, len(seeds), AT_ONCE)]
    done = min(len(journal.drives), len(seeds) * len(SIDES)) // (AT_ONCE * len(SIDES))
    journal.keep(done * AT_ONCE * len(SIDES))
    for number, batch in enumerate(batches[done:], start=done):

        def report(step: int, steps: int, number: int = number) -> None:
            progress(number * steps + step, len(batches) * steps)

        _drive_batch(trained, batch, size, journal, report)
    result = Rollouts(
        time=datetime.now(UTC),
        checkpoint=trained.checkpoint,
        checkpoint_blake3=trained.blake3,
        simulator=simulator,
        max_steps=MAX_STEPS,
        rollouts=list(journal.drives),
        pictures=_pictures(folder, journal.drives),
    )
    write_json(trained.run.rollouts, result)
    journal.close()
    return result


def _drive_batch(
    trained: Trained,
    seeds: Sequence[int],
    size: tuple[int, int],
    journal: Journal,
    report: Callable[[int, int], None],
) -> None:
    """Drive some scenes, draw what is first of its kind, and note them."""
    drives = [(seed, side) for seed in seeds for side in SIDES]
    environments = [DriveEnv(sample_scene(seed), side, size) for seed, side in drives]
    films = _drive(trained, environments, report)
    rollouts = [
        _rollout(seed, side, environment)
        for (seed, side), environment in zip(drives, environments, strict=True)
    ]
    folder = trained.run.evaluation
    if not journal.drives:
        filmed = FILMED_SCENES * len(SIDES)
        draw_rollouts(folder / PICTURE, rollouts[:filmed], films[:filmed])
    seen = {ending_of(drive) for drive in journal.drives}
    for rollout, film in zip(rollouts, films, strict=True):
        ending = ending_of(rollout)
        if ending not in seen:
            draw_gif(folder / GIF.format(ending), film)
            seen.add(ending)
    journal.note(rollouts)


def _pictures(folder: Path, rollouts: Sequence[Rollout]) -> list[str]:
    """Draw all paths; the names of all pictures, below the run's folder."""
    if not rollouts:
        return []
    draw_paths(folder / PATHS, rollouts, [sample_scene(drive.scene) for drive in rollouts])
    endings = dict.fromkeys(ending_of(rollout) for rollout in rollouts)
    names = [PICTURE, PATHS, *(GIF.format(ending) for ending in endings)]
    return [f"{folder.name}/{name}" for name in names]


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
