"""Which log, folder and configuration belong to one run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.evidence.importers.discover import VERSION, RunFiles, absolute
from mobile_vla.evidence.importers.formats.run_log import RunLog
from mobile_vla.evidence.importers.formats.tolerant_config import Settings
from mobile_vla.evidence.importers.lightning_checkpoints import named_loss
from mobile_vla.messages.reason import Reason, reason

STAMP = re.compile(r"[_-]?\d{8}[_-]?\d{4,6}")
STAMP_DAY = re.compile(r"(20\d{2})(\d{2})(\d{2})[_-]?\d{4,6}")
REWRITTEN = {"cache_root", "output_root", "log_root"}
"""RoboVLMs changes these itself between the file and the dump."""

GENERIC_NAMES = frozenset({
    "train", "training", "nohup", "log", "logs", "output", "console", "stdout", "stderr",
    "run", "runs", "val", "validation", "eval", "checkpoints", "history",
})  # fmt: skip
"""Names of files and folders that say nothing of a run."""

FOLDER_KEYS = ("log_dir", "output_dir", "output_root", "default_root_dir")


@dataclass(slots=True)
class RunSources:
    """The files of one run. `notes`: about its configuration and how the files were joined."""

    name: str
    log_path: Path | None = None
    log: RunLog | None = None
    folder: RunFiles | None = None
    config_path: Path | None = None
    config: Settings = field(default_factory=dict)
    notes: list[Reason] = field(default_factory=list)


def log_name(log: RunLog) -> str | None:
    """The name that a log's configuration gives its run."""
    settings = log.settings
    if settings.get("exp_name") or not settings:
        return str(settings["exp_name"]) if settings.get("exp_name") else None
    output = str(settings.get("output_dir") or "").rstrip("/").rpartition("/")[2]
    return output or str(settings.get("job_name") or "") or None


def join_logs(logs: Iterable[tuple[Path, RunLog]]) -> tuple[list[RunSources], list[Reason]]:
    """A run for each log, and problems for logs that tell of none."""
    runs: list[RunSources] = []
    nameless = []
    problems: list[Reason] = []
    for path, log in logs:
        if name := log_name(log):
            runs.append(RunSources(name, path, log))
        else:
            nameless.append((path, log))
    for path, log in nameless:
        problems += _join_nameless(path, log, runs)
    return runs, problems


def _join_nameless(path: Path, log: RunLog, runs: list[RunSources]) -> list[Reason]:
    """A log without a configuration: its script's other logs say whose attempt it may be."""
    stem = STAMP.sub("", path.stem)
    near = [run for run in runs if run.log_path and STAMP.sub("", run.log_path.stem) == stem
            and run.log_path != path]  # fmt: skip
    if STAMP.search(path.stem) and len({run.name for run in near}) == 1 and near[0].log_path:
        note = reason("import.attempt_by_time", file=path.name, case=near[0].name,
                      other=near[0].log_path.name)  # fmt: skip
        runs.append(RunSources(near[0].name, path, log, notes=[note]))
    elif log.reached_data or log.val_losses or log.makers:
        note = reason("import.no_configuration", file=path.name)
        runs.append(RunSources(_stem_name(path), path, log, notes=[note]))
    elif log.ending:
        return [reason("import.ending_without_run", file=path.as_posix(),
                       text=log.ending.quote.text)]  # fmt: skip
    return []


def _stem_name(path: Path) -> str:
    """A log's name; its folder's where the log's own says nothing."""
    if path.stem.lower() not in GENERIC_NAMES:
        return path.stem
    return folder_name(absolute(path).parent)


def join_folder(folder: RunFiles, runs: list[RunSources]) -> None:
    """Give the folder to the run whose log belongs to it; else it is a run of its matching."""
    free = [run for run in runs if run.log and run.folder is None]
    for belongs in (_named, _inside, _saved, _dated, _same_losses):
        matching = [run for run in free if run.log and belongs(run, run.log, folder)]
        reached = [run for run in matching if run.log and run.log.reached_data]
        if reached or (matching and not folder.checkpoints):
            (reached or matching)[-1].folder = folder
            return
    runs.append(RunSources(folder_name(folder.folder), folder=folder))


def _named(run: RunSources, log: RunLog, folder: RunFiles) -> bool:
    """The log's configuration names the folder."""
    for key in FOLDER_KEYS:
        parts = Path(str(log.settings.get(key) or "")).parts
        if len(parts) > 1 and folder.folder.parts[-2:] == parts[-2:]:
            return True
    return False


def _inside(run: RunSources, log: RunLog, folder: RunFiles) -> bool:
    """The log lies in the run's own folder, or right above its `version_N`."""
    if run.log_path is None:
        return False
    parent = absolute(run.log_path).parent
    above = folder.folder.parent if VERSION.fullmatch(folder.folder.name) else folder.folder
    return folder.folder in (parent, *parent.parents) or parent == above


def _saved(run: RunSources, log: RunLog, folder: RunFiles) -> bool:
    """The log says that it saved checkpoints, and those are the folder's."""
    saved = {Path(name).parts[-2:] for name in log.checkpoints if len(Path(name).parts) > 2}
    stored = {path.parts[-2:] for path in folder.checkpoints}
    generic = {("checkpoints", name) for _, name in saved}
    return bool(saved & stored - generic) or any(
        Path(name).parts[-4:-1] == Path(path.parent.as_posix()).parts[-3:]
        for name in log.checkpoints for path in folder.checkpoints
    )  # fmt: skip


def _dated(run: RunSources, log: RunLog, folder: RunFiles) -> bool:
    """The folder has the run's name, and its date is that in the log's name."""
    day = STAMP_DAY.search(run.log_path.name) if run.log_path else None
    date = folder.date
    return folder.folder.name == run.name and bool(
        date is None or day is None or f"{day[1]}-{day[2]}-{day[3]}" == date
    )


def _same_losses(run: RunSources, log: RunLog, folder: RunFiles) -> bool:
    """At least two checkpoints state losses, and each is the log's at that epoch."""
    stated = [named_loss(path.name) for path in folder.checkpoints]
    pairs = {(epoch, loss) for epoch, loss in stated if epoch is not None and loss is not None}
    return len(pairs) > 1 and all(_has_loss(log, epoch, loss) for epoch, loss in pairs)


def _has_loss(log: RunLog, epoch: int, loss: str) -> bool:
    half = 0.501 * 10.0 ** -len(loss.partition(".")[2])
    return any(x.epoch == epoch and abs(x.value - float(loss)) <= half for x in log.val_losses)


def join_config(
    path: Path, config: Settings, warning: Reason | None, runs: list[RunSources]
) -> None:
    """Give a configuration file to the runs of its name; else nothing shows that it was run."""
    name, file = str(config.get("exp_name") or path.stem), path.as_posix()
    notes = [reason("import.file_problem", file=file, problem=warning)] if warning else []
    matching = [run for run in runs if run.name == name and run.config_path is None]
    for run in matching:
        run.config_path, run.config = path, config
        run.notes += notes + _differs(run, config, path)
    if not matching:
        runs.append(RunSources(name, config_path=path, config=config, notes=notes))


def folder_name(folder: Path) -> str:
    """A run folder's name, with the one above where its own says nothing, as `version_0`."""
    generic = VERSION.fullmatch(folder.name) or folder.name.lower() in GENERIC_NAMES
    return f"{folder.parent.name}/{folder.name}" if generic else folder.name


def _differs(run: RunSources, config: Settings, path: Path) -> list[Reason]:
    """Settings of the file that differ from the log's dump: it was edited since."""
    dump = run.log.settings.items() if run.log else ()
    keys: Sequence[str] = sorted(
        key for key, value in dump
        if key in config and config[key] != value and key not in REWRITTEN
    )  # fmt: skip
    if not keys:
        return []
    return [reason("import.config_differs", file=path.as_posix(), keys=list(keys[:8]))]
