"""Evaluate a checkpoint: offline metrics, then rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mobile_vla.runs.events import Evaluated, Evaluating, EventLog, file_hashes
from mobile_vla.runs.files import sweep_parts
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.locks import sole_writer
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.runs.results import Offline, Rollouts


def evaluate_run(
    run: RunFolder,
    workspace: Workspace,
    scenes: int,
    report: Callable[[int, int], None] = lambda done, total: None,
    *,
    checkpoint: str = "best",
    jobs: int = 1,
) -> tuple[Offline, Rollouts]:
    """Offline metrics and rollouts of a run's checkpoint, `jobs` processes driving.

    Raises: UserError where another process evaluates this run.
    """
    from mobile_vla.simulator.render import choose_backend

    choose_backend()
    from mobile_vla.evaluation.offline import evaluate_offline, load_run
    from mobile_vla.evaluation.rollouts import evaluate_rollouts
    from mobile_vla.training.malloc import keep_freed_memory

    keep_freed_memory()
    with sole_writer(run.evaluation, "evaluating"):
        trained = load_run(run, checkpoint)
        for place in (run.path, trained.results):
            sweep_parts(place)  # of an evaluation that was killed
        events = EventLog(run.events)
        folder = trained.results.relative_to(run.path).as_posix()
        events.append(Evaluating(folder=folder))
        offline = evaluate_offline(trained, workspace)
        rollouts = evaluate_rollouts(trained, workspace, scenes, report, jobs)
        names = sorted(path.name for path in trained.results.iterdir())
        visible = [f"{folder}/{name}" for name in names if not name.startswith(".")]
        files = file_hashes(run.path, visible)  # without locks and half-written files
        events.append(Evaluated(folder=folder, checkpoint_blake3=trained.blake3, files=files))
        return offline, rollouts
