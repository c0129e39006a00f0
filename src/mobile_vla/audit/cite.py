"""A number with its source, for notebooks: read from the run's files, never typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.audit.audit_document import gather_proof
from mobile_vla.evidence.fact_table import Fact, FactTable
from mobile_vla.evidence.model import Evidence
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import LANGUAGES, Language, plain
from mobile_vla.study.strict_yaml import nearest


@dataclass(frozen=True, slots=True)
class Cited:
    """A number or a word, and where it was read. As text: the value, then file and place."""

    value: float | str
    evidence: Evidence

    def __str__(self) -> str:
        return f"{self._text()} ({self._place()})"

    def _repr_markdown_(self) -> str:
        """As a notebook shows it."""
        return f"{self._text()} (`{self._place()}`)"

    def __float__(self) -> float:
        return float(self.value)

    def _text(self) -> str:
        return self.value if isinstance(self.value, str) else plain(self.value, 6)

    def _place(self) -> str:
        return f"{self.evidence.file} {self.evidence.where}".strip()


def cite(
    case: str, fact_name: str, *, workspace: str | None = None, evidence: Sequence[str] = ()
) -> Cited:
    """A fact of a case: "final val_loss", "lora_r", "val episodes", "left success", "state" …

    In Korean: "최종 검증 손실", "검증 에피소드", "상태" … `workspace`: with runs of ours;
    `evidence`: folders of others to scan. Raises UserError for an unknown case, and for what no
    file of it gives, naming the nearest that one does.
    """
    if workspace is None and not evidence:
        raise UserError("Name a workspace, or folders of evidence, to cite from.")
    book = Casebook(Path(workspace)) if workspace is not None else None
    proof = gather_proof(book, [Path(folder) for folder in evidence])
    record = proof.records.get(case)
    if record is None or record.speaking is None:
        names = [view.name for view in proof.cases]
        raise UserError(f"There is no run of {case!r} to cite: {nearest(case, names)}")
    facts = cited_facts(record.speaking.table)
    if fact_name not in facts:
        near = nearest(fact_name, sorted(facts))
        raise UserError(f"No file of {case} gives its {fact_name!r}: {near}")
    return Cited(facts[fact_name].value, facts[fact_name].source)


def cited_facts(table: FactTable) -> dict[str, Fact]:
    """Every fact by the words to cite it with, English and Korean."""
    facts: dict[str, Fact] = {}
    for fact in table:
        key = fact.key
        epoch = f"epoch {key.epoch}" if key.epoch is not None and not key.qualifier else ""
        words = (key.split, key.group, epoch, key.qualifier, key.quantity)
        facts[" ".join(word for word in words if word)] = fact
        if key.quantity == "state":
            facts["status"] = fact
        for language in LANGUAGES:
            facts[_words(fact, language)] = fact
    return facts


def _words(fact: Fact, language: Language) -> str:
    key = fact.key
    epoch = ""
    if key.epoch is not None and not key.qualifier:
        epoch = phrase("qualifier.epoch", language, epoch=key.epoch)
    words = [term("qualifier", key.split, language) if key.split else "", key.group, epoch,
             term("qualifier", key.qualifier, language) if key.qualifier else "",
             term("quantity", key.quantity, language)]  # fmt: skip
    return " ".join(word for word in words if word)
