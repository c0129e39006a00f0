"""A document read: its claims, what its names mean, and the lines that were not read."""

from __future__ import annotations

import gc
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import blake3
from msgspec.structs import replace

from mobile_vla.claims.binding import Binder, Bound, KnownRun
from mobile_vla.claims.bindings_comment import aliases_in
from mobile_vla.claims.keys import Draft, Outcome, absence_in, not_read
from mobile_vla.claims.lexicon import LONGEST, Lexicon, standard
from mobile_vla.claims.lines import begins_with_pronoun, comment_name, lead_name, read_line
from mobile_vla.claims.model import Binding, Claim, HowSure, Reading, Term, Unread
from mobile_vla.claims.page_names import BLOCKED, PageNames
from mobile_vla.claims.structure import Line, Page, Section, Table, parse_page
from mobile_vla.claims.table_shapes import shape_of
from mobile_vla.claims.tables import is_worth_telling, read_table
from mobile_vla.messages.reason import Reason, reason

TOP, CELLS = 60, 400
"""Blocks of a page in which its date is looked for, and those by which its language is known."""


def read_document(
    data: bytes, name: str, runs: Sequence[KnownRun] = (), aliases: Mapping[str, str] | None = None,
    lexicon: Lexicon | None = None,
) -> Reading:  # fmt: skip
    """Read the bytes of a page. `aliases`: names that the study or the user binds to runs.

    Raises: UserError for a page that is no UTF-8 text or above 16 MB.
    """
    with _collector_paused():
        return _read(data, name, runs, aliases or {}, lexicon or standard())


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic collector: a page makes many objects and frees none before its end."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(
    data: bytes, name: str, runs: Sequence[KnownRun], aliases: Mapping[str, str], lexicon: Lexicon
) -> Reading:
    page = parse_page(data, name)
    confirmed, faults = aliases_in(page, runs)
    confirmed = {**aliases, **confirmed}
    called = [name for run in runs for name in (run.name, *run.aliases, run.label) if name]
    names = PageNames(page, lexicon, [*confirmed, *called])
    drafts, unread = _read_blocks(page, names)
    written = _written(page, names)
    binder = Binder(runs, confirmed, written)
    bound = _bind(names, drafts, binder)
    claims = [_claim(page, draft, names, bound, binder) for draft in drafts]
    claims = [claim for claim in claims if _stands(data, claim)]
    counts = Counter(
        owner for claim in claims for owner in (claim.owner, claim.other_owner) if owner
    )
    return Reading(
        document=name, blake3=blake3.blake3(data).hexdigest(), language=_language(page),
        written=written, claims=sorted(claims, key=lambda claim: claim.place.start),
        bindings=_bindings(names, bound, counts),
        unread=[*faults, *(_unread(page, line, why) for line, why in unread)],
    )  # fmt: skip


def _read_blocks(page: Page, names: PageNames) -> tuple[list[Draft], list[tuple[Line, Reason]]]:
    shapes = {
        id(block): shape_of(block, names) for block in page.blocks if isinstance(block, Table)
    }
    names.tie_declared()
    absences: dict[int, str | None] = {}
    lines: dict[tuple[object, ...], Outcome] = {}
    drafts: list[Draft] = []
    unread: list[tuple[Line, Reason]] = []
    lead = commented = spoken = None
    for block in page.blocks:
        line = block if isinstance(block, Line) else block.rows[0][0]
        if line.kind == "heading":
            lead = None
        elif line.kind == "text":
            lead = lead_name(line, names) or (lead if ":" in line.text else None)
        owner = _owner(block, line, names, lead)
        if line.kind != "code":
            commented, spoken = None, _spoken_of(line, names, spoken)
            owner = spoken if begins_with_pronoun(line, names) and spoken else owner
        else:
            commented = comment_name(line, names) or commented
            owner = commented or owner
        absence = _absence(block.section, names, absences) if line.kind != "heading" else None
        if absence is None and isinstance(block, Table):
            read, silent = read_table(block, shapes[id(block)], names, owner)
            drafts += read
            unread += silent
            continue
        if absence is not None:
            outcome = not_read(absence, line)
        elif len(line.text) > LONGEST:
            unread.append((line, reason("claim.line_too_long")))
            continue
        else:
            outcome = _read_again(line, names, owner, lines)
        drafts += outcome.drafts
        if outcome.why is not None and not outcome.drafts and is_worth_telling(line, names):
            unread.append((line, outcome.why))
    return drafts, unread


def _read_again(
    line: Line, names: PageNames, owner: str | None, lines: dict[tuple[object, ...], Outcome]
) -> Outcome:
    """What a line states; lines of the same text about the same run are read once."""
    key = line.text, owner, line.kind, line.quoted, line.done
    if key not in lines:
        lines[key] = read_line(line, names, owner)
        return lines[key]
    names.items(line)  # notes where this line writes its names
    drafts = [
        replace(draft, line=line, terms=tuple((line, item) for _, item in draft.terms))
        for draft in lines[key].drafts
    ]
    return Outcome(drafts, lines[key].why)


def _spoken_of(line: Line, names: PageNames, before: str | None) -> str | None:
    """The one run that the text up to a line speaks of, None after a heading or of several."""
    if line.kind not in ("item", "text"):
        return None
    named = {names.head_of(item.key("name") or "") for item in names.items(line)
             if item.kind == "name"}  # fmt: skip
    return before if not named else named.pop() if len(named) == 1 else None


def _absence(section: Section, names: PageNames, absences: dict[int, str | None]) -> str | None:
    """Why nothing under a heading is asserted ("Next steps"); the page's title does not count."""
    if id(section) not in absences:
        above = _absence(section.parent, names, absences) if section.parent else None
        items = names.lex(section.title.text) if section.title and section.level > 1 else []
        named = any(item.kind == "name" for item in items)
        headed = [key for item in items if (key := item.key("sections_not_asserted")) and not named]
        absences[id(section)] = above or (headed[0] if headed else absence_in(items))
    return absences[id(section)]


def _owner(block: Line | Table, line: Line, names: PageNames, lead: str | None) -> str | None:
    """Who a block is about: the item that holds it, the name before it, its section."""
    holder = block.introduced_by if isinstance(block, Table) else block.parent
    while holder is not None:
        if (name := lead_name(holder, names)) is not None:
            return name
        holder = holder.parent
    owner = lead if lead is not None and line.kind != "heading" else names.owner(block.section)
    return None if owner == BLOCKED else owner


def _bind(names: PageNames, drafts: Iterable[Draft], binder: Binder) -> dict[str, Bound]:
    owned: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.owner:
            owned[names.head_of(draft.owner)].append(draft)
    return {
        head: binder.bind(
            members, set().union(*(names.clues[name] for name in members)), owned[head]
        )
        for head, members in names.members().items()
    }


def _bindings(
    names: PageNames, bound: Mapping[str, Bound], claims: Mapping[str, int]
) -> list[Binding]:
    """Each name of a page with what it means, and how many claims hang on it."""
    return [
        Binding(
            name=name, places=list(dict.fromkeys(names.places[name])), run=entry.run,
            sure=entry.sure, why=entry.why, candidates=entry.candidates, claims=claims.get(name, 0),
        )
        for head, members in names.members().items()
        for entry in [bound[head]]
        for name in members
    ]  # fmt: skip


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
        terms=tuple(_terms(page, draft)), whole=draft.whole,
    )  # fmt: skip


def _terms(page: Page, draft: Draft) -> Iterator[Term]:
    for line, item in draft.terms:
        if (number := item.number) is not None:
            place = page.place(line, item.start, item.end)
            for value in (number.base, number.total):
                if value is not None:
                    yield Term(place=place, value=item.text, number=value)


def _stands(data: bytes, claim: Claim) -> bool:
    """Whether the value stands at its place; not so where an entity or an escape is part of it."""
    written = data[claim.place.start : claim.place.end].decode("utf-8", "replace")
    return written == claim.value or unicodedata.normalize("NFC", written) == claim.value


def _written(page: Page, names: PageNames) -> str | None:
    """The page's own date: in front matter, or in a line above the second heading."""
    headings = 0
    for block in page.blocks[:TOP]:
        headings += isinstance(block, Line) and block.kind == "heading"
        if headings > 1:
            break
        for item in names.items(block) if isinstance(block, Line) else ():
            if item.number is not None and item.number.date.startswith("20"):
                return item.number.date
    return None


def _language(page: Page) -> Literal["en", "ko", "other"]:
    texts = [line.text[:300] for block in page.blocks[:CELLS]
             for row in (block.rows[:20] if isinstance(block, Table) else [[block]])
             for line in row]  # fmt: skip
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    if sum("가" <= letter <= "힣" for letter in letters) * 10 > len(letters):
        return "ko"
    latin = sum(letter.isascii() for letter in letters)
    return "en" if latin * 10 >= 8 * len(letters) else "other"


def _unread(page: Page, line: Line, why: Reason) -> Unread:
    return Unread(line=page.place(line, 0, 1).line, text=line.text.strip()[:200], why=why)
