"""Audits as SARIF 2.1.0, which code review shows at the line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mobile_vla
from mobile_vla.audit.across_pages import Disagreement
from mobile_vla.audit.audit_document import Audit
from mobile_vla.audit.audit_messages import message
from mobile_vla.claims.model import Claim
from mobile_vla.messages.catalogue import sentence, term

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    "contradicted": "error", "stale": "warning", "ambiguous": "warning", "unsupported": "note",
    "unbound": "note", "disagreement": "warning",
}  # fmt: skip
BOM = b"\xef\xbb\xbf"


def sarif_log(pages: Sequence[tuple[bytes, Audit]]) -> dict[str, Any]:
    """A SARIF log with a result for each claim that is not supported, and each disagreement."""
    rules = [
        {"id": verdict, "shortDescription": {"text": term("claim_verdict_meaning", verdict, "en")}}
        for verdict in LEVELS
    ]
    driver = {"name": "mvla audit", "version": mobile_vla.__version__, "rules": rules}
    results = [
        _result(judged.verdict, message(judged, audit.language),
                _location(data, audit.document, judged.claim))
        for data, audit in pages for judged in audit.claims if judged.verdict in LEVELS
    ]  # fmt: skip
    bytes_of = {audit.document: data for data, audit in pages}
    results += [
        _disagreement(pair, audit, bytes_of) for _, audit in pages for pair in audit.disagreements
    ]
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(rule: str, text: str, location: dict[str, Any]) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": LEVELS[rule],
        "message": {"text": text},
        "locations": [location],
    }


def _disagreement(pair: Disagreement, audit: Audit, pages: Mapping[str, bytes]) -> dict[str, Any]:
    """A place that an earlier one excludes, with the earlier one beside it."""
    second, first = (
        _location(pages[page], page, claim)
        for page, claim in ((pair.second_page, pair.second), (pair.first_page, pair.first))
    )
    result = _result("disagreement", sentence(pair.reason, audit.language), second)
    return result | {"relatedLocations": [first]}


def _location(data: bytes, document: str, claim: Claim) -> dict[str, Any]:
    place = claim.place
    last = data.count(b"\n", 0, max(place.start, place.end - 1)) + 1
    region = {
        "startLine": place.line, "startColumn": _column(data, place.start),
        "endLine": last, "endColumn": _column(data, place.end),
        "byteOffset": place.start, "byteLength": place.end - place.start,
    }  # fmt: skip
    file = {"uri": _uri(Path(document))}
    return {"physicalLocation": {"artifactLocation": file, "region": region}}


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
