"""What an audit says of a claim, in the page's language."""

from __future__ import annotations

from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.claims.model import Claim
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
