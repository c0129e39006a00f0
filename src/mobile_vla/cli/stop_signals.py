"""Ctrl-C and SIGTERM as an event, so that a command ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that either signal sets; the handlers before it are restored at the end.

    In another thread than the main one, where Python allows no handlers, nothing sets it.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = [signal.signal(number, lambda *_: stop.set()) for number in NUMBERS]
    try:
        yield stop
    finally:
        for number, handler in zip(NUMBERS, before, strict=True):
            signal.signal(number, handler)
