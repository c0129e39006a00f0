"""The driver: camera and instruction to a policy server, velocities to a robot, a log of both."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import msgspec
import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.drive_log import DriveBegin, DriveEnd, DriveStep
from mobile_vla.runs.files import explain_os_error, open_own
from mobile_vla.serving.deadman import CommandSender
from mobile_vla.serving.drive_recorder import DriveRecorder
from mobile_vla.serving.policy_client import PolicyClient
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.robots import Camera

LATERAL = "linear_y"


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """`step`: seconds of a control step; `timeout`: seconds to wait for an action or a frame."""

    instruction: str
    step: float
    timeout: float
    max_steps: int


class _ServedAction(msgspec.Struct):
    names: Annotated[list[Literal["linear_x", "linear_y", "angular_z"]], msgspec.Meta(min_length=1)]


class _DrivenPolicy(msgspec.Struct):
    """What a driver needs of a server's metadata. The case becomes a folder's name."""

    case: Annotated[str, msgspec.Meta(pattern=r"^\w[^/\\\x00]{0,200}$")]
    action: _ServedAction
    step_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)]
    limits: dict[str, list[float | None]] | None = None


def check_metadata(metadata: dict[str, Any], url: str) -> None:
    """Refuse a server whose metadata does not tell case, actions and step.

    Raises:
        UserError: with the key that is missing or wrong.
    """
    try:
        policy = msgspec.convert(metadata, _DrivenPolicy)
        axes = len(policy.action.names)
        if any(len(values) != axes for values in (policy.limits or {}).values()):
            raise ValueError(f"limits are not of {axes} axes")
    except ValueError as error:
        raise UserError(phrase("serve.bad_metadata", "en", url=url, why=str(error))) from error


def check_base(metadata: dict[str, Any], *, holonomic: bool) -> None:
    """Refuse a policy that moves sideways on a base that cannot.

    Raises:
        UserError: the base would lose the lateral velocity.
    """
    if not holonomic and LATERAL in metadata["action"]["names"]:
        raise UserError(phrase("serve.base_not_holonomic", "en", case=metadata["case"]))


class Driver:
    """Asks for actions once a step and hands them to the command sender, until stopped."""

    def __init__(
        self,
        camera: Camera,
        client: PolicyClient,
        sender: CommandSender,
        settings: DriveSettings,
        recorder: DriveRecorder | None = None,
        *,
        recorded: Callable[[], np.ndarray | None] = lambda: None,
    ) -> None:
        """`recorded`: the action that a replayed recording holds for the newest frame."""
        self._recorded = recorded
        self._apart: list[np.ndarray] = []
        self._camera, self._client = camera, client
        self.sender, self._settings = sender, settings
        self.recorder = recorder or DriveRecorder(settings.instruction, settings.step)
        self.problems: Counter[str] = Counter()
        self.steps = self.fresh = 0
        self._frame: np.ndarray | None = None

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
            since, travel = time.monotonic(), self.sender.travel()
            try:
                entry = self._step(step, since - begin)
            except ConnectionError:
                return "server_lost"
            due = begin + (step + 1) * self._settings.step
            stop.wait(max(0.0, due - time.monotonic()))
            seconds = max(time.monotonic() - since, 1e-6)
            sent = np.atleast_1d((self.sender.travel() - travel) / seconds)
            self.recorder.add(self._frame, sent, entry.problem or "fresh")
            entry = msgspec.structs.replace(
                entry, sent=sent.tolist(), recorded=self._compare(entry.action)
            )
            log.write(msgspec.json.encode(entry) + b"\n")
            log.flush()
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
            recorded=len(self.recorder),
            apart=np.mean(self._apart, axis=0).tolist() if self._apart else None,
        )

    def _compare(self, action: list[float] | None) -> list[float] | None:
        """The recorded action of the step, whose difference from the policy's is noted."""
        recorded = self._recorded()
        if recorded is None:
            return None
        if action is not None:
            self._apart.append(np.abs(np.array(action) - recorded))
        return [float(part) for part in recorded]

    def _step(self, step: int, seconds: float) -> DriveStep:
        since = time.monotonic()
        action, problem = self._ask()
        if problem is None:
            self.fresh += 1
        else:
            self.problems[problem] += 1
        return DriveStep(
            step=step,
            seconds=seconds,
            action=None if action is None else [float(part) for part in action],
            latency_ms=(time.monotonic() - since) * 1000,
            problem=problem,
        )

    def _ask(self) -> tuple[np.ndarray | None, str | None]:
        """The first action of a chunk that the sender took, else why there is none."""
        self._frame = frame = self._camera.read(self._settings.timeout)
        if frame is None:
            return None, "no_frame"
        seen_at = time.monotonic()
        try:
            chunk = self._client.infer(frame, self._settings.instruction, self._settings.timeout)
        except RequestError:
            return None, "refused"
        if chunk is None:
            return None, "late"
        if not self.sender.fresh(chunk, self._client.number, seen_at):
            return None, "not_fresh"
        return chunk[0], None


def record_drive(
    driver: Driver,
    path: Path,
    header: DriveBegin,
    stop: threading.Event,
    arrived: Callable[[], bool],
) -> DriveEnd:
    """Drive, write the log `path` and the episode beside it; the robot is stopped in any case.

    Raises:
        UserError: the log or the episode cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as log:
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
    driver.recorder.write(path.with_suffix(".h5"))
    return end
