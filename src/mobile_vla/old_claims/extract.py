"""Claims of a document: what `scan` finds, bound to a case by row, column, sentence or heading."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from mobile_vla.old_claims.binding import (
    SETTINGS,
    SEVERAL,
    bind,
    claim_of,
    goes_on,
    says_each,
)
from mobile_vla.old_claims.changes import OTHERS, SELF, THAN, changes
from mobile_vla.old_claims.coverage import coverage
from mobile_vla.old_claims.fates import state_of
from mobile_vla.old_claims.model import Claim, Unread
from mobile_vla.old_claims.naming import Names, one_case, read_names
from mobile_vla.old_claims.pairs import (
    AGAINST,
    Asked,
    answered,
    answers,
    asked,
    better_claims,
    heading_pair,
    is_answerer,
    line_pairs,
    pair_claims,
)
from mobile_vla.old_claims.parts import Part, parts_of
from mobile_vla.old_claims.scan import has_number, scan
from mobile_vla.old_claims.source import Document, Piece, Section
from mobile_vla.old_claims.surroundings import Surroundings
from mobile_vla.old_claims.tables import Tables
from mobile_vla.old_claims.texts import (
    Look,
    epoch_of_file,
    keyed_by,
    look_at,
    masked,
    of_another,
    of_run,
    sentences,
    states_case,
    unsaid,
)
from mobile_vla.old_claims.tokens import Found, small
from mobile_vla.old_claims.whole import ways_alone, whole_values
from mobile_vla.old_claims.words import (
    LOSSES,
    Key,
)

Case = tuple[str, str | None]
QUALIFIED = LOSSES | {"any_steps", "params"}
"""Quantities of which a key says which value it holds."""


def read_claims(
    document: Document,
    known: Collection[str],
    labels: Mapping[str, str],
    starts: Mapping[str, str] | None = None,
) -> tuple[list[Claim], list[Unread]]:
    """The claims of a document in its order, and the lines with numbers that gave none.

    `known`: training names that evidence knows. `labels`: further names of theirs. `starts`: the
    run that began at a minute ("2025-12-03 22:56"), where it is one alone.
    """
    names = read_names(document, known, labels, starts)
    (whole,) = parts_of(document, 1)
    claims, unread = read_part(document, names, whole)
    claims.sort(key=lambda claim: (claim.start, claim.end))
    return claims, coverage(document, names, claims, unread)


def read_part(document: Document, names: Names, part: Part) -> tuple[list[Claim], list[Unread]]:
    """The claims of a part, and the lines with numbers that gave none. `names`: the whole's."""
    reader = _Reader(document, names)
    reader.read(part)
    return reader.claims, reader.unread


class _Reader:
    def __init__(self, document: Document, names: Names) -> None:
        self.document, self.names = document, names
        self.claims: list[Claim] = []
        self.unread: list[Unread] = []
        self.around = Surroundings(document, names)
        self.tables = Tables(document, names)
        self.pairs: dict[int, bool] = {}
        self.blocks: dict[int, dict[str, Case]] = {}  # the last named of each at its end
        self.runs: list[str] | None = None
        self.asked: Asked | None = None
        self.group: list[Case] = []
        self.against: set[int] = set()
        self.last: tuple[Section | None, Case | None] = (None, None)

    def read(self, part: Part) -> None:
        """Every piece in turn; then what headings and tables disagree on."""
        for place in part.pieces:
            piece = self.document.pieces[place]
            look = look_at(piece.text)
            if (
                (look.read or self.asked)
                and piece.kind != "front"
                and not self.around.quotes(piece)
            ):
                self._piece(piece, look)
            else:
                self._unread(piece)
            if piece.cut:
                self._unread(piece)
        for table in part.tables:
            self._is_pairs(table)
        for alias, name, piece in () if part.pieces.start else self.names.clashes:
            self._add([(piece, Found(0, len(piece.text), "name"), (alias, name), ())])

    def _piece(self, piece: Piece, look: Look) -> None:
        if piece.kind == "heading":
            self.asked, self.group = None, []
            self._heading(piece)
        elif self.around.guess(piece.section) or (look.guess and piece.kind == "cell"):
            self._unread(piece)
        elif piece.kind == "cell":
            self._cell(piece)
        else:
            self.around.hears(piece)
            self._line(piece, look)

    def _heading(self, piece: Piece) -> None:
        mentions = self.names.mentions(piece.text)
        cases = {name or alias for _, _, alias, name in mentions}
        pair = heading_pair(piece, self.names)
        if pair:
            self._add(pair)
        elif len(cases) == 1 and state_of(piece.text):
            seen = scan(masked(piece.text, mentions), Key("status", "", ""), cased=True)
            self._bind(piece, seen.found, None)

    def _cell(self, piece: Piece) -> None:
        if piece.row < 0 or self._is_pairs(piece.table):
            return
        key, column_case = self.tables.key(piece)
        own = self.tables.case(piece)
        if key is None and own and self.tables.remark(piece):
            self._remark(piece, own)
            return
        case = column_case or own
        if case is None and not self.tables.by_run(piece.table):
            case = self.tables.introduced(piece.table) or self.around.case(piece.section)
        elif case is None:
            key = None  # a row of something else than a run
        if key is None:
            if not self.names.mentions(piece.text) and piece.column > 0:
                self._unread(piece)
            return
        if key.quantity in LOSSES and not key.qualifier:
            row = self.document.tables[piece.table][piece.row + 1]
            key = msgspec.structs.replace(key, qualifier=epoch_of_file(row))
        if key.quantity == "status" and own:
            self._add(better_claims(piece, own, self._named()))
        self._read(piece, (0, piece.text), key, case)

    def _remark(self, piece: Piece, own: Case) -> None:
        """What a remark says of its row's run: why it failed, else what a sentence would say."""
        state = self.tables.state(piece)
        if self.names.mentions(piece.text):
            self._unread(piece)
        elif state is not None and state_of(state) in ("failed", "killed"):
            self._read(piece, (0, piece.text), Key("reason", "", ""), own)
        else:
            bare = state is None and len(piece.text) < 40
            seen = scan(piece.text, None, cased=bare)
            self._bind(piece, ways_alone(piece.text, only=False) or seen.found, own)
            if seen.unread:
                self._unread(piece)

    def _line(self, piece: Piece, look: Look) -> None:
        section = self.around.case(piece.section)
        goes = goes_on(piece.text)
        context = self._context(piece, goes=goes)
        told = context or (section if goes else None)
        spoken = self.blocks.setdefault(piece.block, {})
        for _, _, alias, name in self.names.subjects(piece.text):
            spoken.pop(name or alias, None)
            spoken[name or alias] = (alias, name)
        around = context or section
        done = self._compared(piece, around, guess=look.guess) if look.compares else set()
        if look.compares and AGAINST.search(small(piece.text)):
            self.against.add(piece.block)
        if look.ratio:
            self._changes(piece, around, guess=look.guess)
        for start, text in sentences(piece.text):
            if text.rstrip("*_ ").endswith("?"):
                self.asked = asked(piece, text, self.names)
                self._unread(piece)  # what is asked is no claim
            elif look.guess and unsaid(small(text)):
                self._unread(piece)  # nor is what is expected, or quoted to deny it
            elif start not in done:
                self._sentence(piece, (start, text), told, context or section)
            if named := self.names.subjects(text) if spoken else []:
                told = one_case(named) or (named[-1][2], None)
        if told is not None:
            self.last = (piece.section, told)

    def _sentence(
        self, piece: Piece, place: tuple[int, str], told: Case | None, around: Case | None
    ) -> None:
        """A sentence, or a key with what stands after it. `told`: the run spoken of before it."""
        start, text = place
        if is_answerer(text):
            return  # "A.": the answer follows
        question, self.asked = self.asked, None
        if question and piece.block - question.block in (0, 1):
            if found := answered(piece, place, question):
                self._add(found)
                return
            told = told or question.of
            if question.key and self._answer(piece, place, question.key, told or around):
                self.asked = question
                return
        if keyed := keyed_by(text, self.names):
            key, value, of = keyed
            around = of or told or around
            if key.quantity != "date" or around:
                self._read(piece, (start + value.start("value"), value["value"]), key, around)
            return
        if told is None and (of_run(text) or (start and goes_on(text))):
            told = around
        self._read(piece, place, None, told or around, told=told)

    def _answer(self, piece: Piece, place: tuple[int, str], key: Key, case: Case | None) -> bool:
        """Read a sentence as the value asked for, where it is little else; whether it is."""
        text = masked(place[1], self.names.mentions(place[1]))
        if not answers(small(text), key):
            return False
        self._read(piece, place, key, case)
        return True

    def _compared(self, piece: Piece, case: Case | None, *, guess: bool) -> set[int]:
        """Add what a line says of two runs' comparison; where its sentences start that say that."""
        places = [
            (start, text)
            for start, text in sentences(piece.text)
            if not text.rstrip("*_ ").endswith("?") and not (guess and unsaid(small(text)))
        ]
        found = [bound for place in places for bound in line_pairs(piece, self.names, place)]
        whole = [] if found or "?" in piece.text else [(0, piece.text)]
        found += [bound for place in whole for bound in line_pairs(piece, self.names, place)]
        self._add(found)
        for start, text in places:
            part = piece.part(start, text) if len(text) < len(piece.text) else piece
            self._add(better_claims(part, case, self._named(), self.names))
        return {
            start
            for start, text in places
            if any(start <= item.start < start + len(text) for _, item, _, _ in found)
        }

    def _context(self, piece: Piece, *, goes: bool) -> Case | None:
        """The one case named earlier in the paragraph, else in the list item around it.

        Else the one that was spoken of last, where the line goes on about that.
        """
        if goes and self.last[0] is piece.section and self.last[1] is not None:
            return self.last[1]
        self.group = []
        block = piece.block
        while block >= 0:
            told = self.blocks.get(block, {})
            if piece.kind == "code" and told and block == piece.block:
                return next(reversed(told.values()))
            if told:
                shares = block != piece.block or says_each(piece.text)
                self.group = list(told.values()) if shares and block not in self.against else []
                return next(iter(told.values())) if len(told) == 1 else SEVERAL
            block = self.document.above[block]
        if says_each(piece.text):
            found = self.names.mentions(piece.section.title)
            self.group = list(dict.fromkeys((alias, name) for _, _, alias, name in found))
        return SEVERAL if len(self.group) > 1 else None

    def _named(self) -> list[str]:
        """Every run of the evidence that the document names."""
        if self.runs is None:
            told = (self.names.mentions(piece.text) for piece in self.document.pieces)
            found = dict.fromkeys(name for mentions in told for _, _, _, name in mentions if name)
            self.runs = [name for name in found if name in self.names.known]
        return self.runs

    def _read(
        self, piece: Piece, place: tuple[int, str], key: Key | None, case: Case | None, *,
        told: Case | None = None,
    ) -> None:  # fmt: skip
        """Scan the text at a place of its piece and bind what is found.

        `told`: the case that what stands before speaks of, where the text names none.
        """
        offset, text = place
        if key is None and look_at(piece.text).elsewhere and of_another(text):
            self._unread(piece)
            return
        mentions = self.names.mentions(text)
        alone = whole_values(text, key) if key else []
        cases = {name or alias for _, _, alias, name in mentions}
        firmly = len(cases) == 1 or (not cases and told is not None and told[1] is not None)
        plain = key is None and firmly and piece.kind != "code"
        seen = scan(masked(text, mentions), key, cased=plain and states_case(text, mentions))
        every = key is not None and key.quantity in ("episodes", "ways") and not key.ways
        as_they_are = not offset and not alone and not every and not (key and key.qualifier)
        shifted = (
            seen.found
            if as_they_are
            else [
                msgspec.structs.replace(
                    item,
                    start=item.start + offset,
                    end=item.end + offset,
                    only=item.only or (every and bool(item.ways) and not item.parts),
                    qualifier=item.qualifier
                    or (key.qualifier if key and item.quantity in QUALIFIED else ""),
                )
                for item in (*alone, *seen.found)
                if item in alone or not alone or item.quantity != "ways"
            ]
        )
        self._bind(piece, shifted, case, place)
        if seen.unread and not alone:
            self._unread(piece)

    def _bind(
        self, piece: Piece, found: Sequence[Found], case: Case | None,
        place: tuple[int, str] | None = None,
    ) -> None:  # fmt: skip
        """Add values with the runs named around them in the sentence at a place, else `case`."""
        if not found:
            return
        offset, text = place or (0, piece.text)
        subjects = [
            (offset + start, offset + end, alias, name)
            for start, end, alias, name in self.names.subjects(text)
        ]
        early = bool(subjects) and goes_on(text)
        told = bind(piece.text, found, subjects, case, early=early)
        self._add([(piece, item, of, ()) for item, of in told])

    def _changes(self, piece: Piece, case: Case | None, *, guess: bool) -> None:
        """What a line says of how far two runs, or one run's losses, lie apart."""
        told: Case | None = None
        for start, text in sentences(piece.text):
            named = list(dict.fromkeys((a, n) for _, _, a, n in self.names.mentions(text)))
            if guess and unsaid(small(text)):
                continue
            subject = named[0] if named else told or case
            around = told or case
            if len(named) == 1 and around and around not in named and THAN.search(small(text)):
                named = [around, *named]
            pair = tuple(name or alias for alias, name in named) if len(named) == 2 else ()
            other = not pair and OTHERS.search(small(text)) and not SELF.search(small(text))
            if len(named) <= 2 and subject is not None and not other:
                for found in changes(small(text), pair=bool(pair)):
                    placed = msgspec.structs.replace(
                        found, start=found.start + start, end=found.end + start
                    )
                    self._add([(piece, placed, named[0] if named else subject, pair)])
            told = named[0] if len(named) == 1 else told

    def _add(self, found: list[tuple[Piece, Found, Case | None, tuple[str, ...]]]) -> None:
        for piece, item, case, pair in found:
            if item.quantity == "ways" and case is None:
                continue  # of the data in general, not of a run's
            span = piece.span(item.start, item.end)
            line = self.document.line_of(span[0])
            value = piece.text[item.start : item.end]
            runs = item.quantity == "status" and state_of(value) == "running"
            time = self.around.time(piece) if runs else None
            shared = self.group if case is SEVERAL and item.quantity in SETTINGS else [case]
            for of in shared or [case]:
                self.claims.append(
                    claim_of(piece, item, of, span=span, line=line, pair=pair, time=time)
                )

    def _unread(self, piece: Piece) -> None:
        if has_number(piece.text):
            line = self.document.line_of(piece.start)
            self.unread.append(Unread(line=line, text=piece.text.strip()[:200]))

    def _is_pairs(self, table: int) -> bool:
        """Whether a table says of pairs of runs whether they can be compared."""
        if table not in self.pairs:
            rows = self.document.tables[table]
            found = pair_claims(rows, self.names)
            self._add(found)
            self.pairs[table] = bool(found) or any("비교 대상" in cell.text for cell in rows[0])
        return self.pairs[table]
