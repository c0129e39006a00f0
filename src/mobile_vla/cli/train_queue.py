"""Train and evaluate the cases that the plan lists, a few at once, each in its own process.

The plan is read from the evidence after every job, so a queue that was killed continues when it is
started again.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.model import PlanItem
from mobile_vla.cli.run_options import Setting, progress
from mobile_vla.cli.select_run import book_of, run_to_train
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.locks import sole_writer
from mobile_vla.runs.process import end_with_parent
from mobile_vla.runs.workspace import Workspace

PRELOADED = [
    "mobile_vla.training.setup",
    "mobile_vla.evaluation.rollouts",
    "transformers.models.kosmos2.modeling_kosmos2",
    "peft",
]
"""Imported once by the server that the jobs are forked from."""


@dataclass(slots=True)
class Job:
    """One case being trained, or only evaluated."""

    case: str
    process: Any
    messages: Connection
    done: int = 0
    total: int = 0


def train_all(chosen: Setting, jobs: int) -> int:
    """Work until nothing more can be done; 1 where a case failed for good, else 0.

    Raises: UserError where another process works on all cases of this workspace.
    """
    with sole_writer(chosen.workspace.path / "queue", "training all cases"):
        return _work_through(chosen, jobs)


def _work_through(chosen: Setting, jobs: int) -> int:
    from mobile_vla.simulator.render import choose_backend

    choose_backend()  # its variables must be set before the server starts
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    book = book_of(chosen)
    running: dict[str, Job] = {}
    given_up: set[str] = set()
    with progress("training cases") as report:
        try:
            while True:
                for view in _ready(book, running, given_up)[: jobs - len(running)]:
                    running[view.name] = _start(context, chosen, view)
                if not running:
                    break
                _wait(running, report, len(chosen.study.cases))
                _collect(running, book, given_up)
        finally:
            for job in running.values():
                job.process.join()
    return int(bool(given_up))


def _ready(book: Casebook, running: dict[str, Job], given_up: set[str]) -> list[CaseView]:
    """Cases that need work and have no job."""
    items = {item.case: item for item in book.plan().items}
    return [
        view
        for view in book.cases()
        if view.name not in running and view.name not in given_up and _to_do(view, items)
    ]


def _to_do(view: CaseView, items: dict[str, PlanItem]) -> bool:
    return view.planned is not None and (items[view.name].state == "to_do" or _unevaluated(view))


def _unevaluated(view: CaseView) -> bool:
    run = view.run
    if run is None or run.state != "finished":
        return False
    return run.offline is None or run.rollouts is None


def _start(context: Any, chosen: Setting, view: CaseView) -> Job:
    """Fork a process that trains (or resumes) the case and evaluates it."""
    train, resume = not _unevaluated(view), _resumable(view)
    if train:
        run = run_to_train(chosen, view.name, resume=resume)
    else:
        run = RunFolder(chosen.workspace.path / view.run.path)  # type: ignore[union-attr]
    receiver, sender = context.Pipe(duplex=False)
    arguments = {
        "run_path": run.path,
        "workspace_path": chosen.workspace.path,
        "scenes": chosen.profile.rollout_scenes,
        "train": train,
        "resume": resume,
        "sender": sender,
    }
    process = context.Process(target=work, kwargs=arguments, name=view.name)
    process.start()
    sender.close()
    doing = "resuming" if resume else "training" if train else "evaluating"
    print(f"{doing} {view.label or view.name} in {run.path}", file=sys.stderr, flush=True)
    return Job(view.name, process, receiver)


def _resumable(view: CaseView) -> bool:
    run = view.run
    return (
        run is not None
        and run.state == "killed"
        and run.latest is not None
        and run.latest.problem is None
    )


def _wait(running: dict[str, Job], report: Any, cases: int) -> None:
    """Until a job ends; show how far all of them are."""
    while all(job.process.is_alive() for job in running.values()):
        sources: Sequence[Any] = [job.messages for job in running.values()]
        sentinels = [job.process.sentinel for job in running.values()]
        for source in wait([*sources, *sentinels], timeout=1.0):
            if isinstance(source, Connection):
                _listen(running, source)
        note = ", ".join(
            f"{name[-24:]} {job.done}/{job.total}" for name, job in running.items() if job.total
        )
        report(sum(job.done for job in running.values()), sum(j.total for j in running.values()),
               note)  # fmt: skip


def _listen(running: dict[str, Job], source: Connection) -> None:
    job = next(job for job in running.values() if job.messages is source)
    try:
        job.done, job.total = source.recv()
    except EOFError:
        job.process.join()


def _collect(running: dict[str, Job], book: Casebook, given_up: set[str]) -> None:
    """Take out the jobs that ended, and say how; a case that failed for good is given up."""
    for name in [name for name, job in running.items() if not job.process.is_alive()]:
        job = running.pop(name)
        job.process.join()
        view = book.case(name)
        label = view.label or name
        if job.process.exitcode == 0:
            print(f"{label}: finished and evaluated", file=sys.stderr, flush=True)
            continue
        attempts = [run for run in view.runs if run.resolved is not None]
        why = attempts[-1].why if attempts else view.why
        print(f"{label}: {sentence(why, 'en')}", file=sys.stderr, flush=True)
        if len(attempts) >= view.attempts:
            given_up.add(name)


def work(
    *,
    run_path: Path,
    workspace_path: Path,
    scenes: int,
    train: bool,
    resume: bool,
    sender: Connection,
) -> None:
    """A job: train (or resume) the run, then evaluate it. One torch thread; its own console log."""
    import torch

    from mobile_vla.evaluation.evaluate import evaluate_run
    from mobile_vla.training.run import train as train_run

    end_with_parent()
    torch.set_num_threads(1)
    run, workspace = RunFolder(run_path), Workspace(workspace_path)
    count = _Throttle(sender)
    try:
        if train:
            ended = train_run(run, workspace, resume=resume, terminal=False, progress=count)
            if ended.outcome != "finished":
                sys.exit(1)
    except UserError:  # the run's record and its log have it
        sys.exit(1)
    try:
        evaluate_run(run, workspace, scenes)
    except UserError as error:
        with open(run.console, "a", encoding="utf-8") as log:
            print(*error.faults, sep="\n", file=log)
        sys.exit(1)


class _Throttle:
    """Sends every tenth step to the queue; a queue that is gone is no fault of the job."""

    def __init__(self, sender: Connection) -> None:
        self._sender: Connection | None = sender

    def __call__(self, done: int, total: int, note: str) -> None:
        if self._sender is None or (done % 10 and done != total):
            return
        try:
            self._sender.send((done, total))
        except OSError:
            self._sender = None
