"""Counts and latencies of a server, by part of a request."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import Any

import numpy as np

PARTS = ("decode", "queue", "model", "encode")
REMEMBERED = 10_000
PERCENTILES = (50, 95, 99)


class ServerStatistics:
    """Requests, errors by code, and the newest latencies of each part. Memory is bounded."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors: Counter[str] = Counter()
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def add(self, part: str, seconds: float) -> None:
        """Note how long one part of one request took."""
        self._seconds[part].append(seconds)

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
        return {
            "requests": self.requests,
            "errors": dict(self.errors),
            "latency_ms": latency,
        }
