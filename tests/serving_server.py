"""A real server on a free port, in a thread, over the run that the small lab trains."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from mobile_vla.episodes.frame_store import resize
from mobile_vla.listening import bind
from mobile_vla.policy.controller import Controller
from mobile_vla.serving.inference import InferenceCore
from mobile_vla.serving.served_policy import ServedPolicy
from mobile_vla.serving.server import ServerOptions, make_server
from mobile_vla.serving.wire import pack, unpack
from small_lab import until

LEFT = "go around the box on the left, to the basket"
RIGHT = "go around the box on the right, to the basket"


@dataclass
class RunningServer:
    """A server that answers, and its core."""

    core: InferenceCore
    port: int

    def connect(self, path: str = "/", **headers: str) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}{path}"
        return connect(url, compression=None, max_size=None, additional_headers=headers)

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """One request on a connection of its own: status, JSON body, headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(text) if is_json else text, answer.headers


@contextmanager
def serving(
    served: ServedPolicy, options: ServerOptions | None = None, **settings: Any
) -> Iterator[RunningServer]:
    core = InferenceCore(served, **settings)
    core.warm_up(1)
    server = make_server(core, options or ServerOptions())
    listener = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "a server")
        assert thread.is_alive()
        yield RunningServer(core, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def observation(frame: np.ndarray, prompt: str = LEFT, **more: Any) -> bytes:
    return pack({"observation/image": frame, "prompt": prompt, **more})


def ask(socket: ClientConnection, *arguments: Any, **more: Any) -> Any:
    socket.send(observation(*arguments, **more))
    answer = socket.recv(timeout=60)
    return answer if isinstance(answer, str) else unpack(answer)


def noise(count: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """Frames (count, side, side, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def in_process(served: ServedPolicy, frames: np.ndarray, text: str) -> np.ndarray:
    """Chunks (T, C, A) of frames one after another."""
    controller = Controller(served.policy, served.facts.window)
    controller.reset([text])
    return np.stack([controller.chunk(resize(frame, served.side)[None])[0] for frame in frames])
