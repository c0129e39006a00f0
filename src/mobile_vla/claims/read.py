"""A document read: its claims, what its names mean, and the lines that were not read."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import blake3

from mobile_vla.claims.assertion import AssertedSections
from mobile_vla.claims.binding import Binder, Bound, KnownRun, bindings_of
from mobile_vla.claims.bindings_comment import aliases_in
from mobile_vla.claims.keys import Draft, Outcome, short
from mobile_vla.claims.lexicon import Lexicon, standard
from mobile_vla.claims.model import Claim, HowSure, Reading, Term, Unread
from mobile_vla.claims.page_names import BLOCKED, PageNames
from mobile_vla.claims.phrases import Reader
from mobile_vla.claims.read_lines import lead_name, read_line
from mobile_vla.claims.read_tables import is_worth_telling, read_table
from mobile_vla.claims.structure import LONGEST, Line, Page, Table, parse_page
from mobile_vla.messages.reason import Reason, reason

Language = Literal["en", "ko", "other"]


def read_document(
    data: bytes, name: str, runs: Sequence[KnownRun] = (), aliases: Mapping[str, str] | None = None,
    lexicon: Lexicon | None = None,
) -> Reading:  # fmt: skip
    """Read the bytes of a page. `aliases`: names that the study or the user binds to runs.

    Raises: UserError for a page that is no UTF-8 text or above 16 MB.
    """
    page = parse_page(data, name)
    lexicon = lexicon or standard()
    confirmed, faults = aliases_in(page, runs)
    confirmed = {**(aliases or {}), **confirmed}
    spoken = [name for run in runs for name in (run.name, *run.aliases, run.label) if name]
    names = PageNames(page, lexicon, [*confirmed, *spoken])
    drafts, unread = _read_blocks(page, names, lexicon)
    written = _written(page, names)
    bound, binder = _bind(names, drafts, runs, confirmed, written)
    claims = [_claim(page, draft, names, bound, binder) for draft in drafts]
    claims = [claim for claim in claims if _stands(data, claim)]
    counts = Counter(claim.owner for claim in claims if claim.owner)
    counts.update(claim.other_owner for claim in claims if claim.other_owner)
    return Reading(
        document=name, blake3=blake3.blake3(data).hexdigest(), language=_language(page),
        written=written, claims=sorted(claims, key=lambda entry: entry.place.start),
        bindings=bindings_of(names, bound, counts),
        unread=[*faults, *(_unread(page, line, why) for line, why in unread)],
    )  # fmt: skip


def _read_blocks(
    page: Page, names: PageNames, lexicon: Lexicon
) -> tuple[list[Draft], list[tuple[Line, Reason]]]:
    reader, sections = Reader(lexicon), AssertedSections(lexicon, names.names)
    drafts: list[Draft] = []
    unread: list[tuple[Line, Reason]] = []
    lead: str | None = None
    for block in page.blocks:
        line = block if isinstance(block, Line) else block.rows[0][0]
        if line.kind == "heading":
            lead = None
        elif isinstance(block, Line) and block.kind == "text":
            lead = lead_name(block, names) or (lead if ":" in block.text else None)
        owner = _owner(block, names, lead)
        absence = sections.absence(block.section)
        if absence is not None and line.kind != "heading":
            why = reason(f"claim.{absence}", text=short(line))
            if is_worth_telling(line, names):
                unread.append((line, why))
        elif isinstance(block, Table):
            results, silent = read_table(block, names, reader, owner)
            drafts += results
            unread += silent
        else:
            outcome = _read_line(block, names, reader, owner)
            drafts += outcome.drafts
            if outcome.why is not None and not outcome.drafts and is_worth_telling(block, names):
                unread.append((block, outcome.why))
    return drafts, unread


def _read_line(line: Line, names: PageNames, reader: Reader, owner: str | None) -> Outcome:
    if len(line.text) > LONGEST:
        return Outcome(why=reason("claim.line_too_long"))
    return read_line(line, names, reader, owner)


def _owner(block: Line | Table, names: PageNames, lead: str | None) -> str | None:
    """Who a block is about: the item that holds it, the name before it, its section."""
    holder = block.introduced_by if isinstance(block, Table) else block.parent
    while holder is not None:
        if (name := lead_name(holder, names)) is not None:
            return name
        holder = holder.parent
    kind = "cell" if isinstance(block, Table) else block.kind
    owner = lead if lead is not None and kind != "heading" else names.owner(block.section)
    return None if owner == BLOCKED else owner


def _bind(
    names: PageNames, drafts: list[Draft], runs: Sequence[KnownRun], aliases: Mapping[str, str],
    written: str | None,
) -> tuple[dict[str, Bound], Binder]:  # fmt: skip
    binder = Binder(runs, aliases, written)
    owned: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.owner:
            owned[names.head_of(draft.owner)].append(draft)
    bound = {}
    for head, members in names.members().items():
        clues = set().union(*(names.clues[name] for name in members))
        bound[head] = binder.bind(members, clues, owned[head])
    return bound, binder


def _claim(
    page: Page, draft: Draft, names: PageNames, bound: Mapping[str, Bound], binder: Binder
) -> Claim:
    owner = bound.get(names.head_of(draft.owner)) if draft.owner else None
    other = bound.get(names.head_of(draft.other)) if draft.other else None
    holds = owner is not None and binder.without(owner, draft)
    sure: HowSure = owner.sure if owner and holds else "candidate" if owner else "none"
    return Claim(
        place=page.place(draft.line, draft.start, draft.end), quote=draft.line.text.strip(),
        kind=draft.kind, quantity=draft.quantity, value=draft.value, number=draft.number,
        step=draft.step, unit=draft.unit, word=draft.word, comparator=draft.comparator,
        qualifier=draft.qualifier, epoch=draft.epoch, split=draft.split, group=draft.group,
        owner=draft.owner, run=owner.run if owner and holds else None, sure=sure,
        other_owner=draft.other, other_run=other.run if other else None, factors=draft.factors,
        terms=tuple(term for line, item in draft.terms for term in _terms(page, line, item)),
        whole=draft.whole,
    )  # fmt: skip


def _stands(data: bytes, claim: Claim) -> bool:
    """Whether the value stands at its place; not so where an entity or an escape is part of it."""
    written = data[claim.place.start : claim.place.end].decode("utf-8", "replace")
    return written == claim.value or unicodedata.normalize("NFC", written) == claim.value


def _terms(page: Page, line: Line, item: object) -> list[Term]:
    number = item.number  # type: ignore[attr-defined]
    place = page.place(line, item.start, item.end)  # type: ignore[attr-defined]
    values = [number.base, *([number.total] if number.total is not None else [])]
    return [Term(place=place, value=item.text, number=value) for value in values]  # type: ignore[attr-defined]


def _written(page: Page, names: PageNames) -> str | None:
    """The page's own date: in front matter, or in a line above the second heading."""
    headings = 0
    for block in page.blocks[:60]:
        if isinstance(block, Table):
            continue
        headings += block.kind == "heading"
        if headings > 1:
            break
        dates = [
            item for item in names.items(block) if item.number is not None and item.number.date
        ]
        for item in dates:
            if item.number is not None and item.number.date[:2] == "20":
                return item.number.date
    return None


def _language(page: Page) -> Language:
    texts = [block.text for block in page.blocks[:400] if isinstance(block, Line)]
    texts += [cell.text for block in page.blocks[:400] if isinstance(block, Table)
              for row in block.rows[:20] for cell in row]  # fmt: skip
    letters = [letter for text in texts for letter in text[:300] if letter.isalpha()]
    hangul = sum("가" <= letter <= "힣" for letter in letters)
    latin = sum(letter.isascii() for letter in letters)
    if hangul * 10 > len(letters):
        return "ko"
    return "en" if latin * 10 >= 8 * len(letters) else "other"


def _unread(page: Page, line: Line, why: Reason) -> Unread:
    place = page.place(line, 0, 1)
    return Unread(line=place.line, text=line.text.strip()[:200], why=why)
