"""Who may read the dashboard: known hosts, a token off loopback, and strict headers."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mobile_vla.messages.catalogue import phrase

COOKIE = "mvla_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For SVG files, whose shapes carry styles of their own."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class DashboardGuard:
    """ASGI middleware: checks host, origin and token, and adds headers to each answer.

    A page elsewhere could otherwise point its own name at this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None, host: str) -> None:
        self._app, self._token = app, token
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed; answer 403 otherwise."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                svg = headers.get("content-type", "").startswith("image/svg")
                headers["Content-Security-Policy"] = PICTURE_POLICY if svg else POLICY
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        host = headers.get("host", "")
        if not self._is_allowed(host):
            return _refused("host_refused", host=host)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return _refused("origin_refused")
        return self._without_token(scope, headers)

    def _is_allowed(self, host: str) -> bool:
        """An address, which no name server can redirect, or a name of this machine."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower() in self._names
        return True

    def _without_token(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        if self._token is None:
            return None
        fields = parse_qsl(scope["query_string"].decode("latin-1"))
        token = dict(fields).get("token")
        if token is not None and self._equal(token):
            remaining = urlencode([field for field in fields if field[0] != "token"])
            answer = RedirectResponse(scope["path"] + ("?" + remaining if remaining else ""), 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return answer
        cookies: Any = SimpleCookie(headers.get("cookie", ""))
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        sent = [cookies[COOKIE].value] if COOKIE in cookies else []
        sent += [bearer.strip()] if scheme.lower() == "bearer" else []
        return None if any(map(self._equal, sent)) else _refused("token_needed")

    def _equal(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), (self._token or "").encode())


def _refused(key: str, **values: str) -> Response:
    return PlainTextResponse(phrase(f"dashboard.{key}", "en", **values) + "\n", 403)
