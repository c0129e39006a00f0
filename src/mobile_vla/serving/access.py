"""Who may speak to a server: a token where it is reached from elsewhere, and no browser page."""

from __future__ import annotations

import hmac
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.rest import error_response

OPEN_PATHS = ("/health", "/healthz")
SCHEMES = (b"bearer ", b"api-key ")


class AccessGuard:
    """ASGI middleware: checks the token, and refuses pages in a browser (`Origin`).

    A page could otherwise reach a server on loopback, which needs no token.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed; answer 403 otherwise."""
        if scope["type"] == "lifespan" or (refusal := self._refusal(scope)) is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await error_response(refusal, 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> RequestError | None:
        headers = dict(scope["headers"])
        if b"origin" in headers:
            return RequestError("browser_refused")
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        sent = _sent_token(headers)
        if sent is None:
            return RequestError("token_missing")
        return None if hmac.compare_digest(sent, self._token) else RequestError("token_wrong")


def _sent_token(headers: dict[bytes, bytes]) -> bytes | None:
    """From `X-API-Key`, or `Authorization: Bearer …` or `Api-Key …`."""
    if (key := headers.get(b"x-api-key")) is not None:
        return key
    value: Any = headers.get(b"authorization", b"")
    for scheme in SCHEMES:
        if value.lower().startswith(scheme):
            return bytes(value[len(scheme) :].strip())
    return None
