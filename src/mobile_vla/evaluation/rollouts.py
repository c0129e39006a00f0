"""Closed loop in the simulator: paired scenes, each driven under both instructions."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch

from mobile_vla import __version__
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frame_store import resize
from mobile_vla.evaluation.offline import LoadedRun
from mobile_vla.evaluation.replay_drives import drive_of, drive_replays
from mobile_vla.evaluation.rollout_images import (
    Film,
    draw_gif,
    draw_paths,
    draw_rollouts,
    film_frame,
)
from mobile_vla.evaluation.rollout_log import RolloutLog, RolloutLogHeader
from mobile_vla.figures import ending_of
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller
from mobile_vla.policy.normalisation import base_velocities
from mobile_vla.runs.files import write_json
from mobile_vla.runs.process import can_fork, end_with_parent
from mobile_vla.runs.results import Rollout, Rollouts, read_result
from mobile_vla.runs.workspace import Workspace
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.simulate import SETTINGS_FILE
from mobile_vla.simulator.task import DriveEnv, steps_of_drive
from mobile_vla.simulator.world import Side, has_rendered

FIRST_SCENE = 9_000_000
"""Seeds of evaluation scenes count from here; data sets draw theirs from above 2**40."""
SIDES: tuple[Side, Side] = ("left", "right")
AT_ONCE = 10
"""Scenes of a batch. Batches are cut by number, so neither an interruption nor the number of
processes changes an action."""
FILMED_SCENES = 2
ROLLOUT_LOG = "rollouts.jsonl"
PICTURE = "rollouts.png"
PATHS = "paths.png"
GIF = "drive_{}.gif"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """Some scenes' drives, and the films of the first few and of the first of each ending."""

    rollouts: list[Rollout]
    films: dict[int, Film]


def evaluate_rollouts(
    trained: LoadedRun,
    workspace: Workspace,
    scenes: int,
    progress: Progress = lambda done, total: None,
    jobs: int = 1,
) -> Rollouts:
    """Drive `scenes` scenes under both instructions; written to the checkpoint's `rollouts.json`.

    Ten scenes move in step, so each control step is one batch, and `jobs` batches are driven at
    once, each in its process. A batch is logged when it ends, and an interrupted evaluation of the
    same checkpoint continues after it. The camera's pictures have the size of the recorded episodes
    and take the same way into the policy. A step is as long as the study's robot's, and the base as
    fast. With 0 scenes, drives of the same checkpoint that are stored stay. Replays of the training
    actions drive the same scenes.
    """
    if scenes < 0:
        raise UserError(f"{scenes} scenes is less than none: give 0 or more.")
    if scenes == 0 and (stored := _stored_drives(trained)) is not None:
        return stored
    seeds = [FIRST_SCENE + index for index in range(scenes)]
    size = _recorded_size(trained, workspace)
    simulator = f"mobile_vla {__version__}, MuJoCo, scenes from seed {FIRST_SCENE}"
    heading = RolloutLogHeader(
        checkpoint_blake3=trained.blake3,
        simulator=simulator,
        max_steps=steps_of_drive(trained.case.robot.step),
        image_size=size,
    )
    log = RolloutLog(trained.results / ROLLOUT_LOG, heading)
    batches = [seeds[first : first + AT_ONCE] for first in range(0, len(seeds), AT_ONCE)]
    done = min(len(log.drives), len(seeds) * len(SIDES)) // (AT_ONCE * len(SIDES))
    log.truncate(done * AT_ONCE * len(SIDES))
    for number, batch in enumerate(_driven(trained, size, batches[done:], jobs), start=done + 1):
        _record_batch(trained, batch, log)
        progress(min(number * AT_ONCE, scenes), scenes)
    result = Rollouts(
        time=datetime.now(UTC),
        checkpoint=trained.checkpoint,
        checkpoint_blake3=trained.blake3,
        simulator=simulator,
        max_steps=heading.max_steps,
        step_seconds=trained.case.robot.step,
        out_of_world=not (workspace.data(trained.case.train_data) / SETTINGS_FILE).exists(),
        rollouts=list(log.drives),
        pictures=_pictures(trained, log.drives),
        replays=drive_replays(trained, workspace, log.drives),
    )
    write_json(trained.results / trained.run.rollouts.name, result)
    log.close()
    return result


def _stored_drives(trained: LoadedRun) -> Rollouts | None:
    """The drives of the same checkpoint that an earlier evaluation wrote."""
    file = trained.results / trained.run.rollouts.name
    if not file.exists():
        return None
    stored = read_result(file, Rollouts)
    return stored if stored.checkpoint_blake3 == trained.blake3 else None


def _driven(
    trained: LoadedRun, size: tuple[int, int], batches: Sequence[Sequence[int]], jobs: int
) -> Iterator[SceneBatch]:
    """Batches in order, several at once if there are cores and this process can be forked.

    A process that holds an OpenGL context, or a policy on a GPU, cannot: its copies would not work.
    """
    on_cpu = trained.policy.action_token.device.type == "cpu"
    if min(jobs, len(batches)) < 2 or has_rendered() or not on_cpu or not can_fork():
        yield from (_drive(trained, size, batch) for batch in batches)
        return
    pool = ProcessPoolExecutor(
        min(jobs, len(batches)), multiprocessing.get_context("fork"), _begin, (trained, size)
    )
    try:
        yield from pool.map(_drive_forked, batches)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that drove scenes was killed, most likely for lack of memory: run the same "
            "command again with fewer --jobs; the batches that had ended are kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_forked: list[tuple[LoadedRun, tuple[int, int]]] = []


def _begin(trained: LoadedRun, size: tuple[int, int]) -> None:
    """In a forked process: what it drives with, copied with the process and never pickled."""
    end_with_parent()
    torch.set_num_threads(1)
    _forked.append((trained, size))


def _drive_forked(batch: Sequence[int]) -> SceneBatch:
    return _drive(*_forked[-1], batch)


def _drive(trained: LoadedRun, size: tuple[int, int], seeds: Sequence[int]) -> SceneBatch:
    """Drive some scenes under both instructions to their ends."""
    drives = [(seed, side) for seed in seeds for side in SIDES]
    robot = trained.case.robot
    environments = [
        DriveEnv(
            sample_scene(seed),
            side,
            size,
            max_steps=steps_of_drive(robot.step),
            step_seconds=robot.step,
            limits=robot.limits,
        )
        for seed, side in drives
    ]
    films = _control(trained, environments)
    rollouts = [
        drive_of(seed, side, environment)
        for (seed, side), environment in zip(drives, environments, strict=True)
    ]
    endings = [ending_of(rollout) for rollout in rollouts]
    filmed = {
        *range(FILMED_SCENES * len(SIDES)),
        *(endings.index(ending) for ending in set(endings)),
    }
    return SceneBatch(
        rollouts, {index: film for index, film in enumerate(films) if index in filmed}
    )


def _control(trained: LoadedRun, environments: Sequence[DriveEnv]) -> list[Film]:
    """Drive all to their ends; what their cameras saw, small."""
    controller = Controller(trained.policy, trained.case.recipe.window)
    controller.reset([environment.instruction for environment in environments])
    pictures = [environment.reset() for environment in environments]
    films: list[Film] = [[film_frame(picture)] for picture in pictures]
    side = trained.policy.backbone.image_size
    for _ in range(environments[0].max_steps):
        predicted = controller.act(np.stack([resize(picture, side) for picture in pictures]))
        actions = base_velocities(predicted, trained.policy.statistics.names)
        for index, environment in enumerate(environments):
            if not environment.done:
                pictures[index], _ = environment.step(actions[index])
                films[index].append(film_frame(pictures[index]))
        if all(environment.done for environment in environments):
            break
    return films


def _record_batch(trained: LoadedRun, batch: SceneBatch, log: RolloutLog) -> None:
    """Draw the first rollouts and the first of each ending, then append the batch to the log."""
    rollouts, films, folder = batch.rollouts, batch.films, trained.results
    if not log.drives:
        first = [index for index in sorted(films) if index < FILMED_SCENES * len(SIDES)]
        draw_rollouts(folder / PICTURE, [rollouts[i] for i in first], [films[i] for i in first])
    drawn_endings = {ending_of(drive) for drive in log.drives}
    for index, film in sorted(films.items()):
        ending = ending_of(rollouts[index])
        if ending not in drawn_endings:
            draw_gif(folder / GIF.format(ending), film)
            drawn_endings.add(ending)
    log.append(rollouts)


def _pictures(trained: LoadedRun, rollouts: Sequence[Rollout]) -> list[str]:
    """Draw all paths; the names of all pictures, below the run's folder."""
    if not rollouts:
        return []
    folder = trained.results
    draw_paths(folder / PATHS, rollouts, [sample_scene(drive.scene) for drive in rollouts])
    endings = dict.fromkeys(ending_of(rollout) for rollout in rollouts)
    names = [PICTURE, PATHS, *(GIF.format(ending) for ending in endings)]
    return [(folder / name).relative_to(trained.run.path).as_posix() for name in names]


def _recorded_size(trained: LoadedRun, workspace: Workspace) -> tuple[int, int]:
    """(height, width) in px of the recorded frames."""
    dataset = load_dataset(workspace.data(trained.case.train_data))
    height, width = dataset.read(dataset.manifest.episodes[0].id).images.shape[1:3]
    return int(height), int(width)
