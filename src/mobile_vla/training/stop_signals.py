"""Signals that end training after its step, with a checkpoint."""

from __future__ import annotations

import contextlib
import signal
import threading

from mobile_vla.runs.signal_handler import signal_handler

STOPPING = ("SIGTERM", "SIGINT", "SIGUSR1")  # SIGUSR1: SLURM's warning before the time limit


def stop_on_signals(stop: threading.Event) -> contextlib.AbstractContextManager[None]:
    """SIGTERM, SIGUSR1 and the first Ctrl-C let the step end and a checkpoint be written."""

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    return signal_handler(ask, numbers)
