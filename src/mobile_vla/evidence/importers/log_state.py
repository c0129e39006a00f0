"""The state of a run by its log's ending and its folder."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.evidence.importers.formats.run_log import RunLog
from mobile_vla.evidence.importers.join_files import RunSources
from mobile_vla.evidence.importers.run_builder import Files
from mobile_vla.evidence.model import Evidence, Foreign, State
from mobile_vla.messages.reason import Reason, reason

Verdict = tuple[tuple[State, Reason], list[Evidence]]


def run_state(run: RunSources, foreign: Foreign, files: Files) -> Verdict:
    """State, reason and evidence: by the log where there is one, else by the folder."""
    if run.log_path is not None and run.log is not None:
        return _by_log(run.log_path, run.log, foreign, files)
    if run.folder is not None:
        return _by_folder(run.folder.folder, foreign, files)
    why = reason("import.configuration_only")
    return ("unknown", why), [files.at(run.config_path or Path())]


def _by_log(path: Path, log: RunLog, foreign: Foreign, files: Files) -> Verdict:
    place = how_far(log)
    if log.ending is None:
        return ("unknown", reason("import.log_silent", place=place)), [files.at(path)]
    quote = log.ending.quote
    at = files.line(path, quote.line)
    if log.ending.state == "finished":
        return _finished(quote.text, at, foreign)
    why = reason("import.log_ending", text=quote.text, place=place)
    return (log.ending.state, why), [at]


def _finished(text: str, at: Evidence, foreign: Foreign) -> Verdict:
    if foreign.checkpoints is None:
        return ("finished", reason("import.finished_not_scanned", text=text)), [at]
    loading = [view for view in foreign.checkpoints if view.problem is None]
    if not loading:
        return ("unverified", reason("import.finished_none_loads", text=text)), [at]
    return ("finished", reason("import.finished_loads", text=text)), [at, loading[-1].evidence]


def _by_folder(folder: Path, foreign: Foreign, files: Files) -> Verdict:
    views, losses = foreign.checkpoints or [], foreign.val_losses
    loading = sum(view.problem is None for view in views)
    evidence = [view.evidence for view in views] + [loss.evidence for loss in losses[-1:]]
    evidence = evidence or [files.at(folder)]
    total = foreign.max_epochs
    if total is not None and losses and losses[-1].epoch == total - 1:
        if loading:
            return ("finished", reason("import.curve_complete_loads", epochs=total)), evidence
        return ("unverified", reason("import.curve_complete_none", epochs=total)), evidence
    if not views:
        return ("unknown", reason("import.folder_no_checkpoint")), evidence
    why = reason("import.folder_checkpoints", count=len(views), loading=loading)
    return ("unknown", why), evidence


def how_far(log: RunLog) -> Reason:
    """How far the log shows the run to be."""
    progress = log.progress
    if progress is None:
        return reason("import.after_data" if log.blocks else "import.before_data")
    if progress.epoch is not None:
        return reason("import.at_epoch", epoch=progress.epoch, step=progress.done,
                      steps=progress.of or 0)  # fmt: skip
    code = "import.at_step" if progress.unit == "step" else "import.at_printed_epoch"
    return reason(code, progress=[progress.done, progress.of])
