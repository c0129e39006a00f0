"""The application: its addresses, each a page and the same as JSON."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from mobile_vla.dashboard.compare_page import compare_page, matrix_page
from mobile_vla.dashboard.curves import Curves
from mobile_vla.dashboard.documents_page import (
    confirm_binding,
    document_names,
    document_page,
    documents_page,
)
from mobile_vla.dashboard.episodes_page import episode_frame, episode_page, episodes_page
from mobile_vla.dashboard.files_page import file_page, picture
from mobile_vla.dashboard.guard import DashboardGuard
from mobile_vla.dashboard.live import events
from mobile_vla.dashboard.live_book import LiveBook, Moment
from mobile_vla.dashboard.openapi import openapi
from mobile_vla.dashboard.page import DashboardPage, json_response, language_of, respond
from mobile_vla.dashboard.report_page import report_page
from mobile_vla.dashboard.run_page import case_page, run_page
from mobile_vla.dashboard.search_page import search_page
from mobile_vla.dashboard.static_files import static_file
from mobile_vla.dashboard.study_page import study_page
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language

Handler = Callable[[Request], DashboardPage]


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """`documents`: folder of the pages to audit; `write`: bindings may be confirmed in them.

    `host` is the address that is listened on, `token` what a browser must send, None where none.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    documents: Path | None = None
    write: bool = False


@dataclass(slots=True)
class Dashboard:
    """The handlers of one workspace. `stopping`: whether the server is about to end."""

    book: LiveBook
    options: DashboardOptions
    curves: Curves
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    stopping: Callable[[], bool] = lambda: False

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Address, summary and handler of every page."""
        documents, book = self.options.documents, self.book
        return [
            ("/", "cases, comparisons, plan and design", self._of_moment(study_page)),
            ("/case/{name:path}", "one case with its runs", self._case),
            ("/run/{path:path}", "one run with its facts", self._run),
            ("/compare", "two cases: a, b and, if asked, question", self._compare),
            ("/matrix", "the verdict on every pair of cases", self._of_moment(matrix_page)),
            ("/report", "the study's report", self._of_moment(report_page)),
            ("/documents", "documents, with counts of verdicts",
             lambda request: documents_page(documents, self._now(), language_of(request))),
            ("/document/{name:path}", "one document with its claims marked", self._document),
            ("/episodes", "data sets",
             lambda request: episodes_page(book.workspace, "", {}, language_of(request))),
            ("/episodes/{name}", "one data set: group, split, q filter it",
             lambda request: episodes_page(book.workspace, request.path_params["name"],
                                           request.query_params, language_of(request))),
            ("/episode/{name}/{id:path}", "one episode: frame chooses", self._episode),
            ("/file/{name:path}", "the end of a file of the workspace",
             lambda request: file_page(book.workspace, request.path_params["name"],
                                       language_of(request))),
            ("/search", "runs, cases, questions and documents by name: q", self._search),
        ]  # fmt: skip

    def _now(self) -> Moment:
        return self.book.moment()

    def _of_moment(self, page: Callable[[Moment, Language], DashboardPage]) -> Handler:
        return lambda request: page(self._now(), language_of(request))

    def _case(self, request: Request) -> DashboardPage:
        return case_page(self._now(), request.path_params["name"], language_of(request))

    def _run(self, request: Request) -> DashboardPage:
        path = request.path_params["path"]
        return run_page(self.book, self._now(), path, self.curves, language_of(request))

    def _compare(self, request: Request) -> DashboardPage:
        a, b, question = (request.query_params.get(name, "") for name in ("a", "b", "question"))
        return compare_page(self._now(), a, b, question, language_of(request))

    def _document(self, request: Request) -> DashboardPage:
        token = self.form_token if self.options.write else ""
        return document_page(self.options.documents, self._now(), request.path_params["name"],
                             token, language_of(request))  # fmt: skip

    def _episode(self, request: Request) -> DashboardPage:
        name, episode = request.path_params["name"], request.path_params["id"]
        frame = request.query_params.get("frame", "0")
        return episode_page(self.book.workspace, name, episode, frame, language_of(request))

    def _search(self, request: Request) -> DashboardPage:
        names = document_names(self.options.documents)
        return search_page(self._now(), names, request.query_params.get("q", ""),
                           language_of(request))  # fmt: skip

    async def live(self, request: Request) -> Response:
        """Server-sent events."""
        stream = events(self.book, language_of(request), self.stopping)
        return StreamingResponse(stream, media_type="text/event-stream")

    async def curve(self, request: Request) -> Response:
        """New points of a run's curves since a cursor."""
        moment = await run_in_threadpool(self._now)
        path = request.path_params["path"]
        if moment.run(path) is None:
            raise UserError(phrase("dashboard.no_run", language_of(request), path=path),
                            exit_code=1)  # fmt: skip
        cursor = request.query_params.get("after", "")
        return json_response(await run_in_threadpool(self.curves.since, path, cursor))

    async def frame(self, request: Request) -> Response:
        """One picture of an episode as PNG."""
        parts = request.path_params
        picture = partial(episode_frame, self.book.workspace, parts["name"], parts["id"],
                          parts["frame"], language_of(request))  # fmt: skip
        data = await run_in_threadpool(picture)
        return Response(data, media_type="image/png", headers={"Cache-Control": "max-age=60"})

    async def picture(self, request: Request) -> Response:
        """A picture of the workspace, such as the film of a drive."""
        name = request.path_params["name"]
        data, kind = await run_in_threadpool(
            picture, self.book.workspace, name, language_of(request)
        )
        return Response(data, media_type=kind, headers={"Cache-Control": "max-age=60"})

    async def confirm(self, request: Request) -> Response:
        """Write one confirmed binding into its document; only with `write`."""
        language = language_of(request)
        if not self.options.write:
            raise HTTPException(403, phrase("dashboard.read_only", language))
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > 10_000:
                raise HTTPException(413, phrase("dashboard.form_refused", language))
        fields = dict(parse_qsl(body.decode("utf-8", "replace")))
        sent = fields.get("form_token", "").encode()
        if not hmac.compare_digest(sent, self.form_token.encode()):
            raise UserError(phrase("dashboard.form_refused", language))
        moment = await run_in_threadpool(self._now)
        name = request.path_params["name"]
        await run_in_threadpool(
            confirm_binding, self.options.documents, moment, name, fields, language
        )
        return RedirectResponse(request.url.path, 303)

    async def about(self, request: Request) -> Response:
        """The OpenAPI document of all pages."""
        return json_response(openapi([(path, text) for path, text, _ in self.routes()]))

    def endpoint(self, handler: Handler) -> Callable[[Request], object]:
        """A page worked out in a thread, so that no browser waits for another."""

        async def answer(request: Request) -> Response:
            return await run_in_threadpool(lambda: respond(request, handler(request)))

        return answer


def build_app(dashboard: Dashboard) -> Starlette:
    """The ASGI application."""
    handlers = dashboard.routes()
    routes = [
        Route("/openapi.json", dashboard.about),
        Route("/page.css", static_file),
        Route("/static/{name}", static_file),
        Route("/live", dashboard.live),
        Route("/curves/{path:path}", dashboard.curve),
        Route("/frame/{name}/{frame:int}/{id:path}", dashboard.frame),
        Route("/picture/{name:path}", dashboard.picture),
        Route("/document/{name:path}", dashboard.confirm, methods=["POST"]),
        *(Route(path, dashboard.endpoint(page), methods=["GET"]) for path, _, page in handlers),
        Route("/api", dashboard.endpoint(lambda request: _api_page(handlers, request))),
    ]
    options = dashboard.options
    return Starlette(
        routes=routes,
        middleware=[Middleware(DashboardGuard, token=options.token, host=options.host)],
        exception_handlers={UserError: _user_error, HTTPException: _http_error, 500: _failure},
    )


def _api_page(handlers: Sequence[tuple[str, str, Handler]], request: Request) -> DashboardPage:
    rows = [(path, summary) for path, summary, _ in handlers]
    title = phrase("dashboard.api", language_of(request))
    return DashboardPage("api.html.j2", title, lambda: openapi(rows), lambda: {"rows": rows})


def _problem(request: Request, sentences: Sequence[str], status: int) -> Response:
    title = phrase("dashboard.problem", language_of(request))
    answer = {"error": " ".join(sentences)}
    page = DashboardPage(
        "problem.html.j2", title, lambda: answer, lambda: {"sentences": sentences}, status
    )
    return respond(request, page)


def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return _problem(request, error.faults, 404 if error.exit_code == 1 else 400)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == 404:
        text = phrase("dashboard.no_page", language_of(request), path=request.url.path)
    return _problem(request, [text], error.status_code)


def _failure(request: Request, error: Exception) -> Response:
    """What nobody foresaw: a sentence in the browser, the traceback in the terminal."""
    return _problem(request, [phrase("dashboard.failed", language_of(request))], 500)
