"""`mvla train`: one case in this process, or the plan's queue."""

from __future__ import annotations

import argparse
import sys

from mobile_vla.commands.common import Setting, progress, setting
from mobile_vla.record.errors import UserError
from mobile_vla.record.folder import RunFolder


def train(options: argparse.Namespace) -> int:
    """Train a case, or with `--all` what the plan says is to do."""
    chosen = setting(options)
    if options.all:
        from mobile_vla.commands.queue import train_all

        return train_all(chosen, jobs=options.jobs or 1)
    if options.case is None:
        names = ", ".join(case.label or case.name for case in chosen.study.cases)
        raise UserError(f"Name a case to train, or --all; {chosen.path} has {names}.")
    run = run_to_train(chosen, options.case, resume=options.resume)
    return _train(run, chosen, options)


def run_to_train(chosen: Setting, name: str, *, resume: bool) -> RunFolder:
    """The run folder to go on with, or a new one for the case's next attempt."""
    from mobile_vla.casebook.casebook import Casebook
    from mobile_vla.study.load import case_of, resolve
    from mobile_vla.training.run import begin_run

    case = case_of(chosen.study, name, chosen.path)
    book = Casebook(
        chosen.workspace.path, chosen.study, chosen.profile_name, study_path=chosen.path
    )
    view = book.case(case.name)
    own = [run for run in view.runs if run.resolved and run.resolved.profile == chosen.profile_name]
    if any(run.state in ("running", "stalled") for run in own):
        raise UserError(f"{name} is being trained already: see `mvla status`.")
    if resume:
        if not own:
            raise UserError(f'{name} has no run to resume: train it with `mvla train "{name}"`.')
        return RunFolder(chosen.workspace.path / own[-1].path)
    attempt = min(len(own), len(case.attempts) - 1)
    resolved = resolve(chosen.study, case, chosen.profile_name, attempt, chosen.path)
    return begin_run(resolved, chosen.workspace)


def _train(run: RunFolder, chosen: Setting, options: argparse.Namespace) -> int:
    from mobile_vla.training.run import train as train_run

    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    print(f"run folder: {run.path}", file=sys.stderr)
    with progress(run.path.parent.name) as report:
        ended = train_run(
            run,
            chosen.workspace,
            resume=options.resume,
            check_only=options.check,
            progress=report,
        )
    print(f"{ended.outcome}: {ended.reason}")
    return 0 if ended.outcome == "finished" else 1
