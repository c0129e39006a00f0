"""A run named by its folder, and the workspace that it lies in."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder


def run_folder(name: str) -> RunFolder:
    """The run folder that a command line names.

    Raises: UserError where there is none.
    """
    from mobile_vla.messages.catalogue import phrase

    run = RunFolder(Path(name).absolute())
    if not run.events.is_file() and not run.case_yaml.is_file():
        raise UserError(phrase("seal.no_run", "en", folder=name))
    return run


def workspace_of(run: RunFolder) -> Path:
    """The workspace that a run lies in; the run's own folder's, where it was moved elsewhere."""
    above = run.path.parents
    return above[2] if len(above) > 2 and above[1].name == "runs" else above[0]
