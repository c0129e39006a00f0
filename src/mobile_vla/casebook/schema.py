"""The JSON schema of what the casebook answers: `python -m mobile_vla.casebook.schema`."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from mobile_vla.casebook.foreign.scan import Scanned
from mobile_vla.casebook.model import CaseView, Comparison, Plan

ANSWERS = {
    "status": list[CaseView],
    "status_case": CaseView,
    "compare": list[Comparison],
    "plan": Plan,
    "scan": Scanned,
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
        "$defs": components,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
