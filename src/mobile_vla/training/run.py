"""One run of a case: preflight, training, and a record of how it ended, in all cases."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import EventLog, Exit, Preflight, Start, file_hashes, skim_events
from mobile_vla.runs.files import sweep_parts
from mobile_vla.runs.folder import RunFolder, new_run
from mobile_vla.runs.locks import sole_writer
from mobile_vla.runs.process import this_process
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.case_file import read_case, write_case
from mobile_vla.study.models import ResolvedCase
from mobile_vla.training.console import LOG, console_to
from mobile_vla.training.data import case_manifest
from mobile_vla.training.launch import launch
from mobile_vla.training.malloc import keep_freed_memory
from mobile_vla.training.preflight import (
    Checklist,
    CheckResult,
    Refused,
    check_paths,
    check_trackers,
)
from mobile_vla.training.stop_signals import stop_on_signals

if TYPE_CHECKING:
    from mobile_vla.training.rank_group import RankGroup
    from mobile_vla.training.setup import CheckedRun
    from mobile_vla.training.train_state import Position, Progress


INPUTS = ("case.yaml", "manifest.json", "load_report.json", "environment.json")
"""Files of a run that stand when its preflight has passed."""


def begin_run(case: ResolvedCase, workspace: Workspace) -> RunFolder:
    """A new run folder with its case in it."""
    run = new_run(workspace.runs, case.case, datetime.now())
    write_case(run.case_yaml, case)
    return run


@dataclass(slots=True)
class TrainingSession:
    """One process's work on a run."""

    run: RunFolder
    case: ResolvedCase
    workspace: Workspace
    events: EventLog
    resume: bool
    check_only: bool
    progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)
    position: Position | None = None

    @property
    def continues_checkpoint(self) -> bool:
        """Whether it resumes from a checkpoint; a run killed before its first one starts again."""
        return self.resume and self.run.latest_step is not None

    @property
    def steps(self) -> int:
        """Optimiser steps done so far."""
        return self.position.step if self.position else 0


def train(
    run: RunFolder,
    workspace: Workspace,
    *,
    resume: bool = False,
    check_only: bool = False,
    terminal: bool = True,
    progress: Progress = lambda done, total, note: None,
) -> Exit:
    """Train the case of `run` to its end, record how it ended, and return that.

    `resume` continues from the latest checkpoint, or from the start if the run has none;
    `check_only` stops after the preflight; `terminal` also shows the lines of the console log.
    Every exception is recorded in the run's events and console log before it is raised.

    Raises:
        Refused: a check of the preflight failed.
        NotFinite: a loss or gradient was NaN or infinite.
        UserError: the disk is full, a file is damaged, or the like.
    """
    keep_freed_memory()
    case = read_case(run.case_yaml)
    events = EventLog(run.events)
    session = TrainingSession(run, case, workspace, events, resume, check_only, progress)
    with (
        sole_writer(run.path, f"training {case.case}"),
        console_to(run.console, also_terminal=terminal),
        stop_on_signals(session.stop),
    ):
        sweep_parts(run.path)  # half-written files of a process that was killed
        try:
            ended = _run_session(session)
        except BaseException as error:
            _print(error)
            with contextlib.suppress(UserError):  # a full disk must not hide the first fault
                events.append(_ending(error, session.steps))
            raise
        events.append(ended)
    return ended


def _run_session(session: TrainingSession) -> Exit:
    step = session.run.latest_step if session.resume else None
    session.events.append(Start(process=this_process(), argv=sys.argv, resumed_at_step=step))
    if session.resume:
        _reconcile(session)
    checked = _preflight(session)
    session.position = checked.position
    if session.check_only:
        return Exit(outcome="finished", step=0, reason="preflight only, nothing was trained")
    return _fit(session, checked)


def _reconcile(session: TrainingSession) -> None:
    """Record the latest checkpoint where a kill came between its folder and its event."""
    from mobile_vla.training.run_checkpoints import unrecorded_checkpoint

    events = [line.event for line in skim_events(session.run.events) if line.event is not None]
    if (event := unrecorded_checkpoint(session.run, events)) is not None:
        session.events.append(event)


def _preflight(session: TrainingSession) -> CheckedRun:
    """The run, once all checks have passed; what they found is recorded in any case."""
    checklist = Checklist([])
    try:
        checked = _all_checks(session, checklist)
    except Refused:
        session.events.append(Preflight(checks=checklist.checks))
        raise
    from mobile_vla.training.loop import total_steps

    case = session.case
    for check in checklist.checks:
        print(f"preflight: {check.name}: {check.detail}")
    total = total_steps(case.recipe, checked.manifest)
    files = file_hashes(session.run.path, INPUTS)
    session.events.append(Preflight(checks=checklist.checks, total_steps=total, files=files))
    return checked


def _all_checks(session: TrainingSession, checklist: Checklist) -> CheckedRun:
    run, case, workspace = session.run, session.case, session.workspace
    manifest = _check_episodes(session, checklist)
    paths_exist = check_paths(checklist, case)
    tracked = check_trackers(checklist, case)
    if not (tracked and all(paths_exist)) and not session.check_only:
        checklist.refuse()  # at once: torch and the other weights take their time
    from mobile_vla.training.ranks import check_ranks
    from mobile_vla.training.setup import check_run

    resume = session.continues_checkpoint
    if launch().ranks(case.ranks) > 1:
        check_ranks(checklist, case, resume=resume)
    return check_run(
        run, case, manifest, workspace, checklist, paths_exist=paths_exist, resume=resume
    )


def _fit(session: TrainingSession, checked: CheckedRun) -> Exit:
    from mobile_vla.training.ranks import all_ranks

    with all_ranks(checked, session.run, session.case, session.workspace, session.events) as joined:
        return _fit_together(session, *joined)


def _fit_together(session: TrainingSession, checked: CheckedRun, world: RankGroup) -> Exit:
    from mobile_vla.policy.lora import hash_base
    from mobile_vla.training.loop import epoch_steps, fit, total_steps
    from mobile_vla.training.run_checkpoints import prune
    from mobile_vla.training.setup import assemble

    run, case, workspace = session.run, session.case, session.workspace
    training, position = assemble(
        checked, run, case, workspace, session.events,
        stop=session.stop, progress=session.progress, world=world,
    )  # fmt: skip
    assert training.metrics is not None
    if session.continues_checkpoint:  # what a kill between the checkpoint and its pruning left
        prune(run, training.keep_epochs * epoch_steps(training.recipe, training.manifest))
    print(training.tensors.summary())
    total = total_steps(training.recipe, training.manifest)
    frozen = hash_base(training.policy.backbone)
    try:
        fit(training, position)
    except BaseException:
        training.metrics.close("failed")
        raise
    early = position.step < total and position.gives_up(case.recipe)
    training.metrics.close("success" if early or position.step == total else "failed")
    if session.stop.is_set() and position.step < total and not early:
        saved = "is saved" if session.run.latest_step == position.step else "is not saved"
        reason = f"a signal asked it to stop; step {position.step} of {total} {saved}"
        return Exit(outcome="interrupted", step=position.step, reason=reason)
    if hash_base(training.policy.backbone) != frozen:
        raise RuntimeError("frozen weights changed while training")
    reason = f"{position.step} of {total} steps; the frozen weights are unchanged"
    if early:
        reason = f"{case.recipe.best_by} had no new best for {position.since_best} epochs; {reason}"
    files = training.metrics.bound_files()
    return Exit(
        outcome="finished", step=position.step, reason=reason, files=files,
        early=early or msgspec.UNSET,
    )  # fmt: skip


def _check_episodes(session: TrainingSession, checklist: Checklist) -> Manifest | None:
    """The run's manifest, pinned; None where the episodes that the case asks for are not there."""
    pinned: list[Manifest] = []

    def episodes() -> CheckResult:
        manifest = case_manifest(session.case, session.workspace)
        _pin(session, manifest)
        pinned.append(manifest)
        train, val = len(manifest.split("train")), len(manifest.split("val"))
        counts = {"train": float(train), "val": float(val)}
        return f"{train} train and {val} validation, manifest {manifest.hash[:12]}", counts

    checklist.run("episodes", episodes)
    return pinned[0] if pinned else None


def _pin(session: TrainingSession, manifest: Manifest) -> None:
    """Write the manifest; a resumed run must find the one that it began with."""
    if not (session.resume and session.run.manifest.exists()):
        write_manifest(session.run.manifest, manifest)
        return
    pinned = read_manifest(session.run.manifest)
    if pinned.hash != manifest.hash:
        raise UserError(
            f"The data set changed since {session.run.path} began (manifest {pinned.hash[:12]}…, "
            f"now {manifest.hash[:12]}…): restore it, or train the case anew."
        )


def _ending(error: BaseException, step: int) -> Exit:
    """How the run ended, as its record says it."""
    from mobile_vla.training.schedules import NotFinite

    name = type(error).__name__
    if isinstance(error, Refused):
        return Exit(outcome="refused", step=step, reason=str(error))
    if isinstance(error, NotFinite):
        return Exit(outcome="nan", step=step, reason=str(error))
    if isinstance(error, KeyboardInterrupt):
        return Exit(outcome="interrupted", step=step, reason="interrupted from the keyboard")
    return Exit(outcome="exception", step=step, reason=str(error) or name, exception=name)


def _print(error: BaseException) -> None:
    """Write a traceback, or only the sentences of a `UserError`, to the log.

    The terminal is left out: the caller prints the exception.
    """
    lines = (
        [f"{fault}\n" for fault in error.faults]
        if isinstance(error, UserError)
        else traceback.format_exception(error)
    )
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # a full disk must not hide the first fault
        os.write(LOG, "".join(lines).encode(errors="replace"))
