"""Files below the scanned folders that may belong to a run, by kind. Links are not followed."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason

DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
LOGS = {".log", ".txt", ".out", ".err"}
DATABASES = {".db", ".sqlite", ".sqlite3"}
CONFIG_LIMIT = 4 * 1024 * 1024
VERSION = re.compile(r"version_\d+")


@dataclass(slots=True)
class RunFiles:
    """The files of one run folder of RoboVLMs or Lightning. `folder` is absolute."""

    folder: Path
    checkpoints: list[Path] = field(default_factory=list)
    metrics: list[Path] = field(default_factory=list)
    hparams: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)

    @property
    def date(self) -> str | None:
        """The date in RoboVLMs' path `…/<task>/<date>/<exp>`."""
        return self.folder.parent.name if DATE.match(self.folder.parent.name) else None

    @property
    def lightning(self) -> bool:
        """Whether its names are those that Lightning's own loggers write."""
        return bool(self.hparams or (self.metrics and VERSION.fullmatch(self.folder.name)))


@dataclass(slots=True)
class Discovered:
    """Every file that may belong to a run.

    `native`: run folders of mobile-vla itself. `unread`: formats that are recognised and not read.
    """

    folders: dict[Path, RunFiles] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    databases: list[Path] = field(default_factory=list)
    mlflow_runs: list[Path] = field(default_factory=list)
    wandb: list[Path] = field(default_factory=list)
    lerobot: list[Path] = field(default_factory=list)
    trainer_states: list[Path] = field(default_factory=list)
    histories: list[Path] = field(default_factory=list)
    native: list[Path] = field(default_factory=list)
    problems: list[Reason] = field(default_factory=list)
    unread: list[Reason] = field(default_factory=list)
    visited: set[str] = field(default_factory=set)


def walk(root: Path, discovered: Discovered) -> None:
    """Sort every file below `root`; a folder that cannot be entered is a problem."""

    def refuse(error: OSError) -> None:
        why = reason("import.system_error", text=reason_of(error))
        discovered.problems.append(reason("import.unreadable", file=str(error.filename), why=why))

    for name, folders, files in os.walk(root, onerror=refuse, followlinks=False):
        folder = Path(name)
        folders.sort()
        if os.path.realpath(folder) in discovered.visited:
            folders.clear()
            continue
        discovered.visited.add(os.path.realpath(folder))
        if "events.jsonl" in files and "case.yaml" in files:
            discovered.native.append(folder)
            folders.clear()
            continue
        _known_folders(discovered, folder, folders, set(files))
        for file in sorted(files):
            _sort(discovered, folder / file)


def _known_folders(
    discovered: Discovered, folder: Path, folders: list[str], files: set[str]
) -> None:
    """What is a folder: checkpoints of Lightning, DeepSpeed and accelerate; the store of Aim."""
    for name in [name for name in folders if name.endswith(".ckpt")]:
        _folder(discovered, folder / name).checkpoints.append(folder / name)
        folders.remove(name)
    if ".aim" in folders:
        folders.remove(".aim")
        discovered.unread.append(reason("import.seen_aim", file=(folder / ".aim").as_posix()))
    if any(name.endswith("model_states.pt") for name in files):
        discovered.unread.append(reason("import.seen_deepspeed", file=folder.as_posix()))
    elif "random_states_0.pkl" in files:
        discovered.unread.append(reason("import.seen_accelerate", file=folder.as_posix()))


NAMES = {"train_config.json": "lerobot", "trainer_state.json": "trainer_states"}
FOLDER_NAMES = {"metrics.csv": "metrics", "hparams.yaml": "hparams"}
KINDS = {".wandb": "wandb", **dict.fromkeys(DATABASES, "databases"), **dict.fromkeys(LOGS, "logs")}
"""Where files of a name, of a name in a run folder, and of a suffix belong."""


def _sort(discovered: Discovered, path: Path) -> None:
    if _is_no_file(path):
        return
    kind = path.suffix.lower()
    if path.name in NAMES:
        getattr(discovered, NAMES[path.name]).append(path)
    elif kind == ".ckpt":
        _folder(discovered, path).checkpoints.append(path)
    elif path.name in FOLDER_NAMES:
        getattr(_folder(discovered, path), FOLDER_NAMES[path.name]).append(path)
    elif path.name.startswith("events.out.tfevents."):
        _folder(discovered, path).events.append(path)
    elif path.name == "meta.yaml" and _contains(path, b"artifact_uri"):
        discovered.mlflow_runs.append(path)
    elif kind in KINDS:
        getattr(discovered, KINDS[kind]).append(path)
    elif kind == ".json":
        _sort_json(discovered, path)


def _is_no_file(path: Path) -> bool:
    """Whether it is a pipe, a device, or a link to nowhere; False where that cannot be known."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return os.path.islink(path)  # noqa: PTH114


def _sort_json(discovered: Discovered, path: Path) -> None:
    if _contains(path, b'"exp_name"'):
        discovered.configs.append(path)
    elif "history" in path.stem.lower():
        discovered.histories.append(path)


def _folder(discovered: Discovered, path: Path) -> RunFiles:
    folder = run_folder(path)
    return discovered.folders.setdefault(folder, RunFiles(folder))


def run_folder(path: Path) -> Path:
    """RoboVLMs' `…/<date>/<exp>`, else the folder above `checkpoints`, else the file's own."""
    path = absolute(path)
    for parent in path.parents:
        if DATE.match(parent.parent.name):
            return parent
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def absolute(path: Path | str) -> Path:
    """The absolute path; a link stays where it is."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _contains(path: Path, text: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return text in file.read(CONFIG_LIMIT)
    except OSError:
        return False
