"""Server-sent events: progress of what runs, and a word when anything else changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.concurrency import run_in_threadpool

from mobile_vla.dashboard.live_book import LIVE, LiveBook, Moment
from mobile_vla.dashboard.study_page import progress_row
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language

POLL_SECONDS = 2.0
SILENT_POLLS = 8
"""Polls without news after which a comment shows that the connection lives."""


async def events(
    book: LiveBook, language: Language, is_gone: Callable[[], bool], poll: float = POLL_SECONDS
) -> AsyncIterator[bytes]:
    """One stream of events; it ends when the server does, or the browser leaves."""
    version, rows, silent = "", dict[str, bytes](), 0
    yield b"retry: 3000\n\n"
    while not is_gone():
        try:
            moment = await run_in_threadpool(book.moment)
        except (UserError, OSError):  # the page itself says why when it is asked for
            moment = None
        news = []
        if moment is not None:
            if version and moment.version != version:
                news.append(event("changed", msgspec.json.encode(moment.version)))
            version = moment.version
            after = progress(moment, language)
            news += [event("progress", row) for run, row in after.items() if rows.get(run) != row]
            rows = after
        silent = 0 if news else silent + 1
        if silent >= SILENT_POLLS:
            news, silent = [b": alive\n\n"], 0
        for line in news:
            yield line
        await asyncio.sleep(poll)


def progress(moment: Moment, language: Language) -> dict[str, bytes]:
    """A row of JSON for each run that may be alive."""
    return {
        run.path: msgspec.json.encode(progress_row(run, language))
        for run in moment.runs() if run.state in LIVE
    }  # fmt: skip


def event(name: str, data: bytes) -> bytes:
    """One event as the protocol writes it; JSON holds no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
