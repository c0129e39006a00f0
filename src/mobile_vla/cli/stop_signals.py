"""Ctrl-C and SIGTERM as an event, so that a command ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mobile_vla.runs.signal_handler import signal_handler

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that either signal sets; in another thread than the main one, nothing sets it."""
    stop = threading.Event()
    with signal_handler(lambda *_: stop.set(), NUMBERS):
        yield stop
