"""The driver: camera and instruction to a policy server, velocities to a robot, a log of both."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record
from mobile_vla.runs.files import explain_os_error
from mobile_vla.serving.deadman import CommandSender
from mobile_vla.serving.policy_client import PolicyClient
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.robots import Camera

LATERAL = "linear_y"


class DriveStep(Record, frozen=True, kw_only=True, tag="step"):
    """One control step. `seconds`: since the drive's begin; `action`: None where none was fresh."""

    step: int
    seconds: float
    action: list[float] | None
    latency_ms: float
    problem: str | None = None


class DriveEnd(Record, frozen=True, kw_only=True, tag="end"):
    """How a drive ended. `problems` counts steps without a fresh action, by cause."""

    why: str
    steps: int
    fresh: int
    problems: dict[str, int]
    deadman_stops: int
    limited: dict[str, int]
    stop_acknowledged: bool


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """`step`: seconds of a control step; `timeout`: seconds to wait for an action or a frame."""

    instruction: str
    step: float
    timeout: float
    max_steps: int


def check_base(metadata: dict[str, Any], *, holonomic: bool) -> None:
    """Refuse a policy that moves sideways on a base that cannot.

    Raises:
        UserError: the base would lose the lateral velocity.
    """
    if not holonomic and LATERAL in metadata["action"]["names"]:
        raise UserError(phrase("serve.base_not_holonomic", "en", case=metadata["case"]))


class Driver:
    """Asks for one action a step and hands it to the command sender, until stopped."""

    def __init__(
        self, camera: Camera, client: PolicyClient, sender: CommandSender, settings: DriveSettings
    ) -> None:
        self._camera, self._client = camera, client
        self.sender, self._settings = sender, settings
        self.problems: Counter[str] = Counter()
        self.steps = self.fresh = 0

    def run(
        self, log: IO[bytes], stop: threading.Event, arrived: Callable[[], bool] = lambda: False
    ) -> str:
        """Drive; returns why it ended. Commands stop when the caller ends the sender.

        Raises:
            OSError: the log cannot be written.
        """
        begin = time.monotonic()
        for step in range(self._settings.max_steps):
            if stop.is_set():
                return "stopped"
            if arrived():
                return "arrived"
            self.steps = step + 1
            try:
                entry = self._step(step, begin)
            except ConnectionError:
                return "server_lost"
            log.write(msgspec.json.encode(entry) + b"\n")
            log.flush()
            due = begin + (step + 1) * self._settings.step
            stop.wait(max(0.0, due - time.monotonic()))
        return "max_steps"

    def ended(self, why: str, acknowledged: bool) -> DriveEnd:
        """The last line of the log."""
        deadman = self.sender.deadman
        return DriveEnd(
            why=why,
            steps=self.steps,
            fresh=self.fresh,
            problems=dict(self.problems),
            deadman_stops=deadman.stops,
            limited=dict(deadman.limiter.bound),
            stop_acknowledged=acknowledged,
        )

    def _step(self, step: int, begin: float) -> DriveStep:
        since = time.monotonic()
        action, problem = self._ask()
        if problem is None:
            self.fresh += 1
        else:
            self.problems[problem] += 1
        return DriveStep(
            step=step,
            seconds=since - begin,
            action=None if action is None else [float(part) for part in action],
            latency_ms=(time.monotonic() - since) * 1000,
            problem=problem,
        )

    def _ask(self) -> tuple[np.ndarray | None, str | None]:
        """An action that the sender took, else why there is none."""
        frame = self._camera.read(self._settings.timeout)
        if frame is None:
            return None, "no_frame"
        try:
            chunk = self._client.infer(frame, self._settings.instruction, self._settings.timeout)
        except RequestError:
            return None, "refused"
        if chunk is None:
            return None, "late"
        if not self.sender.fresh(chunk[0], self._client.number):
            return None, "not_fresh"
        return chunk[0], None


def record_drive(
    driver: Driver,
    path: Path,
    header: dict[str, Any],
    stop: threading.Event,
    arrived: Callable[[], bool],
) -> DriveEnd:
    """Drive and write the log `path`; the robot is stopped however the drive ends.

    Raises:
        UserError: the log cannot be written.
    """
    try:
        with path.open("wb") as log:
            log.write(msgspec.json.encode(header) + b"\n")
            driver.sender.start()
            try:
                why = driver.run(log, stop, arrived)
            finally:
                acknowledged = driver.sender.end()
            end = driver.ended(why, acknowledged)
            log.write(msgspec.json.encode(end) + b"\n")
    except OSError as error:
        raise explain_os_error(error, path) from error
    return end


def log_path(folder: Path, name: str) -> Path:
    """Where a drive's log is written; its folder is created."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.jsonl"
