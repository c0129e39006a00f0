"""The runs of a setting: what the casebook says of them, and which one to train next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.run_options import Setting
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook


def book_of(chosen: Setting, evidence: Sequence[Path] = ()) -> Casebook:
    """The casebook of the study, profile and workspace that a command line names."""
    from mobile_vla.analysis.casebook import Casebook

    return Casebook(
        chosen.workspace.path,
        chosen.study,
        chosen.profile_name,
        study_path=chosen.path,
        evidence=evidence,
    )


def run_to_train(chosen: Setting, name: str, *, resume: bool) -> RunFolder:
    """The run folder to go on with, or a new one for the case's next attempt."""
    from mobile_vla.study.load_study import case_of, resolve
    from mobile_vla.training.run import begin_run

    case = case_of(chosen.study, name, chosen.path)
    view = book_of(chosen).case(case.name)
    runs = [
        run for run in view.runs if run.resolved and run.resolved.profile == chosen.profile_name
    ]
    if any(run.state in ("running", "stalled") for run in runs):
        raise UserError(f"{name} is being trained already: see `mvla status`.")
    if resume:
        if not runs:
            raise UserError(f'{name} has no run to resume: train it with `mvla train "{name}"`.')
        return RunFolder(chosen.workspace.path / runs[-1].path)
    attempt = min(len(runs), len(case.attempts) - 1)
    resolved = resolve(chosen.study, case, chosen.profile_name, attempt, chosen.path)
    return begin_run(resolved, chosen.workspace)
