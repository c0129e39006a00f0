"""Audit a page: read its claims, bind them to runs, judge each against the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.comparison import ComparisonRequest, compare_pair
from mobile_vla.analysis.model import Comparison
from mobile_vla.audit.across_pages import Disagreement, disagreements
from mobile_vla.audit.judge import judge
from mobile_vla.audit.judge.context import Context, Records, claims_by_run
from mobile_vla.audit.judge.verdict import VERDICTS, Judged
from mobile_vla.claims.binding import KnownRun
from mobile_vla.claims.model import Binding, Reading, Unread
from mobile_vla.claims.proposals import with_proposals
from mobile_vla.claims.read import read_document
from mobile_vla.evidence.fact_table import FactTable
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.evidence.scanned_cases import joined_cases
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.formats import Language
from mobile_vla.messages.reason import reason
from mobile_vla.study.models import NUISANCE, Study

UNDER_WAY = frozenset({"planned", "blocked", "queued", "running", "stalled"})
MOVING = frozenset({"checkpoint", "epochs", "steps", "val_loss", "train_loss", "rmse", "duration"})
"""Quantities that change while a run goes on."""
DECIDED = frozenset({"supported", "contradicted", "stale"})


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """All claims of one page with their verdicts, the names it uses, and what was not read.

    `refused`: proposals that do not hold. `disagreements`: where an earlier place says otherwise.
    """

    document: str
    blake3: str
    language: Language
    claims: list[Judged]
    bindings: list[Binding]
    unread: list[Unread]
    refused: list[Unread] = []
    disagreements: list[Disagreement] = []

    def counts(self) -> dict[str, int]:
        """Claims by verdict, every verdict named."""
        verdicts = [judged.verdict for judged in self.claims]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

    @property
    def unchecked(self) -> bool:
        """Whether it states something and evidence decided nothing of it."""
        stated = bool(self.claims or self.unread)
        return stated and not any(judged.verdict in DECIDED for judged in self.claims)

    def open_names(self) -> list[tuple[str, int]]:
        """Names that are bound to no run, with how many unbound claims wait for each."""
        waiting: Counter[str] = Counter()
        for judged in self.claims:
            claim = judged.claim
            name = claim.owner if claim.run is None else claim.other_owner
            if judged.verdict == "unbound" and name:
                waiting[name] += 1
        return waiting.most_common()


@dataclass(frozen=True, slots=True)
class AuditedPage:
    """A page's file, its bytes as they were read, and its audit."""

    path: Path
    data: bytes
    audit: Audit


class Proof:
    """What pages are held against: cases, and the folder that their paths start from.

    `nuisance`: what may move between two runs and confound nothing, as their study declares.
    `aliases`: names that a study or a user binds to cases. `tables`: facts of runs, by path, whose
    files are not here.
    """

    def __init__(
        self, cases: Sequence[CaseView], base: Path, nuisance: tuple[str, ...] = NUISANCE,
        aliases: Mapping[str, str] | None = None, tables: Mapping[str, FactTable] | None = None,
    ) -> None:  # fmt: skip
        self.cases, self.nuisance, self.aliases = list(cases), nuisance, dict(aliases or {})
        self.records = Records(cases, base, tables or {})
        self._comparisons: dict[tuple[str, str, str | None], Comparison] = {}

    @cached_property
    def runs(self) -> list[KnownRun]:
        """Every case as a page may call it; one without a run has no facts."""
        runs = []
        for case in self.cases:
            record = self.records.get(case.name)
            speaking = record.speaking if record else None
            runs.append(
                KnownRun(
                    name=case.name, label=case.label, files=_files(case.runs),
                    started=speaking.run.started if speaking else None,
                    facts=speaking.table if speaking else FactTable(),
                )
            )  # fmt: skip
        return runs

    def compare(self, a: str, b: str, factor: str | None) -> Comparison:
        """The casebook's verdict on a pair. Raises UserError for identical or unknown arms."""
        key = (a, b, factor)
        if key not in self._comparisons:
            by_name = {case.name: case for case in self.cases}
            if a not in by_name or b not in by_name:
                raise UserError(f"There is no case {a if a not in by_name else b}.")
            self._comparisons[key] = compare_pair(
                ComparisonRequest(
                    a=by_name[a], b=by_name[b], question=None, factor=factor,
                    nuisance=self.nuisance, cases=self.cases, seconds_per_step=None,
                )
            )  # fmt: skip
        return self._comparisons[key]


def _files(runs: Sequence[RunView]) -> list[str]:
    names = [name for run in runs for name in (run.foreign.files if run.foreign else [])]
    return names + [view.path for run in runs for view in run.checkpoints]


def gather_proof(
    book: Casebook | None, folders: Sequence[Path] = (), study: Study | None = None
) -> Proof:
    """The cases of a casebook together with the runs of scanned folders.

    `study`: whose aliases count where there is no casebook.
    """
    cases = book.cases() if book is not None else []
    study = book.study if book is not None else study
    if folders:
        from mobile_vla.evidence.importers.scan_folders import scan

        losses = study.validation_losses if study else ()
        cases = joined_cases(cases, scan(folders, losses=losses).runs)
    nuisance = book.nuisance if book is not None else NUISANCE
    base = book.workspace if book is not None else Path()
    return Proof(cases, base, nuisance, study.names_of_cases() if study else {})


def audit_file(path: Path, proof: Proof) -> Audit:
    """Audit a Markdown file. Raises UserError where it cannot be read."""
    return audit_document(read_page(path), path.as_posix(), proof)


def read_page(path: Path) -> bytes:
    """The bytes of a page. Raises UserError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason_of(error)}.") from error


def audit_text(text: str, proof: Proof) -> Audit:
    """Audit a piece of Markdown that is in no file."""
    return audit_document(text.encode(), "text", proof)


def audit_document(
    data: bytes, name: str, proof: Proof, proposals: Mapping[str, Sequence[Any]] | None = None
) -> Audit:
    """Every claim of a page with its verdict. `proposals`: unchecked ones, by who read them."""
    reading = read_document(data, name, proof.runs, proof.aliases)
    for read_by, entries in (proposals or {}).items():
        reading = with_proposals(reading, data, entries, read_by)
    return judge_reading(reading, proof)


def with_disagreements(audits: Sequence[Audit]) -> list[Audit]:
    """The audits, each with the values that an earlier place of it or of another page excludes.

    Two values that the evidence knows both are of two things, such as one split and both.
    """
    pages = [(audit.document, [judged.claim for judged in audit.claims]) for audit in audits]
    evident = {
        id(judged.claim)
        for audit in audits
        for judged in audit.claims
        if judged.verdict in ("supported", "ambiguous")
    }
    excluding = [
        pair for pair in disagreements(pages) if not {id(pair.first), id(pair.second)} <= evident
    ]
    return [
        msgspec.structs.replace(
            audit, disagreements=[pair for pair in excluding if pair.second_page == audit.document]
        )
        for audit in audits
    ]


def judge_reading(reading: Reading, proof: Proof) -> Audit:
    """Verdicts on all claims of a reading."""
    context = Context(
        proof.records, proof.compare, reading.document, reading.written, proof.nuisance,
        reading.claims, claims_by_run(reading.claims),
    )  # fmt: skip
    judged = []
    for claim in reading.claims:
        record = proof.records.get(claim.run)
        table = record.speaking.table if record and record.speaking else None
        judged.append(judge(claim, table, context))
    judged = _aged(judged)
    return Audit(
        document=reading.document, blake3=reading.blake3,
        language="ko" if reading.language == "ko" else "en", claims=judged,
        bindings=reading.bindings, unread=reading.unread, refused=reading.refused,
    )  # fmt: skip


def _aged(claims: list[Judged]) -> list[Judged]:
    """The verdicts, stale where the page was written while the run went on."""
    moved = {
        judged.claim.run
        for judged in claims
        if judged.claim.quantity == "state" and judged.verdict == "stale"
        and judged.claim.word in UNDER_WAY
    }  # fmt: skip
    return [
        _stale(judged)
        if judged.verdict == "contradicted" and judged.claim.run in moved
        and judged.claim.quantity in MOVING and judged.claim.kind == "value"
        else judged
        for judged in claims
    ]  # fmt: skip


def _stale(judged: Judged) -> Judged:
    why = reason("audit.went_on", why=judged.reason)
    return msgspec.structs.replace(judged, verdict="stale", reason=why)
