"""What an audit says of a claim, in the page's language."""

from __future__ import annotations

from collections.abc import Iterator

from mobile_vla.audit.audit_document import Audit
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.claims.model import Binding, Claim
from mobile_vla.messages.catalogue import phrase, sentence, term
from mobile_vla.messages.formats import Language


def message(judged: Judged, language: Language) -> str:
    """The claim, its verdict, why, and where the evidence stands, in one line."""
    place = "; ".join(dict.fromkeys(f"{at.file} {at.where}".strip() for at in judged.evidence))
    parts = [heading(judged, language), sentence(judged.reason, language), place]
    return "; ".join(part for part in parts if part)


def heading(judged: Judged, language: Language) -> str:
    """The claim and its verdict."""
    claim = judged.claim
    return phrase(
        "audit.heading", language, what=claim_words(claim, language), value=claim.value,
        run=claim.run or claim.owner or phrase("audit.no_name", language),
        verdict=term("claim_verdict", judged.verdict, language),
    )  # fmt: skip


def claim_words(claim: Claim, language: Language) -> str:
    """What is claimed: "best validation loss epoch 8", "8 에폭 최저 검증 손실"."""
    epoch = "" if claim.epoch is None else phrase("qualifier.epoch", language, epoch=claim.epoch)
    split = "" if claim.quantity.startswith(claim.split or " ") else claim.split
    words = [term("qualifier", name, language) for name in (split, claim.qualifier) if name]
    words += [claim.group] if claim.group else []
    words.append(term("quantity", claim.quantity, language))
    ordered = [epoch, *words] if language == "ko" else [*words, epoch]
    return " ".join(word for word in ordered if word)


def claim_lines(judged: Judged, language: Language) -> Iterator[str]:
    """A claim for a terminal: its line and verdict, why, and each place of the evidence."""
    yield f"  {judged.claim.place.line}: {heading(judged, language)}"
    yield f"      {sentence(judged.reason, language)}"
    for place in dict.fromkeys(f"{at.file} {at.where}".strip() for at in judged.evidence):
        yield f"      {place}"


def summary_lines(audit: Audit) -> Iterator[str]:
    """How many claims have which verdict, what binding would decide most, what was not read."""
    language = audit.language
    counts = ", ".join(
        f"{count} {term('claim_verdict', verdict, language)}"
        for verdict, count in audit.counts().items()
    )
    yield phrase("audit.counts", language, n=len(audit.claims), counts=counts)
    if audit.unchecked:
        yield phrase("audit.nothing_checked", language)
    if names := audit.open_names():
        yield phrase("audit.open_names", language, names=_names(names))
    if audit.refused:
        yield phrase("audit.refused", language, n=len(audit.refused))
    yield phrase("audit.unread", language, n=len(audit.unread))


def _names(names: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in names[:3])
    return f"{shown}, …" if len(names) > 3 else shown


def binding_lines(binding: Binding, language: Language) -> Iterator[str]:
    """What a name means, how sure and why, then each run that it may mean."""
    run = binding.run or phrase("audit.no_name", language)
    yield phrase(
        "audit.binding", language, name=binding.name, run=run, n=binding.claims,
        sure=term("how_sure", binding.sure, language),
        why="; ".join(sentence(why, language) for why in binding.why),
    )  # fmt: skip
    for candidate in binding.candidates:
        why = "; ".join(sentence(why, language) for why in candidate.why)
        yield phrase("audit.candidate", language, run=candidate.run, why=why).rstrip(": ")
