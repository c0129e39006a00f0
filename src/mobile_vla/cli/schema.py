"""The JSON schema of what the casebook's commands print: `mvla status --schema`."""

from __future__ import annotations

from typing import Any

import msgspec

from mobile_vla.analysis.model import Comparison, Design, Plan
from mobile_vla.analysis.pairwise import Matrix
from mobile_vla.cli.verify_metrics import Recomputed
from mobile_vla.evidence.importers.scan_folders import Scanned
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.as_json import with_reasons


class Demonstrated(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo ends with; `reports`: the files that it wrote."""

    cases: list[CaseView]
    comparisons: list[Comparison]
    plan: Plan
    reports: list[str]


ANSWERS = {
    "demo": Demonstrated,
    "train CASE": RunView,
    "train --all": list[CaseView],
    "status": list[CaseView],
    "status CASE": CaseView,
    "status CASE --verify-metrics": msgspec.defstruct(
        "Verified", [("case", CaseView), ("verified", list[Recomputed])]
    ),
    "compare A B": list[Comparison],
    "compare --all": msgspec.defstruct(
        "Compared", [("comparisons", list[Comparison]), ("design", Design)]
    ),
    "compare --matrix FILE": Matrix,
    "plan": Plan,
    "scan DIR": Scanned,
}
"""What `--json` prints, by command."""


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) whose `$defs` hold every type; `commands` names each answer's."""
    answers, components = msgspec.json.schema_components(
        ANSWERS.values(), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mobile-vla casebook",
        "commands": dict(zip(ANSWERS, answers, strict=True)),
        "$defs": {
            name: struct if name == "Reason" else with_reasons(struct)
            for name, struct in components.items()
        },
    }
