"""Counts and latencies of a server, by part of a request."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as Total

PARTS = ("decode", "queue", "model", "encode")
REMEMBERED = 10_000
PERCENTILES = (50, 95, 99)
FAILURES = ("serve.action_not_finite", "serve.internal")
"""Errors that are the server's; any other is a request that it refused."""
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServerStatistics:
    """Requests, errors by code, and the newest latencies of each part. Memory is bounded.

    An answer is stale where it took longer than `stale_after` seconds, a control step: the robot
    moved on meanwhile.
    """

    def __init__(self, stale_after: float) -> None:
        self._stale_after = stale_after
        self.requests = self.answers = self.stale = 0
        self.errors: Counter[str] = Counter()
        self._seconds = {part: deque[float](maxlen=REMEMBERED) for part in PARTS}
        self._registry = registry = CollectorRegistry()
        self._requests_total = Total("mvla_requests", "Requests for an action", registry=registry)
        self._stale_total = Total(
            "mvla_stale_answers", "Answers that took longer than a control step", registry=registry
        )
        self._errors_total = Total(
            "mvla_errors", "Requests without an action, by code", ["code"], registry=registry
        )
        self._latency = Histogram(
            "mvla_latency_seconds", "Latency by part of a request", ["part"], registry=registry,
            buckets=BUCKETS,
        )  # fmt: skip

    def request(self) -> None:
        """Count a request."""
        self.requests += 1
        self._requests_total.inc()

    def answer(self, seconds: float) -> None:
        """Count an answer that took that long."""
        self.answers += 1
        if seconds > self._stale_after:
            self.stale += 1
            self._stale_total.inc()

    def error(self, code: str) -> None:
        """Count an error."""
        self.errors[code] += 1
        self._errors_total.labels(code).inc()

    def add(self, part: str, seconds: float) -> None:
        """Note how long one part of one request took."""
        self._seconds[part].append(seconds)
        self._latency.labels(part).observe(seconds)

    def prometheus(self) -> bytes:
        """The same counts as Prometheus text."""
        return generate_latest(self._registry)

    def summary(self) -> dict[str, Any]:
        """Plain JSON: counts, and p50, p95 and p99 of each part in ms."""
        latency = {
            part: {
                f"p{share}": round(float(np.percentile(self._seconds[part], share)) * 1000, 3)
                for share in PERCENTILES
            }
            for part in PARTS
            if self._seconds[part]
        }
        failed = sum(self.errors[code] for code in FAILURES)
        return {
            "requests": self.requests,
            "answers": self.answers,
            "refused": self.errors.total() - failed,
            "failed": failed,
            "stale_share": self.stale / self.answers if self.answers else None,
            "errors": dict(self.errors),
            "latency_ms": latency,
        }
