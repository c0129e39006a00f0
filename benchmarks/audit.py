"""Audit: precision and recall on five sets of pages, and the time of a page of 1 MB.

`contradicted` must never be said of what is true or untold (precision), and what is false by the
evidence must be found (recall). `--list` prints every claim judged otherwise than marked.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.audit_evidence import make_proof, many_cases
from mobile_vla.audit.audit_document import Proof, audit_document
from mobile_vla.audit.audit_messages import message
from mobile_vla.audit.judge.verdict import Judged

CORPUS = Path(__file__).parent / "corpus"
CORPORA = tuple(
    CORPUS.with_name(name) for name in ("corpus", "held_out", "unseen", "blind", "fresh")
)
MARK = re.compile(rb"\xe2\x9f\xa6([scuat]):(.*?)\xe2\x9f\xa7", re.DOTALL)
VERDICTS = {
    "s": "supported", "c": "contradicted", "u": "unsupported", "a": "ambiguous", "t": "stale",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marked:
    """A value of the corpus with its true verdict; `judged`: the audit's claim on it, if any."""

    page: str
    start: int
    end: int
    text: str
    truth: str
    judged: Judged | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the audit made of the corpus. `wrong`: called contradicted and not marked so."""

    marked: list[Marked]
    wrong: list[tuple[str, Judged]]
    said: int

    @property
    def precision(self) -> float:
        """Share of "contradicted" that is so."""
        return 1 - len(self.wrong) / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Share of the false claims that were found."""
        false = [one for one in self.marked if one.truth == "contradicted"]
        found = [one for one in false if one.judged and one.judged.verdict == "contradicted"]
        return len(found) / len(false)

    @property
    def agreement(self) -> float:
        """Share of all marked claims that were given their true verdict."""
        right = [one for one in self.marked if one.judged and one.judged.verdict == one.truth]
        return len(right) / len(self.marked)


def unmarked(data: bytes) -> tuple[bytes, list[tuple[int, int, str]]]:
    """A page without its marks, and the marked places in it: start, end, true verdict."""
    out, places, last = b"", [], 0
    for match in MARK.finditer(data):
        out += data[last : match.start()]
        places.append((len(out), len(out) + len(match[2]), VERDICTS[match[1].decode()]))
        out += match[2]
        last = match.end()
    return out + data[last:], places


def measure(proof: Proof, folder: Path = CORPUS) -> Figures:
    """Audit every page of a corpus."""
    marked: list[Marked] = []
    wrong: list[tuple[str, Judged]] = []
    said = 0
    for path in sorted(folder.glob("[0-9]*.md")):
        data, places = unmarked(path.read_bytes())
        claims = audit_document(data, path.name, proof).claims
        for start, end, truth in places:
            over = [
                one for one in claims if one.claim.place.start < end and one.claim.place.end > start
            ]
            exact = [one for one in over if one.verdict == truth]
            text, first = data[start:end].decode(), next(iter(exact or over), None)
            marked.append(Marked(path.name, start, end, text, truth, first))
        for one in claims:
            if one.verdict == "contradicted":
                said += 1
                false = [place for place in places if place[2] == "contradicted"]
                if not any(
                    a < one.claim.place.end and one.claim.place.start < b for a, b, _ in false
                ):
                    wrong.append((path.name, one))
    return Figures(marked, wrong, said)


def _over(judged: Judged, start: int, end: int) -> bool:
    return judged.claim.place.start < end and judged.claim.place.end > start


def dense_page(size: int) -> bytes:
    """A page of so many bytes with a claim every 30 of them: the corpus, again and again."""
    pages = [unmarked(path.read_bytes())[0] for path in sorted(CORPUS.glob("[0-9]*.md"))]
    one = b"\n\n".join(page for page in pages if not page.startswith(b"---"))
    return (one * (size // len(one) + 1))[:size].decode("utf-8", "ignore").encode()


def runs_page(size: int) -> bytes:
    """A page of so many bytes about the 1,000 runs: no two of its sections say the same."""
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


class Timed(NamedTuple):
    """Seconds to audit a page, by the clock and of the processor, its claims, peak memory."""

    wall: float
    processor: float
    claims: int
    megabytes: float


def time_page(make: Callable[[int], bytes]) -> Timed:
    """Audit a page of 1 MB against 1,000 runs more, in a process that has read nothing yet."""
    data = make(1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        proof = Proof([*make_proof(Path(folder)).cases, *many_cases(1000)], Path(folder))
        wall, processor = time.perf_counter(), _processor()
        found = audit_document(data, "page.md", proof)
        seconds = time.perf_counter() - wall, _processor() - processor
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = sum(resource.getrusage(one).ru_maxrss for one in who) / 1024
    return Timed(*seconds, len(found.claims), peak)


def _processor() -> float:
    """Seconds of this process and of those that ended below it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def least_time(make: Callable[[int], bytes]) -> Timed:
    """The least of three processes: other work on the machine only ever adds."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return min(pool.map(time_page, [make] * 3))


def tell(name: str, figures: Figures) -> None:
    """Print what the audit made of a corpus."""
    counts = Counter(one.truth for one in figures.marked)
    told = ", ".join(f"{count} {truth}" for truth, count in counts.most_common())
    pages = len({one.page for one in figures.marked})
    print(f"{name}: {len(figures.marked)} claims over {pages} pages ({told})")
    print(f"  precision of contradicted: {figures.precision:.1%} of {figures.said}")
    print(f"  recall of what is false: {figures.recall:.1%} of {counts['contradicted']}")
    print(f"  true verdict given: {figures.agreement:.1%}")


def show(figures: Figures) -> None:
    """Print the claims that were judged otherwise than marked."""
    for one in figures.marked:
        verdict = one.judged.verdict if one.judged else "not read"
        if verdict != one.truth:
            print(f"  {one.page}: {one.text!r} is {one.truth}, judged {verdict}")
            print(f"      {message(one.judged, 'en') if one.judged else ''}")
    for page, judged in figures.wrong:
        print(f"  wrongly contradicted: {page}: {message(judged, 'en')}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 where precision, the corpus's recall or time is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="claims judged otherwise than marked")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        proof = make_proof(Path(folder))
        found = {corpus.name: measure(proof, corpus) for corpus in CORPORA}
    timed = {"about 1,000 runs": least_time(runs_page), "dense with claims": least_time(dense_page)}
    for name, figures in found.items():
        tell(name, figures)
        if options.list:
            show(figures)
    for name, one in timed.items():
        print(f"a page of 1 MB {name}: {one.wall:.2f} s, {one.processor:.2f} s of processor, "
              f"{one.claims} claims, {one.megabytes:.0f} MB at most")  # fmt: skip
    right = all(figures.precision == 1 for figures in found.values())
    right = right and found[CORPUS.name].recall >= 0.95
    return int(not right or max(one.wall for one in timed.values()) > 1)


if __name__ == "__main__":
    raise SystemExit(main())
