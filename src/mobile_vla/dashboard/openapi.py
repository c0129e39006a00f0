"""The OpenAPI 3.1 document of the dashboard's addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mobile_vla import __version__

FIELD = re.compile(r"\{(\w+)(?::\w+)?\}")


def openapi(rows: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`rows`: address and summary; every address answers JSON for `Accept: application/json`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "mobile-vla dashboard", "version": __version__},
        "paths": {FIELD.sub(r"{\1}", path): {"get": _operation(path, text)} for path, text in rows},
    }


def _operation(path: str, summary: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in FIELD.findall(path)
    ]
    content = {"application/json": {"schema": {}}, "text/html": {"schema": {"type": "string"}}}
    problem = {"application/json": {"schema": {"type": "object", "required": ["error"]}}}
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": summary, "content": content},
            "404": {"description": "nothing of that name", "content": problem},
        },
    }
