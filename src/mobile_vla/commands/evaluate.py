"""`mvla evaluate`, and what the queue does after each training."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.commands.common import Setting, print_json, progress, setting
from mobile_vla.record.errors import UserError
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.casebook.model import RunView
    from mobile_vla.record.results import Offline, Rollouts


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate the run that speaks for a case."""
    chosen = setting(options)
    if options.scenes is not None and options.scenes < 0:
        raise UserError(f"--scenes {options.scenes} is less than none: give 0 or more.")
    from mobile_vla.casebook.faults import faults
    from mobile_vla.commands.results import print_driving, print_offline

    if options.all == (options.case is not None):
        raise UserError("Name one case, or give --all for every trained case.")
    scenes = chosen.profile.rollout_scenes if options.scenes is None else options.scenes
    if options.all:
        _all(chosen, scenes, as_json=options.json)
        return
    run = _run_of(chosen, options.case)
    with progress(f"driving {scenes} scenes") as report:
        offline, rollouts = evaluate_run(run, chosen.workspace, scenes, report)
    found = faults(_view_of(chosen, options.case))
    if options.json:
        print_json({"offline": offline, "rollouts": rollouts, "faults": found})
        return
    print_offline(offline)
    print_driving(rollouts)
    for fault in found:
        print(f"fault, {fault.name}: {fault.en}")
    print(f"\nwritten to {run.evaluation}")


def _all(chosen: Setting, scenes: int, *, as_json: bool) -> None:
    from mobile_vla.commands.trust import NAME, evaluate_all, sentence

    found = evaluate_all(chosen, scenes)
    if as_json:
        print_json(found)
        return
    for one in found:
        print(sentence(one))
    print(f"\nwritten to {chosen.workspace.path / NAME}.json and .png")


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


def _view_of(chosen: Setting, name: str) -> RunView:
    from mobile_vla.casebook.casebook import Casebook

    book = Casebook(
        chosen.workspace.path, chosen.study, chosen.profile_name, study_path=chosen.path
    )
    case = book.case(name)
    if case.run is None:
        raise UserError(f'{name} has no run: train it with `mvla train "{name}"`.')
    return case.run


def _run_of(chosen: Setting, name: str) -> RunFolder:
    return RunFolder(chosen.workspace.path / Path(_view_of(chosen, name).path))
