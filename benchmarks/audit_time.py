"""Time and memory of a page of 1 MB against 1,000 runs, in a process that has read nothing yet."""

from __future__ import annotations

import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.audit_evidence import make_proof, many_cases
from benchmarks.audit_sets import unmarked
from mobile_vla.audit.audit_document import Proof, audit_document

CORPUS = Path(__file__).parent / "corpus"


class Timed(NamedTuple):
    """Seconds to audit a page by the clock and of the processor, its claims, peak memory."""

    wall: float
    processor: float
    claims: int
    megabytes: float


def dense_page(size: int) -> bytes:
    """A page with a claim every 30 bytes: the corpus, again and again."""
    pages = [unmarked(path.read_bytes())[0] for path in sorted(CORPUS.glob("[0-9]*.md"))]
    corpus = b"\n\n".join(page for page in pages if not page.startswith(b"---"))
    return (corpus * (size // len(corpus) + 1))[:size].decode("utf-8", "ignore").encode()


def runs_page(size: int) -> bytes:
    """A page about the 1,000 runs: no two of its sections are alike."""
    chance, parts = random.Random(0), list[str]()
    while sum(len(part) for part in parts) < size:
        n = len(parts)
        loss, seed = chance.uniform(0.008, 0.02), chance.randrange(1000)
        parts.append(
            f"## Run {n}: many_{n % 1000:04d}_20261001\n\nWe went on with the left side of the "
            f"hall, where the light of day {n} made the shadows of the boxes longer than in the "
            "weeks before; the students moved the basket and wrote down what they saw.\n\n"
            f"- 상태: 완료\n- Val loss: {loss:.4f}\n- Learning rate: 0.003\n- Seed: {seed}\n\n"
            "| Epochs | Batch size | Train episodes | Steps |\n| --- | --- | --- | --- |\n"
            f"| {chance.choice((20, 25))} | 8 | {80 + seed % 3} | {200 + n % 2} |\n\n"
            f"학습은 {n % 28 + 1}일에 다시 살펴보았고 그날의 메모는 따로 남겨 두었다. "
            f"The best val loss of many_{n % 1000:04d}_20261001 was {loss + 0.001:.4f}.\n\n"
        )
    return "".join(parts).encode()[:size].decode("utf-8", "ignore").encode()


def time_page(make: Callable[[int], bytes]) -> Timed:
    """Audit a page of 1 MB against 1,000 runs more than the corpus has."""
    data = make(1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        proof = Proof([*make_proof(Path(folder)).cases, *many_cases(1000)], Path(folder))
        wall, processor = time.perf_counter(), time.process_time()
        audit = audit_document(data, "page.md", proof)
        seconds = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Timed(*seconds, len(audit.claims), peak)


def least_time(make: Callable[[int], bytes]) -> Timed:
    """The least of three processes: other work on the machine only ever adds."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return min(pool.map(time_page, [make] * 3))


def timings() -> dict[str, Timed]:
    """Both pages."""
    return {"about 1,000 runs": least_time(runs_page), "dense with claims": least_time(dense_page)}


def report(timed: dict[str, Timed]) -> Sequence[str]:
    """A line a page."""
    return [
        f"a page of 1 MB {name}: {page.wall:.2f} s, {page.processor:.2f} s of processor, "
        f"{page.claims} claims, {page.megabytes:.0f} MB at most"
        for name, page in timed.items()
    ]
