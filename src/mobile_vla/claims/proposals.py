"""Claims that somebody else read: their JSON schema, and checking each against the page.

A proposal is refused unless its quote stands in the page to the byte, holds its value once, and
its quantity is known. Number, unit and word are read here again from the value; the run is what
the page's own binding of the name says. Nothing in a proposal is a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import blake3
import msgspec
from msgspec.structs import replace

from mobile_vla.claims.keys import Draft, Key
from mobile_vla.claims.lexer import Names, atoms_of
from mobile_vla.claims.lexicon import Lexicon, standard
from mobile_vla.claims.model import Binding, Claim, Comparator, Kind, Place, Reading, Unread
from mobile_vla.claims.structure import Line, Section
from mobile_vla.claims.values import value_of
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason

MOST = 100_000
"""Proposals of one file that are looked at."""
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("equal", "about", "at_most", "at_least"), "value"),
    **dict.fromkeys(("same", "differs", "only_differs", "same_except"), "difference"),
    **dict.fromkeys(("sum", "share", "ratio"), "arithmetic"),
}  # type: ignore[dict-item]


class Proposal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim as a person, an assistant or a model read it.

    `quote`: the page's own text, to the byte; `start`: its first byte, None where it stands in the
    page once. `value`: the part of the quote that is the value. `name`: what the page calls the
    run; `run`: which run the proposer takes it for. `number`: in the base unit, to check ours.
    """

    quote: str
    value: str
    quantity: str
    start: int | None = None
    name: str | None = None
    run: str | None = None
    other_name: str | None = None
    number: float | None = None
    comparator: Comparator = "equal"
    qualifier: str = ""
    epoch: int | None = None
    split: str = ""
    group: str = ""
    factors: list[str] = []


class ClaimsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of proposals. `blake3`: hash of the page that they were read from."""

    blake3: str
    claims: list[Any]
    document: str = ""


def schema(lexicon: Lexicon | None = None) -> dict[str, Any]:
    """The JSON schema of a file of claims, with the quantities of the lexicon."""
    keys = sorted({quantity.key for quantity in (lexicon or standard()).quantities.values()})
    shape = msgspec.json.schema(ClaimsFile)
    entry = msgspec.json.schema(Proposal)["$defs"]["Proposal"]
    entry["properties"]["quantity"]["enum"] = keys
    shape["$defs"]["Proposal"] = entry
    shape["$defs"]["ClaimsFile"]["properties"]["claims"]["items"] = {"$ref": "#/$defs/Proposal"}
    return shape


def read_claims_file(content: bytes, file: str, page: bytes) -> list[Any]:
    """The proposals of a file, unchecked.

    Raises: UserError for a file that is no JSON of claims, or is about another page or version.
    """
    try:
        parsed = msgspec.json.decode(content, type=ClaimsFile)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UserError(phrase("claim.claims_not_json", "en", file=file, why=str(error))) from None
    if parsed.blake3 != blake3.blake3(page).hexdigest():
        raise UserError(phrase("claim.claims_other_page", "en", file=file))
    return parsed.claims[:MOST]


def with_proposals(
    reading: Reading, page: bytes, proposals: Sequence[Any], read_by: str,
    lexicon: Lexicon | None = None,
) -> Reading:  # fmt: skip
    """The reading with the proposals that hold, and the others refused with why.

    A proposal for a value that structure read already adds nothing.
    """
    check = _Check(reading, page, lexicon or standard(), read_by)
    claims, refused = list(reading.claims), list(reading.refused)
    taken = {(claim.place.start, claim.quantity, claim.kind) for claim in claims}
    for proposal in proposals:
        claim = check.claim(proposal)
        if isinstance(claim, Unread):
            refused.append(claim)
        elif (identity := (claim.place.start, claim.quantity, claim.kind)) not in taken:
            taken.add(identity)
            claims.append(claim)
    claims.sort(key=lambda claim: claim.place.start)
    counts = Counter(name for claim in claims for name in (claim.owner, claim.other_owner) if name)
    bindings = [replace(binding, claims=counts[binding.name]) for binding in reading.bindings]
    return replace(reading, claims=claims, refused=refused, bindings=bindings)


class _Check:
    """Checks proposals against one page."""

    def __init__(self, reading: Reading, page: bytes, lexicon: Lexicon, read_by: str) -> None:
        self.page, self.lexicon, self.read_by = page, lexicon, read_by
        self.bindings = {atoms_of(binding.name): binding for binding in reading.bindings}
        self.keys = {entry.key for entry in lexicon.quantities.values()}

    def claim(self, raw: Any) -> Claim | Unread:
        """The claim of a proposal, or why it is refused."""
        try:
            proposal = msgspec.convert(raw, Proposal)
        except msgspec.ValidationError as error:
            return self._refused(0, str(raw), "shape", why=str(error)[:200])
        quote, value = proposal.quote.encode(), proposal.value.encode()
        start = self._start(proposal.start, quote)
        if start is None:
            return self._refused(0, proposal.quote, "not_in_page", quote=proposal.quote[:120])
        if not value.strip() or quote.count(value) != 1:
            return self._refused(start, proposal.quote, "value", value=proposal.value[:120])
        if proposal.quantity not in self.keys:
            quantity = proposal.quantity[:80]
            return self._refused(start, proposal.quote, "quantity", quantity=quantity)
        at = start + quote.index(value)
        draft = self._draft(proposal, at)
        if draft is None or proposal.number not in (None, draft.number):
            return self._refused(start, proposal.quote, "number", value=proposal.value[:80],
                                 quantity=proposal.quantity)  # fmt: skip
        return self._accepted(proposal, draft, at)

    def _start(self, start: int | None, quote: bytes) -> int | None:
        """The first byte of a quote; None where it stands elsewhere, nowhere or several times."""
        if start is None:
            start = self.page.find(quote)
            if self.page.find(quote, start + 1) >= 0:
                return None
        stands = start >= 0 and self.page[start : start + len(quote)] == quote
        return start if stands and quote.strip() else None

    def _draft(self, proposal: Proposal, at: int) -> Draft | None:
        """What the value says of the quantity by the project's own lexer."""
        line = Line("text", Section(None, 0, None))
        line.add(proposal.value, at, at + len(proposal.value.encode()))
        items = self.lexicon.lex(line.text, Names())
        if KINDS.get(proposal.comparator, "comparison") != "value":
            numbers = [item.number for item in items if item.number is not None]
            number, step = (numbers[0].base, numbers[0].step) if len(numbers) == 1 else (None, 0.0)
            return Draft(line, 0, len(line.text), proposal.quantity, number=number, step=step)
        quantities = (
            entry for entry in self.lexicon.quantities.values() if entry.key == proposal.quantity
        )
        outcomes = (
            value_of(line, items, Key((quantity,)), self.lexicon) for quantity in quantities
        )
        return next((outcome.drafts[0] for outcome in outcomes if len(outcome.drafts) == 1), None)

    def _accepted(self, proposal: Proposal, draft: Draft, at: int) -> Claim:
        owner, other = self._binding(proposal.name), self._binding(proposal.other_name)
        run = owner.run if owner else None
        agrees = proposal.run in (None, run)
        return Claim(
            place=Place(line=self._line(at), start=at, end=at + len(proposal.value.encode())),
            quote=proposal.quote, kind=KINDS.get(proposal.comparator, "comparison"),
            quantity=proposal.quantity, value=proposal.value,
            number=draft.number, step=draft.step, unit=draft.unit, word=draft.word,
            comparator=draft.comparator if proposal.comparator == "equal" else proposal.comparator,
            qualifier=proposal.qualifier, epoch=proposal.epoch, split=proposal.split,
            group=proposal.group, owner=proposal.name, run=run if agrees else None,
            sure="none" if owner is None else owner.sure if agrees else "candidate",
            other_owner=proposal.other_name, other_run=other.run if other else None,
            factors=tuple(proposal.factors), read_by=self.read_by,
        )  # fmt: skip

    def _binding(self, name: str | None) -> Binding | None:
        return self.bindings.get(atoms_of(name)) if name else None

    def _line(self, at: int) -> int:
        return self.page.count(b"\n", 0, at) + 1

    def _refused(self, at: int, text: str, code: str, **fields: str) -> Unread:
        why = reason(f"claim.proposal_{code}", **fields)
        return Unread(line=self._line(at), text=text[:200], why=why)
