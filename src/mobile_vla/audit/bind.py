"""Bindings that a person confirms, written into the page as one comment."""

from __future__ import annotations

from collections.abc import Mapping

from mobile_vla.audit.audit_document import Audit, Proof
from mobile_vla.claims.bindings_comment import aliases_in, with_comment
from mobile_vla.claims.structure import parse_page
from mobile_vla.messages.catalogue import phrase, sentence
from mobile_vla.messages.errors import UserError


def proposed_bindings(audit: Audit) -> dict[str, str]:
    """Names that evidence binds to one run and nobody has confirmed, where claims hang on them."""
    return {
        binding.name: binding.run
        for binding in audit.bindings
        if binding.sure == "safe" and binding.run and binding.claims and can_hold(binding.name)
    }


def can_hold(name: str) -> bool:
    """Whether a comment can hold a name."""
    try:
        with_comment(b"", {name: name})
    except UserError:
        return False
    return True


def with_bindings(data: bytes, name: str, confirmed: Mapping[str, str], proof: Proof) -> bytes:
    """The page with a comment that binds these names beside those that it binds already.

    Raises: UserError where an entry of a comment is faulty, or the comment would not be read.
    """
    present, faults = aliases_in(parse_page(data, name), proof.runs)
    if faults:
        fault = faults[0]
        why = sentence(fault.why, "en")
        raise UserError(phrase("audit.faulty_comment", "en", file=name, line=fault.line, why=why))
    aliases = {**present, **confirmed}
    after = with_comment(data, aliases)
    read_again, _ = aliases_in(parse_page(after, name), proof.runs)
    if read_again != aliases:
        raise UserError(phrase("audit.comment_hidden", "en", file=name))
    return after
