"""What the documents of a folder say wrongly, for part 3 of the report."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mobile_vla.documents.audit import Proof, audit_file
from mobile_vla.documents.claims.model import Judged
from mobile_vla.documents.view import ReportView, WrongLine
from mobile_vla.record.errors import UserError


def wrong_lines(folder: Path, view: ReportView, own: Collection[Path]) -> tuple[WrongLine, ...]:
    """Every contradicted claim of the Markdown below a folder, by file and line.

    `own`: reports of our own, which are not judged. A file that cannot be read is listed as such.
    Errors: `UserError` where `folder` is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one that holds the documents.")
    proof = Proof(cases=view.cases, base=view.workspace.as_posix())
    judge, found = proof.judge(), list[WrongLine]()
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).as_posix()
        if path.resolve() in {report.resolve() for report in own}:
            continue
        try:
            claims = audit_file(path, proof, judge).claims
        except UserError as error:
            found.append(WrongLine(name, 1, "–", str(error), None))
            continue
        found += [_wrong(name, one) for one in claims if one.verdict == "contradicted"]
    return tuple(found)


def _wrong(document: str, judged: Judged) -> WrongLine:
    claim = judged.claim
    said = f"{claim.case or ''} {claim.what}: {claim.value}".strip()
    so = judged.expected or judged.reason or judged.verdict
    return WrongLine(document, claim.line, said, so, judged.evidence)
