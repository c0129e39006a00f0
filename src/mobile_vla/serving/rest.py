"""The lab's REST interface: JSON with a base64 picture in, velocities out.

A request's history is that of its `session`, or of its TCP connection where it names none.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mobile_vla.messages.catalogue import sentence
from mobile_vla.serving.inference import InferenceCore, Session, counted
from mobile_vla.serving.openapi import openapi
from mobile_vla.serving.pictures import decode_picture
from mobile_vla.serving.policy_input import check_input, refuse_unknown
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.wire import MAX_MESSAGE

BUSY = {"serve.queue_full": 503, "serve.too_many_sessions": 503, "serve.action_not_finite": 500}
"""Status of the errors that are not the client's; any other is 422."""
LONGEST_NAME = 100
Handler = Callable[[Request], Awaitable[Response]]


class RestEndpoints:
    """The handlers of the HTTP routes."""

    def __init__(self, core: InferenceCore, *, refuse_resize: bool) -> None:
        self._core, self._refuse_resize = core, refuse_resize

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each route."""
        return [
            ("GET", "/", self.about),
            ("GET", "/health", self.health),
            ("GET", "/healthz", self.healthz),
            ("GET", "/model/info", self.model_info),
            ("GET", "/statistics", self.statistics),
            ("GET", "/metrics", self.metrics),
            ("GET", "/openapi.json", self.document),
            ("POST", "/predict", self.predict),
            ("POST", "/reset", self.reset),
        ]

    async def about(self, request: Request) -> Response:
        """What is served, and where."""
        paths = {f"{method} {path}": str(handler.__doc__).rstrip(".")
                 for method, path, handler in self.routes()}  # fmt: skip
        return JSONResponse({"model_name": self._core.metadata["case"], "paths": paths})

    async def health(self, request: Request) -> Response:
        """Whether the server is ready."""
        name = self._core.metadata["case"]
        return JSONResponse({"status": "ok", "model_loaded": True, "model_name": name})

    async def healthz(self, request: Request) -> Response:
        """The same as text, for openpi."""
        return PlainTextResponse("OK\n")

    async def model_info(self, request: Request) -> Response:
        """Units, sizes, checkpoint and evidence of the policy."""
        return JSONResponse(self._core.metadata)

    async def statistics(self, request: Request) -> Response:
        """Counts, errors by code and latencies by part."""
        return JSONResponse(self._core.statistics.summary())

    async def metrics(self, request: Request) -> Response:
        """Counts and latencies for Prometheus."""
        return Response(self._core.statistics.prometheus(), media_type=CONTENT_TYPE_LATEST)

    async def document(self, request: Request) -> Response:
        """This interface as OpenAPI."""
        return JSONResponse(openapi())

    async def predict(self, request: Request) -> Response:
        """The next velocities for a picture and an instruction."""
        return await self._answered(self._predict, request)

    async def reset(self, request: Request) -> Response:
        """Forget the frames of a session."""
        return await self._answered(self._reset, request)

    async def _predict(self, request: Request) -> dict[str, Any]:
        begin = time.monotonic()
        values = refuse_unknown(await _json(request), ("image", "instruction", "session"))
        if "image" in values:
            values = {**values, "image": await run_in_threadpool(_picture, values["image"])}
        names = ("image", "instruction")
        side = self._core.served.side
        asked = check_input(values, names, side, refuse_resize=self._refuse_resize)
        self._core.statistics.add("decode", time.monotonic() - begin)
        answer = await self._core.infer(self._session(request, values), asked)
        return {
            "action": answer.actions[0].tolist(),
            "chunk": answer.actions.tolist(),
            "units": self._core.metadata["action"]["units"],
            "history": answer.history,
            "latency_ms": (time.monotonic() - begin) * 1000,
            "model_name": self._core.metadata["case"],
        }

    async def _reset(self, request: Request) -> dict[str, Any]:
        values = refuse_unknown(await _json(request, empty=True), ("session",))
        self._session(request, values).reset()
        return {"status": "ok"}

    def _session(self, request: Request, values: Any) -> Session:
        name = values.get("session")
        if name is None:
            client = request.client
            return self._core.named_session(f"tcp:{client.host}:{client.port}" if client else "tcp")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise RequestError("session_name", limit=LONGEST_NAME)
        return self._core.named_session(f"name:{name}")

    async def _answered(
        self, handler: Callable[[Request], Awaitable[dict[str, Any]]], request: Request
    ) -> Response:
        try:
            with counted(self._core):
                return JSONResponse(await handler(request))
        except RequestError as error:
            return error_response(error, BUSY.get(error.why.code, 422))
        except ClientDisconnect:
            return Response(status_code=400)


def error_response(error: RequestError, status: int) -> JSONResponse:
    """An error as JSON: its code, its fields and its sentence in both languages."""
    why = error.why
    return JSONResponse(
        {
            "detail": str(error), "ko": sentence(why, "ko"),
            "code": why.code, "fields": why.fields,
        },
        status,
    )  # fmt: skip


async def _json(request: Request, *, empty: bool = False) -> Any:
    """The body as JSON, at most `MAX_MESSAGE` bytes of it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_MESSAGE:
            raise RequestError("message_too_large", limit=MAX_MESSAGE)
    if empty and not body:
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("not_json") from error


def _picture(text: Any) -> Any:
    """A base64 picture, with or without the head of a data URL, as an array."""
    if not isinstance(text, str):
        return text
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("not_base64", key="image") from error
    return decode_picture(data)
