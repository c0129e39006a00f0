"""One port for three protocols: openpi at `/`, vla-eval at `/vla-eval`, REST over HTTP.

They share one port, since openpi and REST are told apart by the websocket upgrade, and vla-eval's
client takes a path in its address.
"""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from mobile_vla.serving.access import AccessGuard
from mobile_vla.serving.inference import InferenceCore
from mobile_vla.serving.openpi import OpenpiEndpoint
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.rest import RestEndpoints, error_response
from mobile_vla.serving.vla_eval_protocol import VlaEvalEndpoint
from mobile_vla.serving.wire import MAX_MESSAGE

BACKLOG = 1024
INTERNAL_ERROR = 1011
QUEUED_MESSAGES = 2


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """`token`: what clients must send; `refuse_resize`: refuse frames of another size."""

    token: str | None = None
    refuse_resize: bool = False


def build_app(core: InferenceCore, options: ServerOptions) -> Starlette:
    """The ASGI application of all protocols over one session core."""
    resize = options.refuse_resize
    rest = RestEndpoints(core, refuse_resize=resize)
    routes = [
        *(Route(path, handler, methods=[method]) for method, path, handler in rest.routes()),
        WebSocketRoute("/", _contained(OpenpiEndpoint(core, refuse_resize=resize))),
        WebSocketRoute("/vla-eval", _contained(VlaEvalEndpoint(core, refuse_resize=resize))),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        core.close()

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(AccessGuard, token=options.token)],
        exception_handlers={500: _internal_error},
    )


def make_server(core: InferenceCore, options: ServerOptions) -> uvicorn.Server:
    """A server that `run(sockets=[…])` starts; no access log, no compression."""
    allow_many_connections()
    config = uvicorn.Config(
        build_app(core, options),
        backlog=BACKLOG,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_max_queue=QUEUED_MESSAGES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _contained(
    endpoint: Callable[[WebSocket], Awaitable[None]],
) -> Callable[[WebSocket], Awaitable[None]]:
    """An endpoint whose unforeseen errors are one sentence and close code 1011."""

    async def serve(websocket: WebSocket) -> None:
        try:
            await endpoint(websocket)
        except Exception:
            with suppress(Exception):  # the client may have gone
                await websocket.send_text(str(RequestError("internal")))
                await websocket.close(INTERNAL_ERROR)
            raise

    return serve


async def _internal_error(request: Request, error: Exception) -> Response:
    return error_response(RequestError("internal"), 500)


def allow_many_connections() -> None:
    """Raise the limit of open files to what this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
