"""The session core: a history per session, one worker thread, a bounded queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mobile_vla.episodes.frame_store import resize
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller, chunks_together
from mobile_vla.serving.latency import ServerStatistics
from mobile_vla.serving.policy_input import PolicyInput
from mobile_vla.serving.request_error import RequestError, as_request_error
from mobile_vla.serving.served_policy import ServedPolicy

QUEUE = 64
BATCH = 8
MAX_SESSIONS = 4096


@dataclass(frozen=True, slots=True)
class PredictedChunk:
    """Actions (C, A) in m/s and rad/s, the frames they rest on, and the seconds they took."""

    actions: np.ndarray
    history: int
    queue_seconds: float
    model_seconds: float


class Session:
    """The history of one client."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.instruction: str | None = None
        self.used = time.monotonic()

    def reset(self) -> None:
        """Forget all frames; the next request begins an episode."""
        self.instruction = None


@dataclass(slots=True)
class _Waiting:
    session: Session
    request: PolicyInput
    answer: asyncio.Future[PredictedChunk]
    since: float = field(default_factory=time.monotonic)


class InferenceCore:
    """Answers requests of all sessions; everything but the model runs on the event loop.

    Requests that wait are computed as one batch, one of each session. Where `queue` of them wait,
    the oldest is refused. A session that is not used for `idle` seconds loses its history.
    """

    def __init__(self, served: ServedPolicy, *, idle: float = 300.0, queue: int = QUEUE) -> None:
        self.served, self.idle = served, idle
        self.statistics = ServerStatistics(served.facts.step_seconds)
        self.metadata = {**served.metadata, "idle_seconds": idle}
        self._queue = queue
        self._named: dict[str, Session] = {}
        self._waiting: deque[_Waiting] = deque()
        self._computing: asyncio.Task[None] | None = None
        self._worker = ThreadPoolExecutor(1, "inference")

    def warm_up(self, cores: int) -> int:
        """Choose torch's threads by measurement, in the worker; returns their number."""
        threads = self._worker.submit(_measure_threads, self.served, cores).result()
        self.metadata["threads"] = threads
        return threads

    def new_session(self) -> Session:
        """A session without history."""
        return Session(Controller(self.served.policy, self.served.facts.window))

    def named_session(self, name: str) -> Session:
        """The session of a name. Sessions that were idle too long are dropped first.

        Raises:
            RequestError: too many sessions are open.
        """
        now = time.monotonic()
        if name not in self._named:
            live = {key: s for key, s in self._named.items() if now - s.used <= self.idle}
            self._named = live
            if len(live) >= MAX_SESSIONS:
                raise RequestError("too_many_sessions", limit=MAX_SESSIONS)
            live[name] = self.new_session()
        return self._named[name]

    async def infer(self, session: Session, request: PolicyInput) -> PredictedChunk:
        """The next actions of a session.

        Raises:
            RequestError: the queue is full, the policy refuses, or its action is no number.
        """
        if len(self._waiting) >= self._queue:
            oldest = self._waiting.popleft()
            if not oldest.answer.done():
                oldest.answer.set_exception(RequestError("queue_full", limit=self._queue))
        answer: asyncio.Future[PredictedChunk] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(session, request, answer))
        if self._computing is None or self._computing.done():
            self._computing = asyncio.create_task(self._compute())
        return await answer

    def close(self) -> None:
        """Stop the worker."""
        self._worker.shutdown(cancel_futures=True)

    async def _compute(self) -> None:
        """Compute batches until nothing waits."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            try:
                answers = await loop.run_in_executor(self._worker, self._step, batch)
            except Exception as error:
                answers = [error] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():  # its client has gone
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)

    def _next_batch(self) -> list[_Waiting]:
        """The oldest requests, one of each session."""
        batch: dict[int, _Waiting] = {}
        later: deque[_Waiting] = deque()
        for waiting in self._waiting:
            if waiting.answer.done():
                continue
            if len(batch) < BATCH and id(waiting.session) not in batch:
                batch[id(waiting.session)] = waiting
            else:
                later.append(waiting)
        self._waiting = later
        return list(batch.values())

    def _step(self, batch: Sequence[_Waiting]) -> list[PredictedChunk | Exception]:
        """In the worker thread: one control step of each session."""
        begin = time.monotonic()
        answers: dict[int, PredictedChunk | Exception] = {}
        for row, waiting in enumerate(batch):
            try:
                self._begin(waiting.session, waiting.request, begin)
            except UserError as error:
                waiting.session.reset()
                answers[row] = as_request_error(error)
        rows = [row for row in range(len(batch)) if row not in answers]
        if rows:
            frames = np.stack([resize(batch[row].request.frame, self.served.side) for row in rows])
            sessions = [batch[row].session for row in rows]
            chunks = chunks_together([session.controller for session in sessions], frames)
            seconds = time.monotonic() - begin
            for row, chunk in zip(rows, chunks, strict=True):
                answers[row] = self._answer(batch[row], chunk, begin, seconds)
        return [answers[row] for row in range(len(batch))]

    def _begin(self, session: Session, request: PolicyInput, now: float) -> None:
        """Reset a session where an episode begins, its instruction changes or it was idle."""
        idle = now - session.used > self.idle
        session.used = now
        if request.reset or idle or request.instruction != session.instruction:
            session.instruction = None
            session.controller.reset([request.instruction])
            session.instruction = request.instruction

    def _answer(
        self, waiting: _Waiting, chunk: np.ndarray, begin: float, seconds: float
    ) -> PredictedChunk | Exception:
        if not np.isfinite(chunk).all():
            waiting.session.reset()
            return RequestError("action_not_finite")
        queued = begin - waiting.since
        self.statistics.add("queue", queued)
        self.statistics.add("model", seconds)
        return PredictedChunk(chunk, waiting.session.controller.history, queued, seconds)


@contextmanager
def counted(core: InferenceCore) -> Iterator[None]:
    """Count a request, its answer and how long that took, or its error by code."""
    statistics, begin = core.statistics, time.monotonic()
    statistics.request()
    try:
        yield
    except RequestError as error:
        statistics.error(error.why.code)
        raise
    except Exception:
        statistics.error("serve.internal")
        raise
    statistics.answer(time.monotonic() - begin)


def _measure_threads(served: ServedPolicy, cores: int, steps: int = 3) -> int:
    """Run some steps with 1, 2, 4, … threads and leave torch at the fastest number."""
    import torch

    seconds: dict[int, float] = {}
    threads = 1
    while threads <= cores:
        torch.set_num_threads(threads)
        seconds[threads] = _fastest_step(served, steps)
        threads *= 2
    best = min(seconds, key=lambda number: seconds[number])
    torch.set_num_threads(best)
    return best


def _fastest_step(served: ServedPolicy, steps: int) -> float:
    """The shortest control step of some, in seconds, on a grey frame."""
    controller = Controller(served.policy, served.facts.window)
    controller.reset([""])
    frame = np.full((1, served.side, served.side, 3), 128, np.uint8)
    durations = []
    for _ in range(steps + 1):  # the first one allocates
        begin = time.perf_counter()
        controller.act(frame)
        durations.append(time.perf_counter() - begin)
    return min(durations[1:])
