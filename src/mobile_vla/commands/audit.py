"""`mvla audit`: documents against evidence, corrected in place where asked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.casebook.casebook import Casebook
from mobile_vla.commands.common import print_json
from mobile_vla.documents.audit import Proof, audit_document, gather_proof
from mobile_vla.documents.claims.model import Audit, Judged
from mobile_vla.documents.claims.source import Document, read_document
from mobile_vla.documents.fix import Fixed, diff_text, fix_document, write_fixed
from mobile_vla.documents.own_report import audit_all
from mobile_vla.documents.sarif import sarif_log
from mobile_vla.documents.saying import SAID, reason, shown, what
from mobile_vla.documents.wording import Language
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import write_json


def proof_of(options: argparse.Namespace) -> Proof:
    """The evidence that a command line names: scanned folders, else the workspace."""
    folders = [Path(folder) for folder in options.evidence]
    return gather_proof(book_of(options), folders)


def book_of(options: argparse.Namespace) -> Casebook | None:
    """The workspace's casebook; None where only scanned folders are named.

    Errors: `UserError` where there is no such workspace.
    """
    if options.evidence and options.workspace is None:
        return None
    from mobile_vla.commands.judge import casebook

    options.workspace = options.workspace or "workspace"
    book = casebook(options)
    if not book.workspace.is_dir():
        raise UserError(
            f"There is no workspace {book.workspace}: name one, or folders with --evidence."
        )
    return book


def audit(options: argparse.Namespace) -> int:
    """Judge every claim; exit 1 where one is contradicted (`--strict`: or unsupported)."""
    proof = proof_of(options)
    judge = proof.judge()
    documents = [read_document(Path(name)) for name in options.document]
    audits = [audit_document(document, proof, judge) for document in documents]
    audits = audit_all(documents, audits, book_of(options))
    if options.sarif:
        write_json(Path(options.sarif), sarif_log(audits))
    if options.fix or options.diff:
        return correct(documents, audits, proof, write=options.fix, as_json=options.json)
    if options.json:
        print_json(audits)
    else:
        print_audits(audits, unread=options.unread, every=options.all)
    failing = {"contradicted", *(("unsupported", "ambiguous", "stale") if options.strict else ())}
    return int(any(judged.verdict in failing for a in audits for judged in a.claims))


def correct(
    documents: Sequence[Document],
    audits: Sequence[Audit],
    proof: Proof,
    *,
    write: bool,
    as_json: bool,
) -> int:
    """Show what would be corrected, or write it; exit 1 where something false is left."""
    judge, left, answers = proof.judge(), 0, []
    for document, found in zip(documents, audits, strict=True):
        fixed = fix_document(document, found, proof, judge)
        if write and fixed.done:
            write_fixed(document, fixed)
        diff = None if write else diff_text(document.path, document.data, fixed.data)
        told = {"document": document.path, "corrected": fixed.done, "left": fixed.left}
        answers.append(told | {"diff": diff})
        if not as_json:
            _print_fixed(document.path, fixed, diff, found.language)
        wrong = fixed.left if write else [*fixed.left, *fixed.done]
        left += sum(judged.verdict == "contradicted" for judged in wrong)
    if as_json:
        print_json(answers)
    return int(left > 0)


def _print_fixed(path: Path, fixed: Fixed, diff: str | None, language: Language) -> None:
    if diff is not None:
        print(diff)
    told = f"{len(fixed.done)} corrected, {len(fixed.left)} left"
    print(f"{path}: {told}{' (nothing to put in their place)' if fixed.left else ''}")
    for judged in fixed.left:
        print_judged(judged, language)


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
        [f"{'근거' if korean else 'evidence'}: {shown(judged.expected, language)}"]
        if judged.expected
        else []
    )
    told += [reason(judged.reason, language)] if judged.reason else []
    if told:
        print(f"      {'; '.join(told)}")
    if judged.evidence:
        print(f"      {judged.evidence.file} {judged.evidence.where}".rstrip())
