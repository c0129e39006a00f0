"""Ctrl-C and SIGTERM as an event, so that a command ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals(stopped: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
    """An event that either signal sets; the handlers before it are restored at the end.

    Each signal calls `stopped` as well: a server that does not yet listen for signals stops too.

    In another thread than the main one, where Python allows no handlers, nothing sets it.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(*_: object) -> None:
        stop.set()
        stopped()

    before = [signal.signal(number, handle) for number in NUMBERS]
    try:
        yield stop
    finally:
        for number, handler in zip(NUMBERS, before, strict=True):
            signal.signal(number, handler)
