"""Audit a document: its claims against runs of a workspace and of scanned folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.comparison import ComparisonRequest, compare_pair
from mobile_vla.analysis.model import Comparison
from mobile_vla.audit.audit_messages import language_of
from mobile_vla.audit.judge import Judge
from mobile_vla.audit.process_pool import in_forks, workers
from mobile_vla.evidence.facts import began_of
from mobile_vla.evidence.model import CaseView, RunView, Value
from mobile_vla.evidence.run_factors import planned_factors
from mobile_vla.messages.errors import UserError
from mobile_vla.old_claims.coverage import coverage
from mobile_vla.old_claims.extract import read_claims, read_part
from mobile_vla.old_claims.model import Audit, Judged, Unread
from mobile_vla.old_claims.naming import read_names
from mobile_vla.old_claims.parts import Part, parts_of
from mobile_vla.old_claims.source import (
    Document,
    no_collection,
    parse_document,
    read_document,
)
from mobile_vla.study.models import NUISANCE
from mobile_vla.study.strict_yaml import nearest

LARGE = 200_000
"""Bytes of a page from which on its parts are read by a process each."""


class Proof(Value, frozen=True, kw_only=True):
    """What documents are held against: cases, and the folder that their paths start from.

    `nuisance`: what may move between two runs and confound nothing, as their study declares.
    """

    cases: list[CaseView]
    base: str = "."
    nuisance: tuple[str, ...] = NUISANCE

    def labels(self) -> dict[str, str]:
        """Further names of cases."""
        return {case.label: case.name for case in self.cases if case.label}

    def starts(self) -> dict[str, str]:
        """The case whose run a log's name says to have begun at a minute, where it is one alone."""
        found: dict[str, set[str]] = {}
        for case in self.cases:
            for run in case.runs:
                for name in run.foreign.files if run.foreign else ():
                    if (began := began_of(name)) is not None:
                        found.setdefault(f"{began:%Y-%m-%d %H:%M}", set()).add(case.name)
        return {moment: min(names) for moment, names in found.items() if len(names) == 1}

    def judge(self) -> Judge:
        """A judge over these cases; facts are read once for all documents."""
        by_name = {case.name: case for case in self.cases}
        return Judge(by_name, Path(self.base), partial(self._compare, by_name))

    def compare(self, a: str, b: str, factor: str | None) -> Comparison:
        """The casebook's verdict on a pair.

        Errors: `UserError` for identical arms, and for a factor that no run or plan tells.
        """
        known = {name for case in self.cases for run in case.runs for name in run.factors}
        known |= {
            name for case in self.cases if case.planned for name in planned_factors(case.planned)
        }
        if factor is not None and factor not in known:
            raise UserError(f"There is no factor {factor!r}: {nearest(factor, sorted(known))}")
        return self._compare({case.name: case for case in self.cases}, a, b, factor)

    def _compare(
        self, by_name: Mapping[str, CaseView], a: str, b: str, factor: str | None
    ) -> Comparison:
        return compare_pair(
            ComparisonRequest(
                a=by_name[a], b=by_name[b], question=None, factor=factor, nuisance=self.nuisance,
                cases=self.cases, seconds_per_step=None, measure=False,
            )
        )  # fmt: skip


def gather_proof(book: Casebook | None, folders: Sequence[Path] = ()) -> Proof:
    """The cases of a casebook together with the runs found in scanned folders."""
    cases = book.cases() if book is not None else []
    base = book.workspace.as_posix() if book is not None else "."
    nuisance = book.nuisance if book is not None else NUISANCE
    if folders:
        from mobile_vla.evidence.importers.scan_folders import scan

        cases = _joined(cases, scan(folders).runs)
    return Proof(cases=cases, base=base, nuisance=nuisance)


def audit_file(path: Path, proof: Proof, judge: Judge | None = None) -> Audit:
    """Audit a Markdown file. Errors: `UserError` where it cannot be read."""
    return audit_document(read_document(path), proof, judge)


def audit_text(text: str, proof: Proof, judge: Judge | None = None) -> Audit:
    """Audit a piece of Markdown that is in no file."""
    return audit_document(parse_document(Path("text"), text.encode()), proof, judge)


@no_collection()
def audit_document(document: Document, proof: Proof, judge: Judge | None = None) -> Audit:
    """Every claim of a document with its verdict; and the lines not read."""
    from blake3 import blake3

    judge = judge or proof.judge()
    processes = workers() if len(document.data) > LARGE else 1
    claims, unread = _judged(document, proof, judge, processes)
    return Audit(
        document=document.path.as_posix(),
        blake3=blake3(document.data).hexdigest(),
        claims=claims,
        unread=unread,
        language=language_of(document.data[:100_000].decode("utf-8", "replace")),
    )


def _judged(
    document: Document, proof: Proof, judge: Judge, processes: int
) -> tuple[list[Judged], list[Unread]]:
    """Every claim with its verdict; the parts of a large page in a process each."""
    known = {case.name for case in proof.cases}
    if processes == 1:
        read, unread = read_claims(document, known, proof.labels(), proof.starts())
        return [judge.judge(claim) for claim in read], unread
    names = read_names(document, known, proof.labels(), proof.starts())

    def work(part: Part) -> bytes:
        claims, unread = read_part(document, names, part)
        return msgspec.msgpack.encode(_Read([judge.judge(claim) for claim in claims], unread))

    answers = in_forks(work, parts_of(document, processes))
    parts = [msgspec.msgpack.decode(answer, type=_Read) for answer in answers]
    claims = [one for part in parts for one in part.claims]
    claims.sort(key=lambda one: (one.claim.start, one.claim.end))
    told = [line for part in parts for line in part.unread]
    return claims, coverage(document, names, [one.claim for one in claims], told)


class _Read(Value, frozen=True):
    claims: list[Judged]
    unread: list[Unread]


def _joined(cases: Sequence[CaseView], runs: Sequence[RunView]) -> list[CaseView]:
    """Cases of the workspace, then those of scanned runs.

    Where both know a name, the scanned runs speak: the workspace's are the study's own retelling
    only if they exist at all.
    """
    by_case: dict[str, list[RunView]] = {}
    for run in runs:
        by_case.setdefault(run.case, []).append(run)
    found = [case for case in cases if case.name not in by_case or case.run is not None]
    named = {case.name for case in found}
    joined = [
        msgspec.structs.replace(case, runs=[*by_case[case.name], *case.runs])
        if case.name in by_case else case
        for case in found
    ]  # fmt: skip
    return joined + [scanned_case(name, own) for name, own in by_case.items() if name not in named]


def scanned_case(name: str, runs: Sequence[RunView]) -> CaseView:
    """A case that only scanned runs tell: the latest finished one speaks, else the latest told."""
    finished = [run for run in runs if run.state in ("finished", "unverified")]
    told = [run for run in runs if run.state != "unknown"]
    run = (finished or told or list(runs))[-1]
    return CaseView(
        name=name, label=None, role="case", planned=None, after=[], attempts=len(runs),
        runs=list(runs), run=run, state=run.state, why=run.why,
    )  # fmt: skip
