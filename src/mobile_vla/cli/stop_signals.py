"""Ctrl-C and SIGTERM end a command in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mobile_vla.runs.signal_handler import signal_handler

if TYPE_CHECKING:
    import socket

    import uvicorn

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that either signal sets; in another thread than the main one, nothing sets it."""
    stop = threading.Event()
    with signal_handler(lambda *_: stop.set(), NUMBERS):
        yield stop


def run_server(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server until a signal; one that comes before uvicorn's own handlers stand counts.

    uvicorn raises the signal again once it has stopped, so the handlers here let it pass.
    """
    with signal_handler(lambda *_: setattr(server, "should_exit", True), NUMBERS):
        server.run(sockets=[listener])
