"""What a report is written from: the casebook's answers, and how runs and files are named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mobile_vla.analysis.model import Comparison, Plan
from mobile_vla.analysis.pairwise import Matrix
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.evidence.model import CaseView, Evidence, RunView
from mobile_vla.messages.formats import Language
from mobile_vla.study.models import NUISANCE, Text


class Cite(NamedTuple):
    """A file as seen from the workspace, and the place in it ("line 12")."""

    file: str
    where: str = ""

    @property
    def name(self) -> str:
        """The file's name and the place in it; the link holds the whole path."""
        name = self.file.rsplit("/", 1)[-1]
        return f"{name} {self.where}" if self.where else name


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A false claim of a document, named as seen from the workspace.

    `judged` is None where the file cannot be read; `problem` then says why.
    """

    document: str
    line: int
    judged: Judged | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """Cases, comparisons and plan of one workspace and profile.

    `note` describes the profile (small, simulated). Paths are shown relative to `workspace`.
    `wrong`: false claims of other documents, where they were audited. `matrix`: every pair of the
    study's cases, None where a picture cannot show so few or so many. `nuisance`: see `Proof`.
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
        labels = {view.name: view.label for view in self.cases}
        return labels.get(case) or case

    def shown(self, path: str) -> str:
        """A path relative to the workspace, with forward slashes."""
        for root in (self.workspace, self.workspace.absolute()):
            if Path(path).is_relative_to(root):
                return Path(path).relative_to(root).as_posix()
        return Path(path).as_posix()

    def file_of(self, run: RunView, name: str) -> Path:
        """A file of a run's folder, on disk."""
        return self.workspace / self.shown(run.path) / name

    def cite(self, run: RunView, name: str) -> Cite:
        """A file of a run's folder."""
        return Cite(f"{self.shown(run.path)}/{name}")

    def cites(self, evidence: Iterable[Evidence | None]) -> list[Cite]:
        """Each file and place of the evidence once."""
        items = (Cite(self.shown(item.file), item.where) for item in evidence if item)
        return list(dict.fromkeys(items))


def in_language(text: Text, language: Language) -> str:
    """A study's own text: a title or a note."""
    return text.ko if language == "ko" else text.en
