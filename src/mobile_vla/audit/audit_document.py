"""Audit a page: read its claims, bind them to runs, judge each against the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.comparison import Asked, compare_pair
from mobile_vla.analysis.model import Comparison
from mobile_vla.audit.judge import judge
from mobile_vla.audit.judge.context import Context, Records, claims_by_run
from mobile_vla.audit.judge.verdict import VERDICTS, Judged
from mobile_vla.claims.binding import KnownRun
from mobile_vla.claims.model import Binding, Claim, Reading, Unread
from mobile_vla.claims.read import read_document
from mobile_vla.evidence.fact_table import FactTable
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.evidence.scanned_cases import joined_cases
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.formats import Language
from mobile_vla.study.models import NUISANCE

DECIDED = frozenset({"supported", "contradicted", "stale"})


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """All claims of one page with their verdicts, the names it uses, and what was not read."""

    document: str
    blake3: str
    language: Language
    claims: list[Judged]
    bindings: list[Binding]
    unread: list[Unread]
    refused: list[Unread] = []

    def counts(self) -> dict[str, int]:
        """Claims by verdict, every verdict named."""
        verdicts = [judged.verdict for judged in self.claims]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

    @property
    def unchecked(self) -> bool:
        """Whether it states something and evidence decided nothing of it."""
        stated = bool(self.claims or self.unread)
        return stated and not any(judged.verdict in DECIDED for judged in self.claims)


class Proof:
    """What pages are held against: cases, and the folder that their paths start from.

    `nuisance`: what may move between two runs and confound nothing, as their study declares.
    `aliases`: names that a study or a user binds to cases.
    """

    def __init__(
        self, cases: Sequence[CaseView], base: Path, nuisance: tuple[str, ...] = NUISANCE,
        aliases: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.cases, self.nuisance, self.aliases = list(cases), nuisance, dict(aliases or {})
        self.records = Records(cases, base)
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
                Asked(
                    a=by_name[a], b=by_name[b], question=None, factor=factor,
                    nuisance=self.nuisance, cases=self.cases, seconds_per_step=None,
                )
            )  # fmt: skip
        return self._comparisons[key]


def _files(runs: Sequence[RunView]) -> list[str]:
    names = [name for run in runs for name in (run.foreign.files if run.foreign else [])]
    return names + [view.path for run in runs for view in run.checkpoints]


def gather_proof(book: Casebook | None, folders: Sequence[Path] = ()) -> Proof:
    """The cases of a casebook together with the runs of scanned folders."""
    cases = book.cases() if book is not None else []
    if folders:
        from mobile_vla.evidence.importers.scan_folders import scan

        cases = joined_cases(cases, scan(folders).runs)
    nuisance = book.nuisance if book is not None else NUISANCE
    return Proof(cases, book.workspace if book is not None else Path(), nuisance)


def audit_file(path: Path, proof: Proof) -> Audit:
    """Audit a Markdown file. Raises UserError where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason_of(error)}.") from error
    return audit_document(data, path.as_posix(), proof)


def audit_text(text: str, proof: Proof) -> Audit:
    """Audit a piece of Markdown that is in no file."""
    return audit_document(text.encode(), "text", proof)


def audit_document(data: bytes, name: str, proof: Proof, proposals: Sequence[Claim] = ()) -> Audit:
    """Every claim of a page with its verdict. `proposals`: further claims that others read."""
    reading = read_document(data, name, proof.runs, proof.aliases)
    claims = sorted([*reading.claims, *proposals], key=lambda claim: claim.place.start)
    return judge_reading(msgspec.structs.replace(reading, claims=claims), proof)


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
    return Audit(
        document=reading.document, blake3=reading.blake3,
        language="ko" if reading.language == "ko" else "en", claims=judged,
        bindings=reading.bindings, unread=reading.unread, refused=reading.refused,
    )  # fmt: skip
