"""What a judge looks at beside the claim: the runs of every case, and the claim's own page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mobile_vla.analysis.model import Comparison
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import FactTable
from mobile_vla.evidence.model import CaseView, Evidence, RunView
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.study.models import NUISANCE

Compare = Callable[[str, str, str | None], Comparison]
"""The verdict on a pair of cases for one factor. Raises UserError where there is none."""

EMPTY: Mapping[str, FactTable] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunOfCase:
    """One run of a case with its facts."""

    run: RunView
    table: FactTable


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case with its attempts, oldest first. `speaking` is the one that stands for the case."""

    view: CaseView
    attempts: Sequence[RunOfCase]
    speaking: RunOfCase | None

    @property
    def others(self) -> list[RunOfCase]:
        """Every attempt but the one that stands for the case."""
        return [attempt for attempt in self.attempts if attempt is not self.speaking]


class Records:
    """The cases of the evidence by name, label or path of a run; tables are built when asked.

    `tables`: those of runs whose files are not below `base`.
    """

    def __init__(
        self, cases: Sequence[CaseView], base: Path, tables: Mapping[str, FactTable] = EMPTY
    ) -> None:
        self.cases, self.base = cases, base
        self._views: dict[str, tuple[CaseView, RunView | None]] = {}
        for case in cases:
            for run in case.runs:
                self._views.setdefault(run.path, (case, run))
        for case in cases:
            if case.label:
                self._views[case.label] = case, None
        for case in cases:
            self._views[case.name] = case, None
        self._records: dict[str, CaseRecord] = {}
        self._tables = dict(tables)

    def get(self, name: str | None) -> CaseRecord | None:
        """The record of a case, or of one attempt where `name` is the path of a run."""
        if name is None or name not in self._views:
            return None
        if name not in self._records:
            case, run = self._views[name]
            runs = case.runs if run is None else [run]
            attempts = [RunOfCase(entry, self._table(entry)) for entry in runs]
            chosen = run or case.run
            speaking = next((a for a in attempts if chosen and a.run.path == chosen.path), None)
            self._records[name] = CaseRecord(case, attempts, speaking)
        return self._records[name]

    def all(self) -> list[CaseRecord]:
        """Every case that has a run."""
        records = [self.get(case.name) for case in self.cases if case.run is not None]
        return [record for record in records if record is not None]

    def _table(self, run: RunView) -> FactTable:
        if run.path not in self._tables:
            self._tables[run.path] = run_table(run, self.base)
        return self._tables[run.path]


@dataclass(frozen=True, slots=True)
class Context:
    """`siblings`: all claims of the page. `written`: the page's date. `compare`: see `Compare`.

    `epoch_bases`: from which number the page can count epochs, as its other values fix it.
    """

    records: Records
    compare: Compare
    document: str = "text"
    written: str | None = None
    nuisance: tuple[str, ...] = NUISANCE
    siblings: Sequence[Claim] = ()
    by_run: Mapping[str, Sequence[Claim]] = field(default_factory=dict)

    def of_run(self, run: str | None) -> Sequence[Claim]:
        """The page's claims about one run."""
        return self.by_run.get(run or "", ())

    def place(self, claim: Claim) -> Evidence:
        """The claim's own line, for what the page's numbers decide among themselves."""
        return Evidence(file=self.document, where=f"line {claim.place.line}")


def claims_by_run(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    """Bound claims by their run."""
    grouped: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.run is not None:
            grouped.setdefault(claim.run, []).append(claim)
    return grouped
