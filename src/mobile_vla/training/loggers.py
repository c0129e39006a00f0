"""Log a run's metrics to `metrics.csv`, which is the record, and to the trackers of its profile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import FileHash
from mobile_vla.runs.files import write_json
from mobile_vla.runs.metrics_csv import MetricsFile

if TYPE_CHECKING:
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.study.models import ResolvedCase

RUN_TAG = "mobile_vla.run"
MODULES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}


def require_installed(loggers: Sequence[str]) -> None:
    """Check that the library of each tracker is installed.

    Raises:
        UserError: one sentence for each library that is missing.
    """
    missing = [name for name in loggers if find_spec(MODULES[name]) is None]
    if missing:
        raise UserError(
            *(
                f"The tracker {name} is not installed: pip install 'mobile-vla[{name}]', or take "
                "it out of the profile's record.loggers."
                for name in missing
            )
        )


class MetricsLogger:
    """Appends each row to `metrics.csv`, then to every tracker.

    A tracker that fails is named in the console log and dropped. The run continues without it:
    `metrics.csv` has every number.
    """

    def __init__(self, file: MetricsFile, trackers: Sequence[Any] = ()) -> None:
        self.file = file
        self._trackers = list(trackers)

    def append(self, **values: float) -> None:
        """One row; its `step` is the trackers' step, `epoch` one of their curves."""
        self.file.append(**values)
        curves = {name: float(value) for name, value in values.items() if name != "step"}
        self._each(lambda tracker: tracker.log_metrics(curves, step=int(values["step"])))

    def bound_files(self) -> dict[str, FileHash]:
        """`metrics.csv` as it was written so far, for an event's `files`."""
        return {self.file.path.name: self.file.written()}

    def sync(self) -> None:
        """Force what was appended to the disk, as a checkpoint is about to rest on it."""
        self.file.sync()
        self._each(_flush)

    def close(self, status: str) -> None:
        """End all trackers with a status, "success" or "failed"."""
        self._each(lambda tracker: _finish(tracker, status))
        self._trackers = []

    def _each(self, call: Callable[[Any], object]) -> None:
        for tracker in tuple(self._trackers):
            try:
                call(tracker)
            except Exception as error:  # a tracker's library may raise anything
                self._trackers.remove(tracker)
                name = type(tracker).__name__
                print(f"{name} failed and is left; metrics.csv goes on: {error!r}", flush=True)


class TensorBoard:
    """Event files in a folder, written by the caller's own thread.

    The writers of tensorboardX and Lightning hand events to a thread of theirs; where that dies on
    a full disk, the training that feeds it waits for ever.
    """

    def __init__(self, folder: Path, *, purge_from: int | None) -> None:
        """`purge_from`: TensorBoard then hides what earlier files have after this step."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        self.experiment = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        if purge_from is not None:
            start = SessionLog(status=SessionLog.START)
            event = Event(wall_time=time.time(), step=purge_from + 1, session_log=start)
            self.experiment.write_event(event)

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """One event with all these curves' values at `step`."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=points))
        self.experiment.write_event(event)

    def finalize(self, status: str) -> None:
        """Write out and close; an event file says nothing of how its run ended (`status`)."""
        self.experiment.close()


def open_loggers(
    run: RunFolder, case: ResolvedCase, workspace: Workspace, *, resumed_at: int | None
) -> MetricsLogger:
    """Open the loggers of a run; `resumed_at` drops the rows after the step of its checkpoint.

    Raises:
        UserError: a tracker cannot be opened.
    """
    trackers = [_open(name, run, case, workspace, resumed_at) for name in case.record.loggers]
    file = MetricsFile(run.metrics, keep_to_step=resumed_at, probes=case.recipe.probes)
    return MetricsLogger(file, trackers)


def _open(
    name: str, run: RunFolder, case: ResolvedCase, workspace: Workspace, resumed_at: int | None
) -> Any:
    try:
        if name == "tensorboard":
            return TensorBoard(run.path / name, purge_from=resumed_at)
        tracker = _mlflow(run, case, workspace) if name == "mlflow" else _wandb(run, case)
        if resumed_at is None:
            tracker.log_hyperparams(msgspec.to_builtins(case))
        return tracker
    except Exception as error:  # a tracker's library may raise anything
        raise UserError(
            f"The tracker {name} cannot be opened ({error!r}): mend it, or take it out of the "
            "profile's record.loggers."
        ) from error


def _mlflow(run: RunFolder, case: ResolvedCase, workspace: Workspace) -> Any:
    """MLFLOW_TRACKING_URI, else `mlflow.db` in the workspace; one MLflow run a run folder."""
    from lightning.pytorch.loggers import MLFlowLogger

    file = run.path / "mlflow.json"
    run_id = msgspec.json.decode(file.read_bytes())["run_id"] if file.exists() else None
    local = f"sqlite:///{(workspace.path / 'mlflow.db').resolve()}"
    tracker = MLFlowLogger(
        experiment_name=case.study,
        run_name=f"{case.case}/{run.path.name}",
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or local,
        tags={RUN_TAG: str(run.path)},
        run_id=run_id,
    )
    write_json(file, {"run_id": tracker.run_id})
    return tracker


def _wandb(run: RunFolder, case: ResolvedCase) -> Any:
    """Offline in the run's folder, unless WANDB_MODE says otherwise; one id a run folder."""
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(
        name=f"{case.case}/{run.path.name}",
        project=case.study,
        save_dir=run.path,
        id=f"{case.case}-{run.path.name}",
        resume="allow",
        offline=os.environ.get("WANDB_MODE", "offline") == "offline",
    )


def _flush(tracker: Any) -> None:
    """Flush a tracker that buffers lines, as TensorBoard's event file does."""
    getattr(tracker.experiment, "flush", lambda: None)()


def _finish(tracker: Any, status: str) -> None:
    """W&B's own end too: its file is written out then, and says how the run ended."""
    tracker.finalize(status)
    finish = getattr(tracker.experiment, "finish", lambda exit_code: None)
    finish(exit_code=int(status != "success"))
