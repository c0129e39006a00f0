"""What the queue asks of an engine that runs jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mobile_vla.cluster.job import JobSpec


@dataclass(slots=True)
class Job:
    """One case's job and what its engine says of it.

    `done` of `total` steps, 0 where the engine does not tell; `code`: the exit status, None while
    it works; `lost`: why the engine lost it, empty where it ended by itself.
    """

    case: str
    done: int = 0
    total: int = 0
    code: int | None = None
    lost: str = ""


J = TypeVar("J", bound=Job)


class Engine(Protocol[J]):
    """Starts jobs and follows them while its block runs; leaving it, none is left behind."""

    def start(self, case: str, spec: JobSpec) -> J:
        """Begin a job."""

    def follow(self, jobs: Collection[J]) -> None:
        """Bring `jobs` up to date; returns when one has ended, or after about a second."""
