"""Floods, silent and half-open clients: the others go on, and memory stays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from benchmarks.serving_load import open_connections, rude_clients

from mobile_vla.serving.served_policy import ServedPolicy
from mobile_vla.serving.server import allow_many_connections
from serving_server import LEFT, RunningServer, ask, in_process, noise, observation, serving

CLOSE = 1e-6


def drives_alike(server: RunningServer, served: ServedPolicy) -> None:
    frames = noise(3)
    expected = in_process(served, frames, LEFT)
    with server.connect() as socket:
        socket.recv()
        for frame, chunk in zip(frames, expected, strict=True):
            assert np.abs(ask(socket, frame, LEFT)["actions"] - chunk).max() < CLOSE


def test_half_open_and_silent_clients_do_not_hold_the_others(
    policy_server: RunningServer, served: ServedPolicy
) -> None:
    with rude_clients(policy_server.port, 60), open_connections(policy_server.port, 20):
        drives_alike(policy_server, served)


@pytest.mark.slow
def test_a_thousand_connections(policy_server: RunningServer, served: ServedPolicy) -> None:
    allow_many_connections()
    with open_connections(policy_server.port, 1000):
        drives_alike(policy_server, served)


def test_a_client_that_floods_and_reads_nothing_does_not_hold_the_others(
    served: ServedPolicy,
) -> None:
    """Its messages fill its own buffers; others get the answers that they would get alone."""
    with serving(served) as server, server.connect() as flood:
        data, stop = observation(noise(1)[0]), threading.Event()

        def send() -> None:
            try:
                while not stop.is_set():
                    flood.send(data)
            except Exception:
                return

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        drives_alike(server, served)
        stop.set()
        flood.socket.shutdown(2)
        thread.join(30)
        assert server.request("GET", "/health")[0] == 200


def test_a_flood_of_sessions_is_answered_or_refused(served: ServedPolicy) -> None:
    with serving(served, queue=2) as server:
        answers: list[Any] = []

        def client() -> None:
            with server.connect() as socket:
                socket.recv()
                answers.append(ask(socket, noise(1)[0]))

        threads = [threading.Thread(target=client) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(answers) == 16
        refused = [answer for answer in answers if isinstance(answer, str)]
        assert all("so the oldest is refused" in answer for answer in refused)
        assert len(refused) < 16
        drives_alike(server, served)
