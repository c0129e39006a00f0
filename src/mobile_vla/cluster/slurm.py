"""Jobs of SLURM, by submitit: one array for the cases that can begin at once, others after them.

The submission ends at once; SLURM starts, requeues and holds back the jobs by itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mobile_vla.cluster.job import JobSpec
from mobile_vla.cluster.slurm_jobs import SlurmJob, jobs_file, write_jobs
from mobile_vla.messages.errors import UserError

MINUTES = 24 * 60
"""A job's limit where the variable SBATCH_TIMELIMIT sets none."""
WARNING_SECONDS = 120
"""How long before a limit SLURM warns, for the step to end and the checkpoint to be written."""
REQUEUES = 1000


IGNORE_WARNING = ("sh", "-c", "trap '' USR2; exec \"$@\"", "sh")
"""SLURM warns all processes of a job; this one alone acts upon it, and stops the others."""


class CaseJob:
    """On a node: one case in a process of its own; after SLURM's warning it is queued again."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self._pid = 0

    def __call__(self) -> None:
        """Train or go on, and evaluate.

        Raises:
            RuntimeError: it ended badly, so that SLURM starts none of the jobs that wait for it.
        """
        command = (*IGNORE_WARNING, *self.spec.command())
        self._pid = os.posix_spawnp(command[0], command, os.environ)
        if code := self._wait():
            raise RuntimeError(f"Status {code}: see console.log in {self.spec.run}")

    def checkpoint(self) -> Any:
        """Let the step end and its checkpoint be written, then submit the same again."""
        from submitit.helpers import DelayedSubmission

        if self._pid:
            os.kill(self._pid, signal.SIGTERM)
            self._wait()
        return DelayedSubmission(CaseJob(self.spec))

    def _wait(self) -> int:
        """The process's status; by the system's own call, since a handler of signals waits too."""
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


class Slurm:
    """Submits to the SLURM of this machine.

    sbatch's own variables, such as SBATCH_PARTITION, SBATCH_GPUS and SBATCH_TIMELIMIT, say what a
    job may have.

    Raises:
        UserError: there is no SLURM here.
    """

    def __init__(self, workspace: Path, devices: int, at_once: int) -> None:
        import submitit

        self._workspace = workspace
        jobs_file(workspace).parent.mkdir(parents=True, exist_ok=True)
        try:
            self._executor = submitit.SlurmExecutor(
                folder=jobs_file(workspace).parent / "slurm", max_num_timeout=REQUEUES
            )
        except RuntimeError:
            raise UserError(
                "No SLURM is here: sbatch is not on the path. Submit from a login node."
            ) from None
        self._executor.update_parameters(
            job_name="mvla", time=MINUTES, cpus_per_task=devices,
            signal_delay_s=WARNING_SECONDS, array_parallelism=at_once,
        )  # fmt: skip

    def submit(self, specs: Sequence[tuple[str, JobSpec]], after: Sequence[str]) -> list[SlurmJob]:
        """Submit cases with their jobs, which begin once the jobs `after` have ended well.

        Raises:
            UserError: sbatch refused; the sentence has its words.
        """
        import submitit

        needs = f"afterok:{':'.join(after)}" if after else None
        self._executor.update_parameters(dependency=needs)
        now = datetime.now().astimezone()
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(CaseJob(spec)) for _, spec in specs]
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"sbatch refused the jobs: {str(error).strip()}") from None
        submitted = [
            SlurmJob(job=job.job_id, case=case, run=self._name(spec), submitted=now)
            for job, (case, spec) in zip(jobs, specs, strict=True)
        ]
        write_jobs(self._workspace, submitted)
        return submitted

    def _name(self, spec: JobSpec) -> str:
        return Path(spec.run).relative_to(self._workspace.absolute()).as_posix()
