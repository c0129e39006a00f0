"""A page: its template, its values, and the same as JSON at the same address."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mobile_vla.dashboard.static_files import address_of
from mobile_vla.messages.as_json import plain
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.formats import LANGUAGES, Language, duration, number, size
from mobile_vla.report.render import environment

if TYPE_CHECKING:
    from jinja2 import Environment

THEMES = ("light", "dark")
COOKIES = {"lang": LANGUAGES, "theme": THEMES}
A_YEAR = 365 * 24 * 3600
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """`data` gives the JSON, `values` those of the template; only one of both is called."""

    template: str
    title: str
    data: Callable[[], Any]
    values: Callable[[], Values]
    status: int = 200


def language_of(request: Request) -> Language:
    """From the address, else the cookie, else what the browser prefers."""
    chosen = request.query_params.get("lang") or request.cookies.get("lang")
    for language in LANGUAGES:
        if chosen == language:
            return language
    return "ko" if request.headers.get("accept-language", "").lower().startswith("ko") else "en"


def wants_json(request: Request) -> bool:
    """Whether JSON stands in the Accept header, before HTML."""
    for kind in request.headers.get("accept", "").split(","):
        name = kind.partition(";")[0].strip().lower()
        if name in ("application/json", "text/html"):
            return name == "application/json"
    return False


def respond(request: Request, page: DashboardPage) -> Response:
    """The page in the form and language that the request prefers."""
    if wants_json(request):
        return json_response(page.data(), page.status)
    language = language_of(request)
    template = templates(language).get_template(page.template)
    text = template.render({"title": page.title, **frame(request), **page.values()})
    answer = HTMLResponse(text, page.status, {"Vary": "Accept, Cookie, Accept-Language"})
    for name, allowed in COOKIES.items():
        if (value := request.query_params.get(name)) in allowed:
            answer.set_cookie(name, value, max_age=A_YEAR, samesite="lax")
    return answer


def json_response(value: Any, status: int = 200) -> Response:
    """Structs and plain values as JSON, each reason with its sentence."""
    data = msgspec.json.encode(plain(value), enc_hook=os.fspath)
    return Response(data, status, media_type="application/json")


def frame(request: Request) -> Values:
    """What every page shows around its content."""
    theme = request.query_params.get("theme") or request.cookies.get("theme")
    return {
        "path": request.url.path,
        "theme": theme if theme in THEMES else "",
        "query": request.query_params.get("q", ""),
        "changed": partial(_changed, request),
    }


def _changed(request: Request, **changes: str) -> str:
    """This address with some fields changed."""
    fields = {**dict(request.query_params), **changes}
    return "?" + urlencode(fields)


@cache
def templates(language: Language) -> Environment:
    """The dashboard's templates beside the report's, compiled once a language."""
    loaded = environment("html", language, "mobile_vla.dashboard")
    loaded.globals |= {
        "d": lambda key, **values: phrase(f"dashboard.{key}", language, **values),
        "static": address_of,
    }
    loaded.filters |= {
        "href": lambda file: f"/file/{quote(file)}",
        "address": quote,
        "field": lambda text: quote(text, safe=""),
        "duration": partial(duration, language=language),
        "number": number,
        "size": size,
        "utc": _utc,
    }
    return loaded


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
