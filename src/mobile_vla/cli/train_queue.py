"""Train and evaluate the cases that the plan lists, a few at once, on an engine.

The plan is read from the evidence after every job, so a queue that was killed continues when it is
started again.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from mobile_vla.analysis.model import PlanItem
from mobile_vla.cli.run_options import Setting, progress
from mobile_vla.cli.select_run import book_of, run_to_train
from mobile_vla.cluster.engine import Engine, Job
from mobile_vla.cluster.job import JobSpec
from mobile_vla.cluster.local import LocalProcesses
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import sentence
from mobile_vla.runs.locks import sole_writer

LOSSES = 3
"""A case that an engine loses so often is given up."""


def train_all(chosen: Setting, engine: Engine[Any], jobs: int) -> int:
    """Work until nothing more can be done; 1 where a case failed for good, else 0.

    `jobs`: how many the engine has at once.

    Raises: UserError where another process works on all cases of this workspace.
    """
    with sole_writer(chosen.workspace.path / "queue", "training all cases"):
        return Queue(chosen, engine, jobs).work()


def train_here(chosen: Setting, jobs: int) -> int:
    """`train_all` by processes of this machine."""
    with LocalProcesses() as processes:
        return train_all(chosen, processes, jobs)


class Queue:
    """The cases of a study on their way through an engine."""

    def __init__(self, chosen: Setting, engine: Engine[Any], jobs: int) -> None:
        self._chosen, self._engine, self._jobs = chosen, engine, jobs
        self._book = book_of(chosen)
        self._running: dict[str, Job] = {}
        self._lost: set[str] = set()
        self._losses: Counter[str] = Counter()
        self._given_up: set[str] = set()

    def work(self) -> int:
        """Until nothing more can be done; 1 where a case failed for good, else 0."""
        with progress("training cases") as report:
            while self._start_ready():
                self._engine.follow(self._running.values())
                self._report(report)
                self._collect()
        return int(bool(self._given_up))

    def _start_ready(self) -> bool:
        """Start cases that need work, as many as there is room for; whether any job is there."""
        room = self._jobs - len(self._running)
        for view in self._ready()[:room] if room else ():
            self._start(view)
        return bool(self._running)

    def _ready(self) -> list[CaseView]:
        """Cases that need work and have no job."""
        items = {item.case: item for item in self._book.plan().items}
        busy = self._running.keys() | self._given_up
        return [
            view
            for view in self._book.cases()
            if view.name not in busy and (view.name in self._lost or needs_work(view, items))
        ]

    def _start(self, view: CaseView) -> None:
        spec, doing = job_spec(self._chosen, view, lost=view.name in self._lost)
        self._lost.discard(view.name)
        self._running[view.name] = self._engine.start(view.name, spec)
        say(f"{doing} {view.label or view.name} in {spec.run}")

    def _report(self, report: Any) -> None:
        jobs = self._running.values()
        note = ", ".join(f"{job.case[-24:]} {job.done}/{job.total}" for job in jobs if job.total)
        report(sum(job.done for job in jobs), sum(job.total for job in jobs), note)

    def _drop_ended(self) -> list[Job]:
        ended = [job for job in self._running.values() if job.code is not None]
        for job in ended:
            del self._running[job.case]
        return ended

    def _collect(self) -> None:
        """Take out the jobs that ended, and say how; a case that failed for good is given up."""
        for job in self._drop_ended():
            view = self._book.case(job.case)
            label = view.label or job.case
            if job.code == 0:
                say(f"{label}: finished and evaluated")
                continue
            attempts = [run for run in view.runs if run.resolved is not None]
            why = sentence(attempts[-1].why if attempts else view.why, "en")
            self._losses[job.case] += bool(job.lost)
            if job.lost and view.state != "finished" and self._losses[job.case] < LOSSES:
                self._lost.add(job.case)
                say(f"{label}: lost ({job.lost}); its files say: {why}")
                continue
            say(f"{label}: {why}")
            if len(attempts) >= view.attempts or job.lost:
                self._given_up.add(job.case)


def job_spec(chosen: Setting, view: CaseView, *, lost: bool = False) -> tuple[JobSpec, str]:
    """The job that brings a case on, and a word for it; a run folder is made where none goes on."""
    if not lost and is_unevaluated(view):
        doing, path = "evaluating", chosen.workspace.path / view.run.path  # type: ignore[union-attr]
    else:
        resume = _resumable(view, lost=lost)
        doing = "resuming" if resume else "training"
        path = run_to_train(chosen, view, resume=resume, lost=lost).path
    spec = JobSpec(
        run=str(path.absolute()),
        workspace=str(chosen.workspace.path.absolute()),
        scenes=chosen.profile.rollout_scenes,
    )
    return spec, doing


def needs_work(view: CaseView, items: dict[str, PlanItem]) -> bool:
    """Whether the plan would train or evaluate the case now."""
    return view.planned is not None and (items[view.name].state == "to_do" or is_unevaluated(view))


def is_unevaluated(view: CaseView) -> bool:
    """Whether its run finished, and its evaluation lacks."""
    run = view.run
    if run is None or run.state != "finished":
        return False
    return run.offline is None or run.rollouts is None


def _resumable(view: CaseView, *, lost: bool) -> bool:
    """`lost`: its engine lost the job, so that it ended wherever it ran, whatever its files say."""
    run = view.runs[-1] if lost and view.runs else view.run
    return (
        run is not None
        and (lost or run.state == "killed")
        and run.latest is not None
        and run.latest.problem is None
    )


def say(line: str) -> None:
    """Tell how the queue goes, at once."""
    print(line, file=sys.stderr, flush=True)
