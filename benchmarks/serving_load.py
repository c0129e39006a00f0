"""Many clients of a policy server: memory after requests and connections, and rude clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from websockets.sync.client import connect

from mobile_vla.serving.policy_client import PolicyClient

TEXT = "go around the box on the left, to the basket"
WARM_SHARE = 0.2


def resident_bytes(pid: int) -> int:
    """Memory that a process holds (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def memory_growth(port: int, pid: int, requests: int, connections: int, side: int) -> float:
    """Memory of the server after all requests and connections, by that after the first fifth."""
    url = f"ws://127.0.0.1:{port}"
    warm = 0
    for part, share in enumerate((WARM_SHARE, 1 - WARM_SHARE)):
        _request(url, round(requests * share), side)
        with open_connections(port, round(connections * share)):
            _request(url, 1, side)
        if part == 0:
            warm = resident_bytes(pid)
    return resident_bytes(pid) / warm


def _request(url: str, count: int, side: int) -> None:
    client = PolicyClient(url)
    frame = np.zeros((side, side, 3), np.uint8)
    for _ in range(count):
        assert client.infer(frame, TEXT, 60) is not None
    client.close()


@contextmanager
def open_connections(port: int, count: int) -> Iterator[None]:
    """Websockets that have read the metadata and then say nothing."""
    url = f"ws://127.0.0.1:{port}"
    sockets = [connect(url, compression=None, max_size=None) for _ in range(count)]
    try:
        for opened in sockets:
            opened.recv(60)
        yield
    finally:
        for opened in sockets:
            opened.close()


@contextmanager
def rude_clients(port: int, count: int) -> Iterator[None]:
    """Clients that send half a request line, half a frame's header, or nothing, and stay."""
    halves = (
        b"",
        b"POST /predict HTTP/1.1\r\nHost: a\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n",
    )
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    try:
        for number, opened in enumerate(sockets):
            opened.sendall(halves[number % len(halves)])
        yield
    finally:
        for opened in sockets:
            opened.close()
