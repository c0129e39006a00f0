"""Audit: precision and recall on a corpus of ten pages, and the time of a page of 1 MB.

`contradicted` must never be said of what is true or untold (precision), and what is false by the
evidence must be found (recall). `--list` prints every claim judged otherwise than marked.
"""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.audit_evidence import make_proof, many_cases
from mobile_vla.documents.audit import Proof, audit_document
from mobile_vla.documents.claims.model import Judged
from mobile_vla.documents.claims.source import parse_document

CORPUS = Path(__file__).parent / "corpus"
HELD_OUT = Path(__file__).parent / "held_out"
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
        claims = audit_document(parse_document(path, data), proof).claims
        for start, end, truth in places:
            over = [one for one in claims if one.claim.start < end and one.claim.end > start]
            exact = [one for one in over if one.verdict == truth]
            text, first = data[start:end].decode(), next(iter(exact or over), None)
            marked.append(Marked(path.name, start, end, text, truth, first))
        for one in claims:
            if one.verdict == "contradicted":
                said += 1
                false = [place for place in places if place[2] == "contradicted"]
                if not any(a < one.claim.end and one.claim.start < b for a, b, _ in false):
                    wrong.append((path.name, one))
    return Figures(marked, wrong, said)


def big_page(size: int) -> bytes:
    """A page of so many bytes: the corpus, again and again."""
    pages = [unmarked(path.read_bytes())[0] for path in sorted(CORPUS.glob("[0-9]*.md"))]
    one = b"\n\n".join(page for page in pages if not page.startswith(b"---"))
    return (one * (size // len(one) + 1))[:size].decode("utf-8", "ignore").encode()


def time_page(proof: Proof, size: int = 1_000_000) -> tuple[float, int]:
    """Seconds to audit a page of `size` bytes against 1,000 runs more, and its claims."""
    proof = Proof(cases=[*proof.cases, *many_cases(1000)])
    data = big_page(size)
    started = time.perf_counter()
    found = audit_document(parse_document(Path("page.md"), data), proof)
    return time.perf_counter() - started, len(found.claims)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 where precision, recall or time is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="claims judged otherwise than marked")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        proof = make_proof(Path(folder))
        figures = measure(proof)
        seconds, claims = time_page(proof)
    counts = Counter(one.truth for one in figures.marked)
    told = ", ".join(f"{count} {truth}" for truth, count in counts.most_common())
    print(f"corpus: {len(figures.marked)} claims over 10 pages ({told})")
    print(f"precision of contradicted: {figures.precision:.1%} of {figures.said}")
    print(f"recall of what is false: {figures.recall:.1%} of {counts['contradicted']}")
    print(f"true verdict given: {figures.agreement:.1%}")
    print(f"a page of 1 MB against 1,000 runs: {seconds:.2f} s, {claims} claims")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory of this process: {memory:.0f} MB")
    for one in figures.marked if options.list else ():
        verdict = one.judged.verdict if one.judged else "not read"
        if verdict != one.truth:
            print(f"  {one.page}: {one.text!r} is {one.truth}, judged {verdict}")
            print(f"      {one.judged.reason if one.judged else ''}")
    for page, judged in figures.wrong:
        print(f"  wrongly contradicted: {page} line {judged.claim.line}: {judged.claim.value!r} "
              f"({judged.claim.quantity}; {judged.expected})")  # fmt: skip
    return int(figures.precision < 1 or figures.recall < 0.95 or seconds > 1)


if __name__ == "__main__":
    raise SystemExit(main())
