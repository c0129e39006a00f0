"""What a report is written from: the casebook's answers, and how a run is named and cited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mobile_vla.casebook.model import CaseView, Comparison, Evidence, Plan, RunView
from mobile_vla.casebook.statistics import wilson
from mobile_vla.record.results import Metric, Offline, Rollout, Scored
from mobile_vla.study.models import Counts, Text

REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class ReportView:
    """All that a report says: cases, comparisons and plan of one workspace and profile.

    `note` says what the profile is (small, simulated); paths are shown relative to `workspace`.
    """

    workspace: Path
    study: str
    title: Text
    profile: str
    note: Text
    cases: list[CaseView]
    comparisons: list[Comparison]
    plan: Plan

    def name(self, case: str) -> str:
        """A case's label, or its name where it has none."""
        for known in self.cases:
            if known.name == case:
                return known.label or known.name
        return case

    def shown(self, path: str) -> str:
        """A path relative to the workspace, with forward slashes."""
        given = Path(path)
        for root in (self.workspace, self.workspace.absolute()):
            if given.is_relative_to(root):
                return given.relative_to(root).as_posix()
        return given.as_posix()

    def file_of(self, run: RunView, name: str) -> Path:
        """A file of a run's folder, on disk."""
        return self.workspace / self.shown(run.path) / name

    def cited(self, run: RunView, name: str) -> str:
        """A file of a run's folder, as the report cites it."""
        return f"{self.shown(run.path)}/{name}"

    def proof(self, run: RunView) -> list[Evidence]:
        """The evidence of a run's state, each file and place once, paths as shown."""
        seen: dict[tuple[str, str], Evidence] = {}
        for item in run.evidence:
            file = self.shown(item.file)
            seen.setdefault(
                (file, item.where), Evidence(file=file, where=item.where, blake3=item.blake3)
            )
        return list(seen.values())


@dataclass(frozen=True, slots=True)
class Rate:
    """k of n, with its Wilson 95 % interval."""

    k: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval; (0, 1) where nothing was tried."""
        return wilson(self.k, self.n) if self.n else (0.0, 1.0)


def success(rollouts: list[Rollout], direction: str) -> Rate:
    """Drives that reached the goal, of those under one instruction."""
    chosen = [drive for drive in rollouts if drive.direction == direction]
    return Rate(sum(drive.success for drive in chosen), len(chosen))


def sided(rollouts: list[Rollout]) -> Rate:
    """Drives that passed the box on the instructed side."""
    return Rate(sum(drive.side == drive.direction for drive in rollouts), len(rollouts))


def collisions(rollouts: list[Rollout]) -> Rate:
    """Drives that touched something."""
    return Rate(sum(drive.collision for drive in rollouts), len(rollouts))


def errors(scored: Scored) -> list[Metric]:
    """The mean absolute errors, one for each dimension of the action."""
    return [metric for metric in scored.metrics if metric.name.startswith("mae_")]


def metric(scored: Scored | None, name: str) -> Metric | None:
    """A metric by name, None where it was not measured."""
    found = (metric for metric in scored.metrics if metric.name == name) if scored else iter(())
    return next(found, None)


def replay_of(offline: Offline) -> Scored | None:
    """The baseline that replays the training set's sequence by step."""
    found = (scored for scored in offline.baselines if scored.name.startswith(REPLAY))
    return next(found, None)


def below_replay(offline: Offline) -> dict[str, bool]:
    """For each dimension's error, whether the policy's is below that of replay by step."""
    replay = replay_of(offline)
    beside = {m.name: metric(replay, m.name) for m in errors(offline.policy)}
    return {
        own.name: own.value < other.value
        for own in errors(offline.policy)
        if (other := beside[own.name]) is not None
    }


def total(counts: list[Counts | None]) -> Counts | None:
    """Counts added up, None where none is known."""
    known = [count for count in counts if count is not None]
    if not known:
        return None
    return Counts(
        left=sum(count.left for count in known),
        right=sum(count.right for count in known),
        straight=sum(count.straight for count in known),
    )
