"""Audits as SARIF 2.1.0, which code review shows at the line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mobile_vla
from mobile_vla.audit.audit_document import Audit
from mobile_vla.audit.audit_messages import message
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.messages.catalogue import term

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    "contradicted": "error", "stale": "warning", "ambiguous": "warning", "unsupported": "note",
    "unbound": "note",
}  # fmt: skip
BOM = b"\xef\xbb\xbf"


def sarif_log(pages: Sequence[tuple[bytes, Audit]]) -> dict[str, Any]:
    """A SARIF log with one result for each claim that is not supported."""
    rules = [
        {"id": verdict, "shortDescription": {"text": term("claim_verdict_meaning", verdict, "en")}}
        for verdict in LEVELS
    ]
    driver = {"name": "mvla audit", "version": mobile_vla.__version__, "rules": rules}
    results = [
        _result(data, audit, judged)
        for data, audit in pages for judged in audit.claims if judged.verdict in LEVELS
    ]  # fmt: skip
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(data: bytes, audit: Audit, judged: Judged) -> dict[str, Any]:
    place = judged.claim.place
    last = data.count(b"\n", 0, max(place.start, place.end - 1)) + 1
    region = {
        "startLine": place.line, "startColumn": _column(data, place.start),
        "endLine": last, "endColumn": _column(data, place.end),
        "byteOffset": place.start, "byteLength": place.end - place.start,
    }  # fmt: skip
    location = {"artifactLocation": {"uri": _uri(Path(audit.document))}, "region": region}
    return {
        "ruleId": judged.verdict,
        "level": LEVELS[judged.verdict],
        "message": {"text": message(judged, audit.language)},
        "locations": [{"physicalLocation": location}],
    }


def _column(data: bytes, place: int) -> int:
    """The column, from 1, of a byte in its line, in UTF-16 units; a byte order mark counts none."""
    before = data[data.rfind(b"\n", 0, place) + 1 : place].removeprefix(BOM)
    return 1 + len(before.decode("utf-8", "replace").encode("utf-16-le")) // 2


def _uri(path: Path) -> str:
    """A file below the working directory as seen from there, any other by its whole address."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are named
    if absolute.is_relative_to(Path.cwd()):
        return quote(absolute.relative_to(Path.cwd()).as_posix())
    return absolute.as_uri()
