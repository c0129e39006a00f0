"""Audit: precision, recall and provenance on sets of pages, and the time of a page of 1 MB.

How pages are chosen and labelled, and what the figures mean, is in `audit/PROTOCOL.md`.
`--list` prints every label judged otherwise; `--time` adds the timing.
"""

from __future__ import annotations

import argparse
import copy
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.audit_evidence import make_proof
from benchmarks.audit_sets import LabelledPage, Truth, pages_of
from benchmarks.audit_stages import lines_of, stage_of
from benchmarks.audit_time import report, timings
from mobile_vla.audit.audit_document import (
    DECIDED,
    Audit,
    Proof,
    audit_document,
    gather_proof,
)
from mobile_vla.audit.audit_messages import message
from mobile_vla.audit.judge.verdict import Judged

HERE = Path(__file__).parent
KINDS = HERE / "audit" / "kinds"
SETS = (KINDS, *(HERE / name for name in ("corpus", "held_out", "unseen", "blind", "fresh")))
NUMBER = re.compile(rb"\d+(?:[.,]\d+)*")
WAYS = ("structure", "bindings", "proposals")


@dataclass(slots=True)
class Figures:
    """Counts over a set. `wrong`: contradictions of what is not labelled false."""

    false: int = 0
    detected: int = 0
    contradicted: int = 0
    transparent: int = 0
    numbers: int = 0
    checked: int = 0
    offered: int = 0
    corrected: int = 0
    labels: int = 0
    agreed: int = 0
    wrong: list[tuple[str, Judged]] = field(default_factory=list)
    missed: list[tuple[str, str, Truth, Judged | None]] = field(default_factory=list)
    stages: list[tuple[Truth, str]] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Share of the contradictions that is right; 1 where there is none."""
        return 1 - len(self.wrong) / self.contradicted if self.contradicted else 1.0

    @property
    def recall(self) -> float:
        """Share of what is labelled false that is contradicted."""
        return self.detected / self.false if self.false else 1.0

    def add(self, page: LabelledPage, audit: Audit) -> None:
        """Count one page."""
        self._add_contradictions(page, audit)
        for truth in page.truths:
            self._add_label(page, truth, audit)
        decided = [j.claim.place for j in audit.claims if j.verdict in DECIDED]
        for match in NUMBER.finditer(page.data):
            self.numbers += 1
            self.checked += any(
                place.start < match.end() and match.start() < place.end for place in decided
            )

    def _add_contradictions(self, page: LabelledPage, audit: Audit) -> None:
        for judged in audit.claims:
            if judged.verdict != "contradicted":
                continue
            self.contradicted += 1
            self.transparent += any(at.file and at.where for at in judged.evidence)
            place = judged.claim.place
            over = [truth for truth in page.truths if truth.covers(place.start, place.end)]
            if not any(truth.verdict == "contradicted" for truth in over):
                self.wrong.append((page.name, judged))
            for truth in over:
                if truth.fix is not None and judged.correction is not None:
                    self.offered += 1
                    self.corrected += truth.fix.strip() in _corrected(page, truth, judged)

    def _add_label(self, page: LabelledPage, truth: Truth, audit: Audit) -> None:
        over = [j for j in audit.claims if truth.covers(j.claim.place.start, j.claim.place.end)]
        verdicts = {judged.verdict for judged in over}
        self.stages.append((truth, stage_of(page, truth, over, audit)))
        self.labels += 1
        self.agreed += truth.verdict in verdicts
        if truth.verdict == "contradicted":
            self.false += 1
            self.detected += "contradicted" in verdicts
        if truth.verdict not in verdicts:
            text = page.data[truth.start : truth.end].decode("utf-8", "replace")
            self.missed.append((page.name, text, truth, next(iter(over), None)))


def _corrected(page: LabelledPage, truth: Truth, judged: Judged) -> tuple[str, str]:
    """The correction alone, and put into the label's text."""
    correction = judged.correction or ""
    start, end = judged.claim.place.start, judged.claim.place.end
    text = page.data[truth.start : start] + correction.encode() + page.data[end : truth.end]
    return correction.strip(), text.decode("utf-8", "replace").strip()


def measure(folder: Path, proof: Proof) -> dict[str, Figures]:
    """Figures of a set in each way of reading."""
    figures = {way: Figures() for way in WAYS}
    for page in pages_of(folder):
        alone = audit_document(page.data, page.name, proof)
        confirmed = copy.copy(proof)
        confirmed.aliases = {**_names_by_label(page, alone), **page.bindings}
        bound = audit_document(page.data, page.name, confirmed)
        proposals = {"hand": page.proposals}
        full = audit_document(page.data, page.name, confirmed, proposals) if proposals else bound
        for way, audit in zip(WAYS, (alone, bound, full), strict=True):
            figures[way].add(page, audit)
    return figures


def _names_by_label(page: LabelledPage, audit: Audit) -> dict[str, str]:
    """The run that the labels of a name's claims give, where they agree."""
    runs: dict[str, set[str]] = {}
    for judged in audit.claims:
        claim = judged.claim
        for truth in page.truths:
            if claim.owner and truth.run and truth.covers(claim.place.start, claim.place.end):
                runs.setdefault(claim.owner, set()).add(truth.run)
    return {name: min(labelled) for name, labelled in runs.items() if len(labelled) == 1}


def print_figures(name: str, figures: dict[str, Figures], *, every: bool) -> None:
    """Print a set's figures, and with `every` each label that was judged otherwise."""
    first = figures["structure"]
    print(f"{name}: {first.labels} labels, {first.false} of them false")
    for way, of in figures.items():
        print(
            f"  {way:10} precision {of.precision:6.1%} of {of.contradicted:3}, recall "
            f"{of.recall:6.1%}, true verdict {_share(of.agreed, of.labels)}, provenance "
            f"{_share(of.checked, of.numbers)}, transparent "
            f"{_share(of.transparent, of.contradicted)}, corrections right "
            f"{_share(of.corrected, of.offered)}"
        )
    if not every:
        return
    for way in WAYS[:2]:
        print(f"  {way}, by kind and stage:")
        print("\n".join(lines_of(figures[way].stages)))
    last = figures["proposals"]
    for page, text, truth, judged in last.missed:
        verdict = message(judged, "en") if judged else "not read"
        print(f"    {page}: {text!r} is {truth.verdict}: {verdict}")
    for page, judged in last.wrong:
        print(f"    wrongly contradicted: {page} line {judged.claim.place.line}: "
              f"{message(judged, 'en')}")  # fmt: skip


def _share(part: int, total: int) -> str:
    return f"{part / total:.0%} of {total}" if total else "-"


def proof_of(folder: Path, made: Callable[[], Proof]) -> Proof:
    """The set's own evidence, else the made-up one."""
    evidence = folder / "evidence"
    return gather_proof(None, [evidence]) if evidence.is_dir() else made()


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; 1 where one of the kinds is wrongly contradicted or time is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="*", type=Path, help="sets to measure (default: all)")
    parser.add_argument("--list", action="store_true", help="labels judged otherwise")
    parser.add_argument("--time", action="store_true", help="time pages of 1 MB too")
    options = parser.parse_args(argv)
    wrong = False
    with tempfile.TemporaryDirectory() as temporary:
        made = make_proof(Path(temporary))
        for folder in options.folder or SETS:
            figures = measure(folder, proof_of(folder, lambda: made))
            print_figures(folder.name, figures, every=options.list)
            wrong = wrong or (folder == KINDS and bool(figures["structure"].wrong))
    timed = timings() if options.time or not options.folder else {}
    for line in report(timed):
        print(line)
    return int(wrong or any(page.wall > 1 for page in timed.values()))


if __name__ == "__main__":
    raise SystemExit(main())
