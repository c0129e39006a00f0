"""Audits as SARIF 2.1.0, which code review shows at the line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mobile_vla
from mobile_vla.old_audit.audit_messages import message
from mobile_vla.old_claims.model import VERDICTS, Audit, Judged
from mobile_vla.old_claims.source import BOM, Document

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    "contradicted": "error",
    "stale": "warning",
    "ambiguous": "warning",
    "unsupported": "note",
}
MEANINGS = {
    "contradicted": "The evidence says otherwise.",
    "stale": "It was so and is no longer.",
    "ambiguous": "The document does not say which run or value it means.",
    "unsupported": "No evidence tells it.",
}


def sarif_log(documents: Sequence[Document], audits: Sequence[Audit]) -> dict[str, Any]:
    """A SARIF log with one result for each claim that is not supported."""
    rules = [
        {"id": verdict, "shortDescription": {"text": MEANINGS[verdict]}}
        for verdict in VERDICTS
        if verdict in MEANINGS
    ]
    driver = {"name": "mvla audit", "version": mobile_vla.__version__, "rules": rules}
    results = [
        _result(document, audit, judged)
        for document, audit in zip(documents, audits, strict=True)
        for judged in audit.claims
        if judged.verdict in LEVELS
    ]
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(document: Document, audit: Audit, judged: Judged) -> dict[str, Any]:
    claim = judged.claim
    last = document.line_of(max(claim.start, claim.end - 1))
    region = {
        "startLine": claim.line,
        "startColumn": _column(document, claim.line, claim.start),
        "endLine": last,
        "endColumn": _column(document, last, claim.end),
        "byteOffset": claim.start,
        "byteLength": claim.end - claim.start,
    }
    place = {"artifactLocation": {"uri": _uri(document.path)}, "region": region}
    return {
        "ruleId": judged.verdict,
        "level": LEVELS[judged.verdict],
        "message": {"text": message(judged, audit.language)},
        "locations": [{"physicalLocation": place}],
    }


def _column(document: Document, line: int, place: int) -> int:
    """The column, from 1, of a byte in its line, in UTF-16 units; a byte order mark counts none."""
    before = document.data[document.lines[line - 1] : place].removeprefix(BOM)
    return 1 + len(before.decode("utf-8", "replace").encode("utf-16-le")) // 2


def _uri(path: Path) -> str:
    """A file below the working directory as seen from there, any other by its whole address."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are named
    if whole.is_relative_to(Path.cwd()):
        return quote(whole.relative_to(Path.cwd()).as_posix())
    return whole.as_uri()
