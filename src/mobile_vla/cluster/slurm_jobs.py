"""The jobs that were submitted to SLURM, and what SLURM says of them now.

A run's state is read from its files; SLURM's view stands beside it where a job still waits or runs,
or where the two disagree.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.files import open_own

ASK_SECONDS = 20.0
SAME_SUBMISSION = timedelta(hours=1)
"""A job that was submitted longer before ours is another job: SLURM uses its numbers again."""
UNDER_WAY = frozenset(
    ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "RUNNING", "COMPLETING")
)
LIST = ("squeue", "--noheader", "--array", "--me", "--states=all", "--format=%i|%T|%V")
ACCOUNTS = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,Submit")


class SlurmJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it was submitted. `run`: the run folder's path in the workspace."""

    job: str
    case: str
    run: str
    submitted: datetime


def jobs_file(workspace: Path) -> Path:
    """Where the jobs of a workspace are written down."""
    return workspace / "cluster" / "slurm.jsonl"


def write_jobs(workspace: Path, jobs: Iterable[SlurmJob]) -> None:
    """Append jobs to the workspace's file."""
    lines = b"".join(msgspec.json.encode(job) + b"\n" for job in jobs)
    descriptor = open_own(jobs_file(workspace), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, lines)
    finally:
        os.close(descriptor)


def newest_jobs(workspace: Path) -> dict[str, SlurmJob]:
    """The newest job of each case; a damaged line is left out."""
    try:
        lines = jobs_file(workspace).read_bytes().splitlines()
    except OSError:
        return {}
    jobs = {}
    for line in lines:
        try:
            job = msgspec.json.decode(line, type=SlurmJob)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        jobs[job.case] = job
    return jobs


def ask_slurm(jobs: Sequence[SlurmJob]) -> dict[str, str]:
    """SLURM's state of each case's job, by case; jobs that it no longer knows are absent.

    Both of its lists are asked, since a site may have no accounting, and a job leaves the queue's.
    """
    if not jobs:
        return {}
    accounts = (*ACCOUNTS, "--jobs", ",".join(job.job for job in jobs))
    states = _states(accounts) | _states(LIST)
    return {
        job.case: states[job.job][0]
        for job in jobs
        if job.job in states and _is_same(job, states[job.job][1])
    }


def _states(command: Sequence[str]) -> dict[str, tuple[str, str]]:
    """State and time of submission by job id, as SLURM prints them."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return {row[0]: (row[1].split(" ")[0], row[2]) for row in rows if len(row) == 3 and row[1]}


def _is_same(job: SlurmJob, submitted: str) -> bool:
    """Whether a job of this number was submitted when ours was; a requeue keeps the number only."""
    try:
        at = datetime.fromisoformat(submitted).astimezone()
    except ValueError:
        return True
    return at > job.submitted - SAME_SUBMISSION


def beside_evidence(workspace: Path, cases: Sequence[CaseView]) -> list[Reason]:
    """What SLURM says, where a job is under way or its end is not what the run's files say."""
    newest = newest_jobs(workspace)
    states = ask_slurm(list(newest.values()))
    runs = {run.path: (case, run) for case in cases for run in case.runs}
    return [
        line
        for name, word in states.items()
        if newest[name].run in runs
        for line in _beside(newest[name], word, *runs[newest[name].run])
    ]


def _beside(job: SlurmJob, word: str, case: CaseView, run: RunView) -> list[Reason]:
    fields = {"case": case.label or case.name, "job": job.job, "word": word}
    if word in UNDER_WAY and run.state not in ("finished", "failed"):
        return [reason("slurm.under_way", **fields)]
    if (word == "COMPLETED") != (run.state == "finished"):
        return [reason("slurm.disagrees", **fields, state=run.state, cause=run.why)]
    return []
