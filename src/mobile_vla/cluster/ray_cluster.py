"""Jobs on a Ray cluster: each asks for its CPUs and GPUs, and Ray finds the node.

The workspace is storage that all nodes share: a run's state is read from it, whatever Ray says.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mobile_vla.cluster.engine import Job
from mobile_vla.cluster.job import JobSpec
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.environment import packages

REACH_SECONDS = 10.0
NODE_CHECK_SECONDS = 120.0


@dataclass(slots=True, kw_only=True)
class RayJob(Job):
    """A job with the reference to its result."""

    result: Any


class RayCluster:
    """The engine of a Ray cluster that runs already.

    Raises:
        UserError: no cluster answers, or a node of it lacks the workspace or has other packages.
    """

    def __init__(self, workspace: Path, devices: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._ray = ray
        try:
            _reach(os.environ.get("RAY_ADDRESS", "auto"))
            ray.init("auto", log_to_driver=False, logging_level=logging.ERROR)
        except OSError:
            raise UserError(
                "No Ray cluster answers: start one with `ray start --head`, or name its address "
                "by the variable RAY_ADDRESS."
            ) from None
        gpus = devices if ray.cluster_resources().get("GPU") else 0
        self._task = ray.remote(num_cpus=devices, num_gpus=gpus, max_retries=0)(run_job)
        self._check_nodes(workspace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the cluster; what still runs there is ended, after a checkpoint."""
        self._ray.shutdown()

    def start(self, case: str, spec: JobSpec) -> RayJob:
        """Give the job to Ray, which starts it when a node has room."""
        return RayJob(case=case, result=self._task.options(name=case).remote(spec.command()))

    def follow(self, jobs: Collection[RayJob]) -> None:
        """Wait a second for one to end; a job whose node or worker died is lost."""
        by_result = {job.result: job for job in jobs}
        ended, _ = self._ray.wait(list(by_result), num_returns=1, timeout=1.0)
        for result in ended:
            job = by_result[result]
            try:
                job.code = self._ray.get(result)
            except self._ray.exceptions.RayError as error:
                job.code, job.lost = 1, f"{type(error).__name__}, says Ray"

    def _check_nodes(self, workspace: Path) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        workspace.mkdir(parents=True, exist_ok=True)
        look = self._ray.remote(num_cpus=0, max_retries=0)(look_around)
        with tempfile.NamedTemporaryFile(prefix=".cluster-", dir=workspace) as marker:
            answers = {
                node["NodeManagerHostname"]: look.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(marker.name)
                for node in self._ray.nodes()
                if node["Alive"]
            }
            for host, answer in answers.items():
                self._require_equal(host, workspace, answer)

    def _require_equal(self, host: str, workspace: Path, answer: Any) -> None:
        try:
            sees, theirs = self._ray.get(answer, timeout=NODE_CHECK_SECONDS)
        except (self._ray.exceptions.RayError, ImportError) as error:
            raise UserError(
                f"The node {host} cannot run a job ({type(error).__name__}): install mobile-vla "
                "there, in the version of this machine."
            ) from None
        if not sees:
            raise UserError(
                f"The node {host} does not see {workspace}: give --workspace a folder that all "
                "nodes share."
            )
        mine = packages()
        names = sorted({*mine, *theirs})
        differing = [name for name in names if mine.get(name) != theirs.get(name)]
        if differing:
            pairs = ", ".join(f"{n} {theirs.get(n)} there, {mine.get(n)} here" for n in differing)
            raise UserError(f"The node {host} has other packages ({pairs}): install the same.")


def _reach(address: str) -> None:
    """Try an address of the form HOST:PORT, since Ray itself waits for minutes where none answers.

    Raises:
        OSError: nobody listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), REACH_SECONDS).close()


def run_job(command: list[str]) -> int:
    """On a node: run a job in a process of its own, which ends with the worker; its status."""
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode


def look_around(marker: str) -> tuple[bool, dict[str, str]]:
    """On a node: whether it sees the workspace's marker, and its packages."""
    return Path(marker).exists(), packages()
