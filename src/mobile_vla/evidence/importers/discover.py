"""What lies below the folders that are scanned, by kind of file. Links are not followed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
LOGS = {".log", ".txt", ".out"}
DATABASES = {".db", ".sqlite", ".sqlite3"}
CONFIG_LIMIT = 4 * 1024 * 1024


@dataclass(slots=True)
class RunFiles:
    """The files of one run folder of RoboVLMs or Lightning."""

    folder: Path
    checkpoints: list[Path] = field(default_factory=list)
    metrics: list[Path] = field(default_factory=list)
    hparams: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)

    @property
    def date(self) -> str | None:
        """The date in RoboVLMs' path `…/<task>/<date>/<exp>`."""
        return self.folder.parent.name if DATE.match(self.folder.parent.name) else None


@dataclass(slots=True)
class Found:
    """Everything that may tell of a run. `own`: run folders that mobile-vla made itself."""

    folders: dict[Path, RunFiles] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    mlflow: list[Path] = field(default_factory=list)
    wandb: list[Path] = field(default_factory=list)
    lerobot: list[Path] = field(default_factory=list)
    own: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def walk(root: Path, found: Found) -> None:
    """Sort every file below `root` into `found`; a folder that cannot be entered is a problem."""

    def refused(error: OSError) -> None:
        found.problems.append(f"{error.filename} cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=refused, followlinks=False):
        folders.sort()
        if "events.jsonl" in files and "case.yaml" in files:
            found.own.append(Path(folder))
            folders.clear()
            continue
        for name in sorted(files):
            _sort(found, Path(folder) / name)


def _sort(found: Found, path: Path) -> None:
    if os.path.islink(path) and not os.path.isfile(path):  # noqa: PTH113, PTH114  # never raise
        return
    kind = path.suffix.lower()
    if kind == ".ckpt":
        _folder(found, path).checkpoints.append(path)
    elif path.name == "metrics.csv":
        _folder(found, path).metrics.append(path)
    elif path.name == "hparams.yaml":
        _folder(found, path).hparams.append(path)
    elif path.name.startswith("events.out.tfevents."):
        _folder(found, path).events.append(path)
    elif path.name == "train_config.json":
        found.lerobot.append(path)
    elif kind == ".wandb":
        found.wandb.append(path)
    elif kind in DATABASES:
        found.mlflow.append(path)
    elif kind in LOGS:
        found.logs.append(path)
    elif kind == ".json" and _names_an_experiment(path):
        found.configs.append(path)


def _folder(found: Found, path: Path) -> RunFiles:
    folder = _run_folder(path)
    return found.folders.setdefault(folder, RunFiles(folder))


def _run_folder(path: Path) -> Path:
    """RoboVLMs' `…/<date>/<exp>`, else the folder above `checkpoints`, else the file's own."""
    for parent in path.parents:
        if DATE.match(parent.parent.name):
            return parent
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def _names_an_experiment(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return b'"exp_name"' in file.read(CONFIG_LIMIT)
    except OSError:
        return False
