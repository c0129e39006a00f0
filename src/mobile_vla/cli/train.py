"""`mvla train`: one case in this process, or the plan's queue."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from mobile_vla.cli.run_options import Setting, answering, print_json, progress, setting
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder


def train(options: argparse.Namespace) -> int:
    """Train a case, or with `--all` what the plan says is to do."""
    chosen = setting(options)
    if options.all:
        return _train_all(chosen, options)
    if options.case is None:
        names = ", ".join(case.label or case.name for case in chosen.study.cases)
        raise UserError(f"Name a case to train, or --all; {chosen.path} has {names}.")
    from mobile_vla.cli.select_run import run_to_train

    run = run_to_train(chosen, options.case, resume=options.resume)
    return _train(run, chosen, options)


def _train_all(chosen: Setting, options: argparse.Namespace) -> int:
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.cli.train_queue import train_all

    with answering(options):
        failed = train_all(chosen, jobs=options.jobs or 1)
    if options.json:
        print_json(book_of(chosen).cases())
    return failed


def _train(run: RunFolder, chosen: Setting, options: argparse.Namespace) -> int:
    from mobile_vla.evidence.run_view import view_run
    from mobile_vla.training.run import train as train_run

    if options.threads:
        import torch

        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # which keeps it, whatever the model
        torch.set_num_threads(options.threads)
    print(f"run folder: {run.path}", file=sys.stderr)
    try:
        with answering(options), progress(run.path.parent.name) as report:
            ended = train_run(
                run,
                chosen.workspace,
                resume=options.resume,
                check_only=options.check,
                progress=report,
            )
    finally:  # a run that was refused or failed is an answer as well
        if options.json:
            print_json(view_run(run, chosen.workspace.path, datetime.now(UTC)))
    if not options.json:
        print(f"{ended.outcome}: {ended.reason}")
    return 0 if ended.outcome == "finished" else 1
