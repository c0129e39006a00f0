"""Take in folders of runs that mobile-vla did not make: files to runs, by what they contain."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from mobile_vla.evidence.importers.console_log import Log, read_log
from mobile_vla.evidence.importers.discover import Found, RunFiles, walk
from mobile_vla.evidence.importers.lerobot_runs import lerobot_folders, lerobot_view
from mobile_vla.evidence.importers.mlflow_wandb import mlflow_views, wandb_view
from mobile_vla.evidence.importers.name_conflicts import against_others
from mobile_vla.evidence.importers.robovlms import Reader, Trained
from mobile_vla.evidence.importers.run_builder import Files
from mobile_vla.evidence.importers.tolerant_config import Settings, read_json
from mobile_vla.evidence.model import RunView, Value
from mobile_vla.messages.errors import UserError, reason_of

T = TypeVar("T")
STAMP = re.compile(r"[_-]?\d{8}[_-]?\d{4,6}")

REWRITTEN = {"cache_root", "output_root", "log_root"}
"""RoboVLMs changes these itself between the file and the dump."""


class Scanned(Value, frozen=True, kw_only=True):
    """What a scan found. `problems`: files and folders that tell of no run, and why.

    `own`: run folders of mobile-vla itself, which `mvla status` reads.
    """

    runs: list[RunView]
    problems: list[str]
    own: list[str]


def scan(folders: Sequence[Path], *, whole: bool = False) -> Scanned:
    """Every foreign run below `folders`. `whole`: read every byte of large checkpoints.

    Errors: `UserError` for a path that is no folder. Nothing in a folder can make it fail.
    """
    found = Found()
    for folder in folders:
        if not os.path.isdir(folder):  # noqa: PTH112  # which never raises
            raise UserError(f"{folder} is no folder: name the one that holds the runs.")
        walk(folder, found)
    runs = against_others(_Scanner(found, Files(), whole).runs())
    own = [path.as_posix() for path in found.own]
    return Scanned(runs=runs, problems=found.problems, own=own)


class _Scanner:
    def __init__(self, found: Found, files: Files, whole: bool) -> None:
        self.found, self.files, self.whole = found, files, whole

    def runs(self) -> list[RunView]:
        """Runs of every kind, by name."""
        views = [Reader(run, self.files, whole=self.whole).view() for run in self._trained()]
        for path in self.found.mlflow:
            views += self._try(path, lambda p: mlflow_views(p, self.files)) or []
        for path in self.found.wandb:
            views += [
                view for view in [self._try(path, lambda p: wandb_view(p, self.files))] if view
            ]
        for folder, configs in lerobot_folders(self.found.lerobot).items():
            view = self._try(folder, partial(lerobot_view, configs=configs, files=self.files))
            views += [view] if view else []
        return sorted(views, key=lambda view: (view.case, view.path))

    def _trained(self) -> list[Trained]:
        logs = self._logs()
        runs = [Trained(str(log.settings["exp_name"]), path, log)
                for path, log in logs if log.settings.get("exp_name")]  # fmt: skip
        for path, log in logs:
            if not log.settings.get("exp_name"):
                self._nameless(path, log, runs)
        for folder in self.found.folders.values():
            self._tie_folder(folder, runs)
        for path in self.found.configs:
            config = self._try(path, read_json)
            if config is not None:
                self._tie_config(path, *config, runs)
        return runs

    def _logs(self) -> list[tuple[Path, Log]]:
        read = [(path, self._try(path, read_log)) for path in self.found.logs]
        return [(path, log) for path, log in read if log is not None and log.tells]

    def _nameless(self, path: Path, log: Log, runs: list[Trained]) -> None:
        """A log without a configuration: its script's other logs say whose attempt it may be."""
        stem = STAMP.sub("", path.stem)
        near = [run for run in runs if run.log_path and STAMP.sub("", run.log_path.stem) == stem]
        names = {run.name for run in near}
        if STAMP.search(path.stem) and len(names) == 1 and near[0].log_path:
            told = (
                f"{path.name} holds no configuration: taken as an attempt of {near[0].name} "
                f"because its name differs from {near[0].log_path.name} by the time alone"
            )
            runs.append(Trained(near[0].name, path, log, warnings=[told]))
        elif log.blocks or log.bar:
            told = f"{path.name} holds no configuration: which case it is of is unknown"
            runs.append(Trained(path.stem, path, log, warnings=[told]))
        elif log.end:
            self.found.problems.append(
                f"{path.as_posix()} says {log.end[1].text!r} and tells of no run"
            )

    def _tie_folder(self, folder: RunFiles, runs: list[Trained]) -> None:
        """The run whose dump names this folder, the last attempt that reached its data."""
        own = [run for run in runs if run.log and run.folder is None and _names(run.log, folder)]
        began = [run for run in own if run.log and run.log.blocks]
        if began:
            began[-1].folder = folder
        else:
            runs.append(Trained(_name(folder), folder=folder))

    def _tie_config(
        self, path: Path, config: Settings, warning: str | None, runs: list[Trained]
    ) -> None:
        name = str(config.get("exp_name") or path.stem)
        told = [f"{path.as_posix()} is {warning}"] if warning else []
        own = [run for run in runs if run.name == name and run.config_path is None]
        for run in own:
            run.config_path, run.config = path, config
            run.warnings += told + _differs(run, config, path)
        if not own:
            runs.append(Trained(name, config_path=path, config=config, warnings=told))

    def _try(self, path: Path, how: Callable[[Path], T]) -> T | None:
        try:
            return how(path)
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            told = f"{path.as_posix()} cannot be read: {reason_of(error)}"
            self.found.problems.append(told)
            return None


def _names(log: Log, folder: RunFiles) -> bool:
    told = log.settings.get("log_dir")
    wanted = Path(str(told)).parts if told else ()
    return bool(wanted) and folder.folder.parts[-2:] == wanted[-2:]


def _name(folder: RunFiles) -> str:
    path = folder.folder
    plain = folder.date is None and re.fullmatch(r"version_\d+", path.name)
    return f"{path.parent.name}/{path.name}" if plain else path.name


def _differs(run: Trained, config: Settings, path: Path) -> list[str]:
    """Settings of the file that are other than those the log dumped: it was edited since."""
    dump: Iterable[tuple[str, object]] = (run.log.settings if run.log else {}).items()
    moved = [
        key for key, value in dump
        if key in config and config[key] != value and key not in REWRITTEN
    ]  # fmt: skip
    if not moved:
        return []
    return [f"{path.as_posix()} is not what the log dumped: {', '.join(sorted(moved)[:8])} differ"]
