"""The OpenAPI 3.1 document of the REST interface."""

from __future__ import annotations

from typing import Any

from mobile_vla import __version__

SESSION = {"type": "string", "description": "name of a history; default: this TCP connection's"}
NUMBERS = {"type": "array", "items": {"type": "number"}}
PREDICT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "instruction"],
    "properties": {
        "image": {"type": "string", "description": "base64 of a PNG or JPEG, RGB"},
        "instruction": {"type": "string", "maxLength": 2000},
        "session": SESSION,
    },
}
PREDICTION = {
    "type": "object",
    "properties": {
        "action": {**NUMBERS, "description": "the velocities to drive with now"},
        "chunk": {"type": "array", "items": NUMBERS},
        "units": {"type": "array", "items": {"type": "string"}},
        "history": {"type": "integer", "description": "frames that the action rests on"},
        "latency_ms": {"type": "number"},
        "model_name": {"type": "string"},
    },
}
ERROR = {
    "type": "object",
    "properties": {
        "detail": {"type": "string"}, "ko": {"type": "string"},
        "code": {"type": "string"}, "fields": {"type": "object"},
    },
}  # fmt: skip
ERRORS = {
    "403": "the token is missing or wrong",
    "422": "the request is wrong; the detail names the field",
    "500": "the policy gave no finite action, or failed",
    "503": "too many requests wait",
}
READ = {
    "/": "what is served",
    "/health": "whether the server is ready",
    "/model/info": "units, sizes, checkpoint and evidence of the policy",
    "/statistics": "counts, errors and latencies",
}

METRICS = "counts and latencies for Prometheus"


def openapi() -> dict[str, Any]:
    """The document, as plain JSON."""
    reset = {"type": "object", "properties": {"session": SESSION}}
    paths: dict[str, Any] = {
        path: {"get": _operation(summary, {"type": "object"})} for path, summary in READ.items()
    }
    metrics = {"text/plain": {"schema": {"type": "string"}}}
    paths["/metrics"] = {
        "get": {
            "summary": METRICS,
            "responses": {"200": {"description": METRICS, "content": metrics}},
        }
    }
    paths["/predict"] = {"post": _operation("the next velocities", PREDICTION, PREDICT)}
    paths["/reset"] = {"post": _operation("forget a session's frames", {"type": "object"}, reset)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "mobile-vla policy server", "version": __version__},
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
        },
        "security": [{"key": []}, {"bearer": []}],
        "paths": paths,
    }


def _operation(
    summary: str, answer: dict[str, Any], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One operation with its errors."""
    responses = {"200": {"description": summary, "content": _content(answer)}}
    for status, description in ERRORS.items():
        responses[status] = {"description": description, "content": _content(ERROR)}
    operation = {"summary": summary, "responses": responses}
    return operation if body is None else {**operation, "requestBody": {"content": _content(body)}}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
