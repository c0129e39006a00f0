"""Jobs as processes of this machine, forked from a server that has imported what all need."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from mobile_vla.cluster.engine import Job
from mobile_vla.cluster.job import JobSpec, work
from mobile_vla.runs.process import end_with_parent

PRELOADED = [
    "mobile_vla.training.setup",
    "mobile_vla.evaluation.rollouts",
    "transformers.models.kosmos2.modeling_kosmos2",
    "peft",
]
"""Imported once by the server that the jobs are forked from."""


@dataclass(slots=True, kw_only=True)
class LocalJob(Job):
    """A job with its process, and the pipe that its progress comes by."""

    process: Any
    messages: Connection


class LocalProcesses:
    """The engine of one machine."""

    def __init__(self) -> None:
        from mobile_vla.simulator.render import choose_backend

        choose_backend()  # its variables must be set before the server starts
        self._context: Any = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._processes: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the jobs: Ctrl-C reaches them too, and each writes a checkpoint."""
        for process in self._processes:
            process.join()

    def start(self, case: str, spec: JobSpec) -> LocalJob:
        """Fork a process for the job."""
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(spec, sender), name=case)
        process.start()
        sender.close()
        self._processes.append(process)
        return LocalJob(case=case, process=process, messages=receiver)

    def follow(self, jobs: Collection[LocalJob]) -> None:
        """Take what the jobs send until one ends, or a second passes in silence."""
        sources: Sequence[Any] = [job.messages for job in jobs]
        sentinels = [job.process.sentinel for job in jobs]
        for source in wait([*sources, *sentinels], timeout=1.0):
            if isinstance(source, Connection):
                _listen(next(job for job in jobs if job.messages is source))
        for job in jobs:
            if not job.process.is_alive():
                job.process.join()
                job.code = job.process.exitcode


def _listen(job: LocalJob) -> None:
    try:
        job.done, job.total = job.messages.recv()
    except EOFError:
        job.process.join()


def _work(spec: JobSpec, sender: Connection) -> None:
    end_with_parent()
    sys.exit(work(spec, _Throttle(sender)))


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
