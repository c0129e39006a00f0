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
    from mobile_vla.evidence.model import CaseView


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


def case_view(chosen: Setting, name: str) -> CaseView:
    """What the casebook says of a case, by its name or label."""
    from mobile_vla.study.load_study import case_of

    return book_of(chosen).case(case_of(chosen.study, name, chosen.path).name)


def run_to_train(chosen: Setting, view: CaseView, *, resume: bool, lost: bool = False) -> RunFolder:
    """The run folder to go on with, or a new one for the case's next attempt.

    `lost`: an engine lost the job that trained it, so that its files may still look alive.
    """
    from mobile_vla.study.command_line import quoted
    from mobile_vla.study.load_study import case_of, resolve
    from mobile_vla.training.run import begin_run

    name = view.name
    attempts = [
        run for run in view.runs if run.resolved and run.resolved.profile == chosen.profile_name
    ]
    if not lost and any(run.state in ("running", "stalled") for run in attempts):
        status = chosen.command("mvla status")
        raise UserError(f"{name} is being trained already: see `{status}`.")
    if resume:
        if not attempts:
            train = chosen.command(f"mvla train {quoted(name)}")
            raise UserError(f"{name} has no run to resume: train it with `{train}`.")
        return RunFolder(chosen.workspace.path / attempts[-1].path)
    case = case_of(chosen.study, view.name, chosen.path)
    attempt = min(len(attempts), len(case.attempts) - 1)
    resolved = resolve(chosen.study, case, chosen.profile_name, attempt, chosen.path)
    return begin_run(resolved, chosen.workspace)
