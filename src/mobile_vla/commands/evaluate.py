"""`mvla evaluate`, and what the queue does after each training."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.commands.common import Setting, print_json, progress, setting, terminal_or_wide
from mobile_vla.record.errors import UserError
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.record.results import Offline, Rollouts


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate the run that speaks for a case."""
    chosen = setting(options)
    if options.scenes is not None and options.scenes < 0:
        raise UserError(f"--scenes {options.scenes} is less than none: give 0 or more.")
    run = _run_of(chosen, options.case)
    scenes = chosen.profile.rollout_scenes if options.scenes is None else options.scenes
    with progress(f"driving {scenes} scenes") as report:
        offline, rollouts = evaluate_run(run, chosen.workspace, scenes, report)
    if options.json:
        print_json({"offline": offline, "rollouts": rollouts})
        return
    _print(offline, rollouts)
    print(f"\nwritten to {run.evaluation}")


def evaluate_run(
    run: RunFolder,
    workspace: Workspace,
    scenes: int,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Offline, Rollouts]:
    """Offline metrics and rollouts of a run's best checkpoint."""
    from mobile_vla.simulator.render import choose_backend

    choose_backend()
    from mobile_vla.evaluation.offline import evaluate_offline, load_run
    from mobile_vla.evaluation.rollouts import evaluate_rollouts

    trained = load_run(run)
    offline = evaluate_offline(trained, workspace)
    return offline, evaluate_rollouts(trained, workspace, scenes, report)


def _run_of(chosen: Setting, name: str) -> RunFolder:
    from mobile_vla.casebook.casebook import Casebook

    book = Casebook(
        chosen.workspace.path, chosen.study, chosen.profile_name, study_path=chosen.path
    )
    case = book.case(name)
    if case.run is None:
        raise UserError(f'{name} has no run: train it with `mvla train "{name}"`.')
    return RunFolder(chosen.workspace.path / Path(case.run.path))


def _print(offline: Offline, rollouts: Rollouts) -> None:
    from rich.table import Table

    names = [metric.name for metric in offline.policy.metrics]
    table = Table(title=f"{offline.set.name}: {len(offline.set.episodes)} held-out episodes")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for scored in (offline.policy, *offline.baselines):
        values = {metric.name: f"{metric.value:.3f}" for metric in scored.metrics}
        table.add_row(scored.name, *(values.get(name, "–") for name in names))
    terminal_or_wide().print(table)
    for metric in offline.policy.metrics:
        print(f"{metric.name} ({metric.unit}): {metric.definition}")
    swap = offline.swap
    print(f"\ninstruction swapped: actions move by {swap.change:.3g} m/s on average; "
          f"{100 * swap.follows:.0f} % of {swap.n} episodes turn to the other side")  # fmt: skip
    if offline.set.leaked:
        print(f"{len(offline.set.leaked)} episodes were cut from the set: this run knew them")
    for side in ("left", "right"):
        drives = [drive for drive in rollouts.rollouts if drive.direction == side]
        won = sum(drive.success for drive in drives)
        print(f'driven under "{side}": {won} of {len(drives)} reached the basket')
