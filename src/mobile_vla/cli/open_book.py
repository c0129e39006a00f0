"""The casebook that a command line names, with the folders that are to be scanned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.run_options import Setting, setting
from mobile_vla.cli.select_run import book_of
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import find_runs
from mobile_vla.runs.workspace import DEFAULT, Workspace

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook
    from mobile_vla.cli.arguments import EvidenceOptions, StudyOptions


def casebook(options: StudyOptions) -> Casebook:
    """The casebook that a command line names."""
    return book_of(setting(options))


def scanning_book(options: EvidenceOptions) -> Casebook:
    """The casebook that a command line names, with the folders that are to be scanned."""
    return book_of(*places(options))


def no_workspace(options: StudyOptions) -> UserError:
    """The error where a workspace does not exist, with the command that makes it."""
    chosen = setting(options)
    demo = chosen.command("mvla demo")
    return UserError(
        f"There is no workspace {chosen.workspace.path}: run `{demo}`, or name another."
    )


def places(options: EvidenceOptions, folder: str | None = None) -> tuple[Setting, list[Path]]:
    """The setting in `folder`, else in what the command line names, and what is to be scanned.

    That are the folders of `--evidence`, and a workspace that holds no run of ours but something.
    Raises: UserError for a folder that does not exist.
    """
    named = list(options.evidence)
    base = Path(folder or options.workspace or (named[0] if named else DEFAULT))
    if not os.path.isdir(base):  # noqa: PTH112  # which never raises
        raise no_workspace(options.replace(workspace=str(base)))
    workspace = Workspace(base)
    foreign = set(os.listdir(base)) - {workspace.cache.name}  # noqa: PTH208
    if not named and foreign and next(find_runs(workspace.runs), None) is None:
        named = [str(base)]
    return setting(options.replace(workspace=str(base))), [Path(folder) for folder in named]
