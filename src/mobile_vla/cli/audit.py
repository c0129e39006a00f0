"""`mvla audit`: documents against evidence, bound in the open, corrected where asked."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, add_json, runs
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook
    from mobile_vla.audit.audit_document import Audit, AuditedPage, Proof


class AuditOptions(EvidenceOptions):
    """The pages to check, who else reads them, and what to do with them."""

    document: Sequence[str]
    seals: Sequence[str] | None
    key: str | None
    schema: bool
    claims: str | None
    reader: str | None
    bind: bool
    write: bool
    yes: bool
    strict: bool
    all: bool
    unread: bool
    fix: bool
    diff: bool
    sarif: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla audit`."""
    flag = "store_true"
    parser.add_argument("document", nargs="*", metavar="PAGE", help="Markdown files or folders")
    parser.add_argument("--bind", action=flag, help="list each name and the run that it means")
    parser.add_argument("--write", action=flag, help="with --bind: write a comment that confirms")
    parser.add_argument("--yes", action=flag, help="with --write: ask nothing")
    parser.add_argument("--claims", metavar="FILE", help="claims that others read from the page")
    parser.add_argument("--schema", action=flag, help="print the JSON schema of such a file")
    parser.add_argument("--reader", metavar="URL", help="an OpenAI-compatible address that reads")
    parser.add_argument(
        "--seals", nargs="+", metavar="SEAL",
        help="seals or folders of seals: the evidence where no run is here",
    )  # fmt: skip
    parser.add_argument("--key", metavar="FILE", help="the public key of the seals (PEM)")
    parser.add_argument("--strict", action=flag, help="exit 1 unless every claim is supported")
    parser.add_argument("--all", action=flag, help="list supported claims too")
    parser.add_argument("--unread", action=flag, help="list lines not read as claims")
    parser.add_argument("--diff", action=flag, help="show the corrections")
    parser.add_argument("--fix", action=flag, help="write the corrections")
    parser.add_argument("--sarif", metavar="FILE", help="write the findings for code review")
    add_evidence(parser)
    add_json(parser)
    runs(parser, audit, AuditOptions, "mvla audit report.md --evidence runs/ logs/")


def audit(options: AuditOptions) -> int:
    """Judge every claim; exit 1 where one is contradicted.

    With `--strict` also where one is not supported, where two places disagree, or where a page
    states something of which nothing could be checked: no evidence is never a pass.
    """
    from mobile_vla.cli.run_options import print_json

    if options.schema:
        from mobile_vla.claims.proposals import schema

        print_json(schema())
        return 0
    sarif = _writable(options.sarif) if options.sarif else None
    paths = pages_of(options.document)
    proof = sealed_proof_of(options, options.seals) if options.seals else proof_of(options)
    if not any(case.runs for case in proof.cases):
        from mobile_vla.messages.catalogue import phrase

        print(f"mvla audit: {phrase('audit.empty_evidence', 'en')}", file=sys.stderr)
    pages = audited_pages(paths, proof, options)
    if sarif:
        from mobile_vla.audit.sarif import sarif_log
        from mobile_vla.runs.files import write_json

        write_json(sarif, sarif_log([(page.data, page.audit) for page in pages]))
    return answer(pages, proof, options)


def answer(pages: Sequence[AuditedPage], proof: Proof, options: AuditOptions) -> int:
    """Print what the options ask for; the exit code."""
    from mobile_vla.cli import audit_actions
    from mobile_vla.cli.run_options import print_json

    if options.bind:
        return audit_actions.bind(
            pages, proof, write=options.write, yes=options.yes, json=options.json
        )
    if options.fix or options.diff:
        return audit_actions.correct(
            pages, proof, fix=options.fix, diff=options.diff, json=options.json
        )
    if options.json:
        print_json([page.audit for page in pages])
    else:
        audit_actions.print_audits(pages, unread=options.unread, every=options.all)
    return int(any(_fails(page.audit, strict=options.strict) for page in pages))


def _fails(audit: Audit, *, strict: bool) -> bool:
    counts = audit.counts()
    if counts["contradicted"] or not strict:
        return bool(counts["contradicted"])
    unsure = len(audit.claims) - counts["supported"]
    return bool(unsure or audit.disagreements or audit.unchecked)


def pages_of(names: Sequence[str]) -> list[Path]:
    """The files that are named and the Markdown below each folder, each once.

    Raises: UserError where there is none.
    """
    paths: dict[Path, Path] = {}
    for name in map(Path, names):
        for path in sorted(name.rglob("*.md")) if name.is_dir() else [name]:
            paths.setdefault(path.resolve(), path)
    if not paths:
        from mobile_vla.messages.catalogue import phrase

        raise UserError(phrase("audit.no_page", "en"))
    return list(paths.values())


def audited_pages(paths: Sequence[Path], proof: Proof, options: AuditOptions) -> list[AuditedPage]:
    """Each page read, bound and judged, then held against the others."""
    from mobile_vla.audit.audit_document import (
        AuditedPage,
        audit_document,
        read_page,
        with_disagreements,
    )
    from mobile_vla.messages.catalogue import phrase

    if options.claims and len(paths) > 1:
        raise UserError(phrase("audit.claims_one_page", "en"))
    contents = [read_page(path) for path in paths]
    audits = [
        audit_document(data, path.as_posix(), proof, _proposals(data, options))
        for path, data in zip(paths, contents, strict=True)
    ]
    audits = with_disagreements(audits)
    return [AuditedPage(*page) for page in zip(paths, contents, audits, strict=True)]


def _proposals(data: bytes, options: AuditOptions) -> dict[str, list[Any]]:
    """What others read of a page, by who read it."""
    proposals: dict[str, list[Any]] = {}
    if options.claims:
        from mobile_vla.audit.audit_document import read_page
        from mobile_vla.claims.proposals import read_claims_file

        file = options.claims
        proposals[file] = read_claims_file(read_page(Path(file)), file, data)
    if options.reader:
        from mobile_vla.claims.remote_reader import propose

        proposals[options.reader] = propose(data, options.reader, _reader_cache(options))
    return proposals


def _reader_cache(options: AuditOptions) -> Path:
    """Where answers are stored: in the workspace, else in the user's cache."""
    if options.workspace is not None:
        return Path(options.workspace) / "cache" / "reader"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mobile-vla/reader"


def sealed_proof_of(options: AuditOptions, seals: Sequence[str]) -> Proof:
    """The evidence that seals state; what is to be said of it goes to stderr."""
    from datetime import UTC, datetime

    from mobile_vla.cli.extras import require
    from mobile_vla.messages.catalogue import sentence
    from mobile_vla.seal.sealed_proof import sealed_proof

    if options.evidence or options.workspace:
        raise UserError("--seals stand for the runs: leave out --evidence and --workspace.")
    if options.key:
        require(["seal"])
    key = Path(options.key) if options.key else None
    proof, notes = sealed_proof([Path(name) for name in seals], key, datetime.now(UTC))
    for note in notes:
        print(f"mvla audit: {sentence(note, 'en')}", file=sys.stderr)
    return proof


def proof_of(options: EvidenceOptions) -> Proof:
    """The evidence that a command line names: scanned folders, else the workspace."""
    from mobile_vla.audit.audit_document import gather_proof
    from mobile_vla.cli.run_options import setting

    book = book_of(options)
    study = setting(options).study if book is None and options.study else None
    return gather_proof(book, [Path(folder) for folder in options.evidence], study)


def book_of(options: EvidenceOptions) -> Casebook | None:
    """The workspace's casebook; None where only scanned folders are named.

    Raises: UserError where there is no such workspace.
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


def _writable(name: str) -> Path:
    """A file to write. Raises UserError where it is a folder, or its folder is not there."""
    path = Path(name)
    if path.is_dir():
        raise UserError(f"--sarif {name} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise UserError(f"--sarif {name}: there is no folder {path.parent}; make it first.")
    return path
