"""Scan folders for runs that mobile-vla did not make."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from mobile_vla.evidence.importers.discover import Discovered, absolute, walk
from mobile_vla.evidence.importers.formats.console_log import read_log
from mobile_vla.evidence.importers.formats.metric_names import validation_losses
from mobile_vla.evidence.importers.formats.run_log import RunLog
from mobile_vla.evidence.importers.formats.tolerant_config import read_json
from mobile_vla.evidence.importers.formats.unreadable import unreadable
from mobile_vla.evidence.importers.hf_trainer import history_view, trainer_folders, trainer_view
from mobile_vla.evidence.importers.join_files import RunSources, join_config, join_folder, join_logs
from mobile_vla.evidence.importers.lerobot_runs import lerobot_folders, lerobot_view
from mobile_vla.evidence.importers.mlflow_wandb import (
    mlflow_folder_views,
    mlflow_views,
    trackio_views,
    wandb_view,
)
from mobile_vla.evidence.importers.name_conflicts import against_others
from mobile_vla.evidence.importers.robovlms import RunReader
from mobile_vla.evidence.importers.run_builder import Files
from mobile_vla.evidence.model import RunView, Value
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason

T = TypeVar("T")


class Scanned(Value, frozen=True, kw_only=True):
    """The result of a scan. `problems`: files and folders that tell of no run, and why.

    `own`: run folders of mobile-vla itself, which `mvla status` reads. `unread`: formats that
    were recognised and are not read.
    """

    runs: list[RunView]
    problems: list[Reason]
    own: list[str]
    unread: list[Reason] = []  # msgspec copies it


def scan(
    folders: Sequence[Path], *, complete: bool = False, losses: Collection[str] = ()
) -> Scanned:
    """Every run of another program below `folders`.

    `complete`: read large checkpoints completely. `losses`: names of metrics that are validation
    losses, besides the usual ones.

    Raises: UserError for a path that is no folder. Nothing in a folder can make it fail.
    """
    discovered = Discovered()
    for folder in folders:
        if not os.path.isdir(folder):  # noqa: PTH112  # which never raises
            raise UserError(f"{folder} is no folder: name the one that holds the runs.")
        walk(folder, discovered)
    with validation_losses(losses):
        runs = against_others(_Scanner(discovered, complete=complete).runs())
    if not any(folder.is_absolute() for folder in folders):
        runs = [_relative(run) for run in runs]
    return Scanned(
        runs=runs,
        problems=discovered.problems,
        own=[path.as_posix() for path in discovered.native],
        unread=discovered.unread,
    )


class _Scanner:
    def __init__(self, discovered: Discovered, *, complete: bool) -> None:
        self.discovered, self.files, self.complete = discovered, Files(), complete

    def runs(self) -> list[RunView]:
        """Runs of every kind, by name."""
        files, discovered = self.files, self.discovered
        views: list[RunView] = []
        for run in self._sources():
            path = run.log_path or run.config_path or (run.folder.folder if run.folder else Path())
            views += self._views(path, lambda _, run=run: self._read(run))  # type: ignore[misc]
        for paths, read in (
            (discovered.databases, partial(mlflow_views, files=files)),
            (discovered.databases, partial(trackio_views, files=files)),
            (discovered.mlflow_runs, partial(mlflow_folder_views, files=files)),
            (discovered.wandb, lambda path: [wandb_view(path, files)]),
            (discovered.histories, lambda path: [history_view(path, files)]),
        ):
            for path in paths:
                views += self._views(path, read)
        for folder, configs in lerobot_folders(discovered.lerobot).items():
            views += self._views(folder, lambda f, c=configs: [lerobot_view(f, c, files)])  # type: ignore[misc]
        for folder, states in trainer_folders(discovered.trainer_states).items():
            views += self._views(folder, lambda f, s=states: [trainer_view(f, s, files)])  # type: ignore[misc]
        return sorted(_joined(views), key=lambda view: (view.case, view.path))

    def _read(self, run: RunSources) -> list[RunView]:
        return [RunReader(run, self.files, complete=self.complete).view()]

    def _sources(self) -> list[RunSources]:
        runs, problems = join_logs(self._logs())
        self.discovered.problems += problems
        for folder in self.discovered.folders.values():
            join_folder(folder, runs)
        for path in self.discovered.configs:
            config = self._try(path, read_json)
            if config is not None:
                join_config(path, *config, runs)
        return runs

    def _logs(self) -> list[tuple[Path, RunLog]]:
        logs = []
        for path in self.discovered.logs:
            runs = self._try(path, read_log) or []
            logs += [(path, log) for log in runs if log.is_training]
            sample = next((log.sample for log in runs if log.sample), None)
            if sample and not any(log.is_training for log in runs):
                note = reason("import.seen_console", file=path.as_posix(), line=sample.text)
                self.discovered.unread.append(note)
        return logs

    def _views(self, path: Path, read: Callable[[Path], list[RunView]]) -> list[RunView]:
        return self._try(path, read) or []

    def _try(self, path: Path, read: Callable[[Path], T]) -> T | None:
        """The reader's answer; a finding where it fails, whatever it raises."""
        try:
            return read(path)
        except Exception as error:  # a file of another program can raise anything
            self.discovered.problems.append(unreadable(path.as_posix(), error))
            return None


def _relative(run: RunView) -> RunView:
    """The run with its folder as seen from the working folder, as the scan was named."""
    return msgspec.structs.replace(run, path=os.path.relpath(run.path), evidence=[
        msgspec.structs.replace(at, file=os.path.relpath(at.file)) for at in run.evidence
    ])  # fmt: skip


def _joined(views: list[RunView]) -> list[RunView]:
    """A console of LeRobot or Hugging Face that lies in its run's folder is no second run."""
    folders = {view.path: view for view in views
               if view.foreign and view.foreign.maker in ("LeRobot", "HF Trainer")
               and view.foreign.checkpoints is not None}  # fmt: skip
    return [view for view in views if not _lies_in(view, folders)]


def _lies_in(view: RunView, folders: dict[str, RunView]) -> bool:
    if view.path in folders or view.foreign is None or view.foreign.maker == "RoboVLMs":
        return False
    owner = folders.get(absolute(view.path).parent.as_posix())
    return owner is not None and owner.foreign is not None and (
        view.foreign.maker == owner.foreign.maker and view.state in ("unknown", owner.state)
    )  # fmt: skip
