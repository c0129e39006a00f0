"""A number with its source, for notebooks: read from the run's files, never typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobile_vla.casebook.casebook import Casebook
from mobile_vla.casebook.model import Evidence
from mobile_vla.documents.audit import gather_proof
from mobile_vla.documents.facts import Fact, RunFacts
from mobile_vla.documents.wording import plain
from mobile_vla.record.errors import UserError
from mobile_vla.study.reading import nearest


@dataclass(frozen=True, slots=True)
class Cited:
    """A number and where it was read. As text: the number, then file and place."""

    value: float
    evidence: Evidence

    def __str__(self) -> str:
        return f"{plain(self.value, 6)} ({self._place()})"

    def _repr_markdown_(self) -> str:
        """As a notebook shows it."""
        return f"{plain(self.value, 6)} (`{self._place()}`)"

    def __float__(self) -> float:
        return self.value

    def _place(self) -> str:
        return f"{self.evidence.file} {self.evidence.where}".strip()


def cite(
    case: str, what: str, *, workspace: str | None = None, evidence: Sequence[str] = ()
) -> Cited:
    """A number of a case: "final val_loss", "best val_loss", "lora_r", "val episodes" …

    `workspace`: with runs of our own; `evidence`: folders of others to scan. Errors: `UserError`
    for an unknown case, and for what no file of it tells, naming the nearest that is told.
    """
    if workspace is None and not evidence:
        raise UserError("Name a workspace, or folders of evidence, to cite from.")
    book = Casebook(Path(workspace)) if workspace is not None else None
    proof = gather_proof(book, [Path(folder) for folder in evidence])
    facts = proof.judge().facts(proof.labels().get(case, case))
    if facts is None or facts.speaking is None:
        known = [found.name for found in proof.cases]
        raise UserError(f"There is no run of {case!r} to cite: {nearest(case, known)}")
    told = numbers(facts.speaking)
    if what not in told:
        raise UserError(f"No file of {case} tells its {what!r}: {nearest(what, sorted(told))}")
    return Cited(told[what].number, told[what].evidence)


def numbers(facts: RunFacts) -> dict[str, Fact]:
    """Every number that a run's files tell, by the words to cite it with."""
    told = {
        " ".join(part for part in (split, qualifier, quantity) if part): fact
        for (quantity, qualifier, split), fact in facts.numbers.items()
    }
    for split, (count, at) in facts.episodes.items():
        told[f"{split} episodes".strip()] = Fact(float(count), at)
    return told
