"""`mvla audit`: documents against evidence, corrected in place where asked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.wording import Language
from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, add_json, runs
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import Proof, audit_document, gather_proof
from mobile_vla.old_audit.audit_messages import SAID, reason, shown, what
from mobile_vla.old_audit.fix import Fixed, diff_text, fix_document, write_fixed
from mobile_vla.old_audit.sarif import sarif_log
from mobile_vla.old_claims.model import Audit, Judged
from mobile_vla.old_claims.source import Document, read_document
from mobile_vla.report.self_audit import audit_all
from mobile_vla.runs.files import write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions(EvidenceOptions):
    """The documents to check, and what to do with them."""

    document: Sequence[str]
    strict: bool
    all: bool
    unread: bool
    fix: bool
    diff: bool
    sarif: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla audit`."""
    parser.add_argument("document", nargs="+", metavar="DOC.md", help="Markdown documents")
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 unless every claim is supported"
    )
    parser.add_argument("--all", action="store_true", help="list supported claims too")
    parser.add_argument("--unread", action="store_true", help="list lines not read as claims")
    parser.add_argument("--fix", action="store_true", help="write the corrections")
    parser.add_argument("--diff", action="store_true", help="show the corrections")
    parser.add_argument("--sarif", metavar="FILE", help="write the findings for code review")
    add_evidence(parser)
    add_json(parser)
    runs(parser, audit, AuditOptions, "mvla audit report.md --evidence runs/ logs/")


def proof_of(options: EvidenceOptions) -> Proof:
    """The evidence that a command line names: scanned folders, else the workspace."""
    folders = [Path(folder) for folder in options.evidence]
    return gather_proof(book_of(options), folders)


def book_of(options: EvidenceOptions) -> Casebook | None:
    """The workspace's casebook; None where only scanned folders are named.

    Errors: `UserError` where there is no such workspace.
    """
    if options.evidence and options.workspace is None:
        return None
    from mobile_vla.cli.open_book import casebook

    book = casebook(options)
    if not book.workspace.is_dir():
        raise UserError(
            f"There is no workspace {book.workspace}: name one, or folders with --evidence."
        )
    return book


def audit(options: AuditOptions) -> int:
    """Judge every claim; exit 1 where one is contradicted.

    With `--strict` also where one is not supported, or where a document says something and
    nothing of it could be checked: no evidence is never a pass.
    """
    sarif = _writable(options.sarif) if options.sarif else None
    proof = proof_of(options)
    judge = proof.judge()
    documents = [read_document(path) for path in _once(options.document)]
    audits = [audit_document(document, proof, judge) for document in documents]
    audits = audit_all(documents, audits, book_of(options))
    if sarif:
        write_json(sarif, sarif_log(documents, audits))
    if not any(case.runs for case in proof.cases):
        told = "the evidence holds no run: nothing can be checked; name other folders."
        print(f"mvla audit: {told}", file=sys.stderr)
    if options.fix or options.diff:
        return correct(documents, audits, proof, options)
    if options.json:
        print_json(audits)
    else:
        print_audits(audits, unread=options.unread, every=options.all)
    failing = {"contradicted", *(("unsupported", "ambiguous", "stale") if options.strict else ())}
    failed = any(judged.verdict in failing for a in audits for judged in a.claims)
    return int(failed or (options.strict and any(found.unchecked for found in audits)))


def _once(names: Sequence[str]) -> list[Path]:
    """Each file once, as it was named first."""
    found: dict[Path, Path] = {}
    for name in names:
        found.setdefault(Path(name).resolve(), Path(name))
    return list(found.values())


def _writable(name: str) -> Path:
    """A file to write. Errors: `UserError` where it is a folder, or its folder is not there."""
    path = Path(name)
    if path.is_dir():
        raise UserError(f"--sarif {name} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise UserError(f"--sarif {name}: there is no folder {path.parent}; make it first.")
    return path


def correct(
    documents: Sequence[Document], audits: Sequence[Audit], proof: Proof,
    options: AuditOptions,
) -> int:  # fmt: skip
    """Show what would be corrected, write it, or both.

    Exit 1 where something false is left, 2 where a file could not be written; the others are.
    """
    judge = proof.judge()
    corrected = [fix_document(d, a, proof, judge) for d, a in zip(documents, audits, strict=True)]
    refused = {
        document.path: problem
        for document, fixed in zip(documents, corrected, strict=True)
        if options.fix and fixed.done and (problem := _refusal(document, fixed))
    }
    answers = []
    left = False
    for document, found, fixed in zip(documents, audits, corrected, strict=True):
        wrong = fixed.left if options.fix else [*fixed.left, *fixed.done]
        left = left or any(judged.verdict == "contradicted" for judged in wrong)
        shown = diff_text(document.path, document.data, fixed.data) if options.diff else None
        problem = refused.get(document.path)
        if options.json:
            answers.append({"document": document.path, "corrected": fixed.done, "left": fixed.left,
                            "diff": shown, "problem": problem})  # fmt: skip
        else:
            _print_corrected(document, found, fixed, shown, problem)
    if options.json:
        print_json(answers)
    return 2 if refused else int(left)


def _refusal(document: Document, fixed: Fixed) -> str | None:
    """Write a corrected document; the reason where that cannot be."""
    try:
        write_fixed(document, fixed)
    except UserError as error:
        return str(error)
    return None


def _print_corrected(
    document: Document, found: Audit, fixed: Fixed, shown: str | None, problem: str | None
) -> None:
    if shown:
        print(shown)
    if problem:
        print(f"not corrected: {problem}", file=sys.stderr)
        return
    told = f"{len(fixed.done)} corrected, {len(fixed.left)} left"
    print(f"{document.path}: {told}{' (no correction can stand there)' if fixed.left else ''}")
    for judged in fixed.left:
        print_judged(judged, found.language)


def print_audits(audits: Sequence[Audit], *, unread: bool, every: bool) -> None:
    """Each document's claims, worst first by line, and what its coverage is."""
    for found in audits:
        print(f"{found.document}")
        for judged in found.claims:
            if every or judged.verdict != "supported":
                print_judged(judged, found.language)
        counts = found.counts()
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        print(f"  {len(found.claims)} claims: {told}")
        lines = f"{len(found.unread)} lines with numbers were not read as claims"
        if found.unchecked:
            print("  nothing of it could be checked")
        print(f"  {lines}{'' if unread or not found.unread else ' (--unread lists them)'}")
        for line in found.unread if unread else ():
            print(f"    {line.line}: {line.text}")


def print_judged(judged: Judged, language: Language) -> None:
    """One claim: its place, what it says, the verdict, what the evidence says and where."""
    claim, korean = judged.claim, language == "ko"
    case = claim.case or ("케이스 불명" if korean else "no case")
    verdict = f"{judged.verdict} ({SAID[judged.verdict]})" if korean else judged.verdict
    print(f"  {claim.line}: {verdict}: {case}, {what(claim, language)}: {claim.value!r}")
    told = (
        [f"{'근거' if korean else 'evidence'}: {shown(judged, language)}"]
        if judged.expected
        else []
    )
    told += [reason(judged.reason, language)] if judged.reason else []
    if told:
        print(f"      {'; '.join(told)}")
    if judged.evidence:
        print(f"      {judged.evidence.file} {judged.evidence.where}".rstrip())
