"""Audits as SARIF 2.1.0, which code review shows at the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import mobile_vla
from mobile_vla.documents.claims.model import VERDICTS, Audit, Judged
from mobile_vla.documents.saying import message

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


def sarif_log(audits: Sequence[Audit]) -> dict[str, Any]:
    """A SARIF log with one result for each claim that is not supported."""
    rules = [
        {"id": verdict, "shortDescription": {"text": MEANINGS[verdict]}}
        for verdict in VERDICTS
        if verdict in MEANINGS
    ]
    driver = {"name": "mvla audit", "version": mobile_vla.__version__, "rules": rules}
    results = [
        _result(audit, judged)
        for audit in audits
        for judged in audit.claims
        if judged.verdict in LEVELS
    ]
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(audit: Audit, judged: Judged) -> dict[str, Any]:
    claim = judged.claim
    region = {
        "startLine": claim.line,
        "byteOffset": claim.start,
        "byteLength": claim.end - claim.start,
    }
    place = {"artifactLocation": {"uri": quote(audit.document)}, "region": region}
    return {
        "ruleId": judged.verdict,
        "level": LEVELS[judged.verdict],
        "message": {"text": message(judged, audit.language)},
        "locations": [{"physicalLocation": place}],
    }
