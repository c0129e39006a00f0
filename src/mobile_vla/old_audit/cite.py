"""A number with its source, for notebooks: read from the run's files, never typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.wording import plain, state_word
from mobile_vla.evidence.model import Evidence
from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import gather_proof
from mobile_vla.old_audit.audit_messages import QUANTITIES, WORDS
from mobile_vla.old_audit.facts import Fact, RunFacts
from mobile_vla.study.strict_yaml import nearest


@dataclass(frozen=True, slots=True)
class Cited:
    """A number, or a state, and where it was read. As text: the value, then file and place."""

    value: float | str
    evidence: Evidence

    def __str__(self) -> str:
        return f"{self._shown()} ({self._place()})"

    def _repr_markdown_(self) -> str:
        """As a notebook shows it."""
        return f"{self._shown()} (`{self._place()}`)"

    def __float__(self) -> float:
        return float(self.value)

    def _shown(self) -> str:
        return self.value if isinstance(self.value, str) else plain(self.value, 6)

    def _place(self) -> str:
        return f"{self.evidence.file} {self.evidence.where}".strip()


def cite(
    case: str, what: str, *, workspace: str | None = None, evidence: Sequence[str] = ()
) -> Cited:
    """A number of a case: "final val_loss", "best val_loss", "lora_r", "val episodes" …

    Or its state: "status". In Korean: "최종 검증 손실", "검증 에피소드", "상태" …
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
    run = facts.speaking.run
    if what in ("status", QUANTITIES["status"]):
        proved = run.evidence[0] if run.evidence else Evidence(file=run.path)
        return Cited(run.state if what == "status" else state_word(run.state, "ko"), proved)
    told = numbers(facts.speaking)
    if what not in told:
        raise UserError(f"No file of {case} tells its {what!r}: {nearest(what, sorted(told))}")
    return Cited(told[what].number, told[what].evidence)


def numbers(facts: RunFacts) -> dict[str, Fact]:
    """Every number that a run's files tell, by the words to cite it with, English and Korean."""
    told: dict[str, Fact] = {}
    for (quantity, qualifier, split), fact in facts.numbers.items():
        told[_joined(split, qualifier, quantity)] = fact
        of = qualifier.removeprefix("epoch ")
        when = f"{of} 에폭" if of != qualifier else WORDS.get(qualifier, "")
        told[_joined(WORDS.get(split, ""), when, QUANTITIES.get(quantity, quantity))] = fact
    for split, (count, at) in facts.episodes.items():
        fact = Fact(float(count), at)
        told[_joined(split, "episodes")] = told[_joined(WORDS.get(split, ""), "에피소드")] = fact
    return told


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)
