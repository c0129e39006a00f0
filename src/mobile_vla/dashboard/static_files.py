"""Styles and scripts, whose addresses carry their hash, so that a browser may keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

STATIC = Path(__file__).parent / "static"
STYLE = Path(__file__).parents[1] / "report" / "templates" / "page.css"
"""The style that report and dashboard share."""
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def files() -> dict[str, Path]:
    """Each file by its address."""
    own = {f"/static/{path.name}": path for path in STATIC.iterdir() if path.is_file()}
    return {**own, "/page.css": STYLE}


@cache
def address_of(name: str) -> str:
    """The address of a file with its hash: another file has another address."""
    return f"{name}?v={hashlib.sha256(files()[name].read_bytes()).hexdigest()[:16]}"


async def static_file(request: Request) -> Response:
    """A file; a browser may keep it where the address holds the file's own hash."""
    name = request.url.path
    if name not in files():
        raise HTTPException(404)
    asked = f"{name}?{request.url.query}"
    return FileResponse(files()[name], headers=KEPT if asked == address_of(name) else None)
