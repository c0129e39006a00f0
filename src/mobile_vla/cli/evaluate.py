"""`mvla evaluate`."""

from __future__ import annotations

import argparse

from mobile_vla.cli.run_options import Setting, answering, cores, print_json, progress, setting
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a checkpoint of the run that speaks for a case, or all of every case."""
    chosen = setting(options)
    if options.scenes is not None and options.scenes < 0:
        raise UserError(f"--scenes {options.scenes} is less than none: give 0 or more.")
    if options.all == (options.case is not None):
        raise UserError("Name one case, or give --all for every trained case.")
    scenes = chosen.profile.rollout_scenes if options.scenes is None else options.scenes
    jobs = options.jobs or cores()
    if not options.all:
        _one(chosen, options, scenes, jobs)
    elif options.checkpoint != "best":
        raise UserError("--all evaluates every checkpoint: leave --checkpoint out.")
    else:
        _all(chosen, options, scenes, jobs)


def _one(chosen: Setting, options: argparse.Namespace, scenes: int, jobs: int) -> None:
    import msgspec

    from mobile_vla.analysis.diagnostics import faults
    from mobile_vla.cli.print_results import print_driving, print_faults, print_offline
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.evaluation.evaluate import evaluate_run

    view = book_of(chosen).case(options.case).run
    if view is None:
        name = options.case
        raise UserError(f'{name} has no run: train it with `mvla train "{name}"`.')
    run = RunFolder(chosen.workspace.path / view.path)
    with answering(options), progress(f"driving {scenes} scenes") as report:
        offline, rollouts = evaluate_run(
            run, chosen.workspace, scenes, report, checkpoint=options.checkpoint, jobs=jobs
        )
    diagnostics = faults(msgspec.structs.replace(view, offline=offline, rollouts=rollouts))
    if options.json:
        print_json({"offline": offline, "rollouts": rollouts, "faults": diagnostics})
        return
    print_offline(offline)
    print_driving(rollouts)
    print_faults(diagnostics)
    print(f"\nwritten to {run.evaluation}")


def _all(chosen: Setting, options: argparse.Namespace, scenes: int, jobs: int) -> None:
    from mobile_vla.analysis.wording_trust import trust_lines
    from mobile_vla.cli.evaluate_all import NAME, evaluate_all

    with answering(options):
        results = evaluate_all(chosen, scenes, jobs)
    if options.json:
        print_json(results)
        return
    for line in trust_lines(results, "en"):
        print(line)
    print(f"\nwritten to {chosen.workspace.path / NAME}.json and .png")
