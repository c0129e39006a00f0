"""Faults of a driven policy: how long the robot moves on after its last fresh action."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from mobile_vla.serving.deadman import CommandSender, Deadman
from mobile_vla.serving.drive import Driver, DriveSettings
from mobile_vla.serving.policy_client import PolicyClient
from mobile_vla.serving.velocity_limits import VelocityLimiter, axis_limits
from mobile_vla.serving.wire import pack, unpack

CONTEXT = multiprocessing.get_context("forkserver")
TEXT = "go around the box on the left, to the basket"
LIMIT = 0.1
FRAME = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
ALLOWED = 0.02
"""Seconds from the limit to the zero at the robot."""


def deadman(limit: float = LIMIT, **limits: float) -> Deadman:
    return Deadman(limit, VelocityLimiter(axis_limits(2, **{"velocity": 1.0, **limits})))


class RecordingRobot:
    """Notes commands; can refuse, or take long."""

    def __init__(self) -> None:
        self.commands: list[tuple[float, np.ndarray]] = []
        self.unreachable = self.silent = False
        self.hold: threading.Event | None = None

    def send(self, velocity: np.ndarray) -> bool:
        if self.unreachable:
            raise OSError("gone")
        if self.hold is not None and velocity.any():
            self.hold.wait(10)
        self.commands.append((time.monotonic(), velocity.copy()))
        return not self.silent

    def close(self) -> None: ...

    def zero_after(self, since: float) -> float | None:
        """When the first zero came after a time, if nothing moved after it."""
        zeros = None
        for at, velocity in list(self.commands):
            if at < since:
                continue
            if velocity.any():
                zeros = None
            elif zeros is None:
                zeros = at
        return zeros


@contextmanager
def sending(robot: RecordingRobot, limit: float = LIMIT) -> Iterator[CommandSender]:
    sender = CommandSender(robot, deadman(limit))
    sender.start()
    try:
        yield sender
    finally:
        robot.unreachable = robot.silent = False
        sender.end()


def until(condition: Callable[[], Any], what: str, deadline: float = 60.0) -> Any:
    """What `condition` gives once it gives something."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {deadline} s")
        time.sleep(0.001)
    return value


class FaultyServer:
    """A policy server that can be silent, slow, or cut its connections."""

    def __init__(self) -> None:
        self.silent = False
        self.delay = 0.0
        self.clients: list[Any] = []

    def handle(self, socket: Any) -> None:
        self.clients.append(socket)
        socket.send(pack({"observation_keys": {"sequence": ""}}))
        try:
            for message in socket:
                values = unpack(message)
                if self.delay:
                    threading.Event().wait(self.delay)
                if not self.silent:
                    actions = np.full((4, 2), 0.3, np.float32)
                    socket.send(pack({"actions": actions, "sequence": values["sequence"]}))
        except ConnectionClosed:
            return


class ServerProcess:
    """A policy server in a process of its own, which really dies or stands still."""

    def __init__(self) -> None:
        here, there = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_serve, args=(there,), daemon=True)
        self.process.start()
        self.port: int = here.recv()

    def send(self, number: int) -> None:
        """Send the process a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self) -> None:
        """Kill it, where it still lives."""
        self.process.kill()
        self.process.join()


def _serve(pipe: Any) -> None:
    with serve(FaultyServer().handle, "127.0.0.1", 0, compression=None) as server:
        pipe.send(server.socket.getsockname()[1])
        server.serve_forever()


class FaultyCamera:
    def __init__(self) -> None:
        self.frozen = False

    def read(self, timeout: float) -> np.ndarray | None:
        return None if self.frozen else FRAME


@contextmanager
def faulty_server() -> Iterator[tuple[FaultyServer, PolicyClient]]:
    faulty = FaultyServer()
    with serve(faulty.handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = PolicyClient(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        try:
            yield faulty, client
        finally:
            client.close()
            for socket in faulty.clients:
                socket.close()
            server.shutdown()
            thread.join()


@contextmanager
def server_process() -> Iterator[tuple[ServerProcess, PolicyClient]]:
    """The same in a process, with a client of it."""
    process = ServerProcess()
    client = PolicyClient(f"ws://127.0.0.1:{process.port}")
    try:
        yield process, client
    finally:
        process.end()
        client.close()


FAULTS = ("SIGKILL", "SIGSTOP", "slowed", "cut", "camera frozen")


def seconds_to_zero(fault: str, draw: random.Random) -> float:
    """From the last action that the deadman took to the robot's zero, after one fault."""
    robot, camera = RecordingRobot(), FaultyCamera()
    taken: list[float] = []
    kind = server_process if fault.startswith("SIG") else faulty_server
    with kind() as (server, client), sending(robot) as sender:
        accept = sender.fresh

        def fresh(actions: np.ndarray, number: int, seen_at: float | None = None) -> bool:
            taken.append(time.monotonic())
            if not (accepted := accept(actions, number, seen_at)):
                taken.pop()
            return accepted

        sender.fresh = fresh  # type: ignore[method-assign]
        stop = threading.Event()
        settings = DriveSettings(TEXT, 0.02, 0.05, 10_000)
        driver = Driver(camera, client, sender, settings)
        thread = threading.Thread(target=driver.run, args=(io.BytesIO(), stop))
        thread.start()
        steps = draw.randint(1, 6)
        until(lambda: len(taken) >= steps, "some steps")
        if isinstance(server, ServerProcess):
            server.send(getattr(signal, fault))
        else:
            for socket in server.clients if fault == "cut" else ():
                socket.socket.shutdown(2)
            server.delay = 0.3 if fault == "slowed" else 0.0
        camera.frozen = fault == "camera frozen"
        zero = until(lambda: robot.zero_after(taken[-1]), "a stop")
        stop.set()
        thread.join()
    return zero - taken[-1]


def late_stops(faults: int, seed: int = 0) -> list[float]:
    """Seconds to the robot's zero of the faults for which it came after the limit and 20 ms."""
    times = [
        seconds_to_zero(FAULTS[number % len(FAULTS)], random.Random(seed + number))
        for number in range(faults)
    ]
    return [seconds for seconds in times if seconds > LIMIT + ALLOWED]
