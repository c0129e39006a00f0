"""What a report is written from: the casebook's answers, and how a run is named and cited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mobile_vla.analysis.headline_metrics import Rate, drive_rate
from mobile_vla.analysis.model import Comparison, Plan
from mobile_vla.analysis.pairwise import Matrix
from mobile_vla.evidence.model import CaseView, Evidence, RunView
from mobile_vla.old_claims.model import Judged
from mobile_vla.runs.results import Metric, Rollouts, Scored
from mobile_vla.study.models import NUISANCE, Counts, Text


@dataclass(frozen=True, slots=True)
class WrongLine:
    """What a document says wrongly, its file as seen from the workspace.

    `judged`: the claim; None where the file cannot be read, and `problem` says why.
    """

    document: str
    line: int
    judged: Judged | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """All that a report says: cases, comparisons and plan of one workspace and profile.

    `note` says what the profile is (small, simulated); paths are shown relative to `workspace`.
    `wrong`: what other documents say wrongly, where they were audited. `matrix`: every pair of
    the study's cases, None where a picture cannot show so few or so many. `nuisance`: see `Proof`.
    """

    workspace: Path
    study: str
    title: Text
    profile: str
    note: Text
    cases: list[CaseView]
    comparisons: list[Comparison]
    plan: Plan
    wrong: tuple[WrongLine, ...] = ()
    matrix: Matrix | None = None
    nuisance: tuple[str, ...] = NUISANCE

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


def sided(rollouts: Rollouts) -> Rate | None:
    """Drives that passed the box on the instructed side."""
    return drive_rate(rollouts, "instructed_side")


def collisions(rollouts: Rollouts) -> Rate | None:
    """Drives that touched something."""
    return drive_rate(rollouts, "collisions")


def errors(scored: Scored) -> list[Metric]:
    """The mean absolute errors, one for each dimension of the action."""
    return [metric for metric in scored.metrics if metric.name.startswith("mae_")]


def metric(scored: Scored | None, name: str) -> Metric | None:
    """A metric by name, None where it was not measured."""
    found = (metric for metric in scored.metrics if metric.name == name) if scored else iter(())
    return next(found, None)


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
