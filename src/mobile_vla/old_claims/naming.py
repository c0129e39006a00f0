"""Which run "Case 2" is in this document: by its headings and tables, never by another's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mobile_vla.evidence.importers.name_conflicts import claimed_directions
from mobile_vla.old_claims.source import Document, Piece, Section
from mobile_vla.old_claims.tokens import SHORT, small
from mobile_vla.old_claims.words import NAME, RUN_NAME, WAY, clean, ways_of

CASE = re.compile(
    r"(?<![a-z])(?P<kind>case|케이스|run|experiment|exp\.?|실험|model|모델)\s*#?\s*"
    r"(?P<id>\d{1,3}|(?-i:[A-Z]))(?![A-Za-z0-9]|[\d.]*\d)",
    re.IGNORECASE,
)
KIND = re.compile(r"case|run|exp|model|케이스|실험|모델")
"""In small letters; stands in every alias, and is found sooner."""
KINDS = {"케이스": "Case", "exp": "Experiment", "exp.": "Experiment", "실험": "Experiment",
         "모델": "Model"}  # fmt: skip
SAID = re.compile(
    rf"{CASE.pattern}[*`]*\s*(?:is|=|:|은|는|,|\()\s*[*`(]*(?P<name>{NAME.pattern})", re.IGNORECASE
)
"""Such as "Case 1 is `name`"."""
LETTER = re.compile(
    r"(?<![A-Za-z0-9'])(?P<id>[A-Z])(?=\s+(?:vs|and|is|was|has|used|uses|reached|took)\b|'s\b"
    r"|[은는이가의와과](?![가-힣]))|(?<=vs )(?P<second>[A-Z])(?![A-Za-z0-9])"
)
WITH = re.compile(
    r"than|below|above|unlike|versus|compared|relative|same|identical|against|as (?:in|for|with)"
    r"|differ|apart|except|next to|(?:run|one|case) (?:before|after|preceding)"
)
WITH_BEFORE = re.compile(
    r"(?:\bthan|\bbelow|\babove|\bunlike|\bversus|\bcompared (?:to|with)|\brelative to"
    r"|\bsame(?: \w+)? as|\bidentical to|\bagainst|\bas (?:in|for|with)"
    r"|\bdiffer(?:s|ed)? from|\bdifferent from|\bapart from|\bexcept|\bnext to"
    r"|\b(?:run|one|case) (?:before|after|preceding))"
    r"(?: (?:in|for|with|of|by|the|that|those|one|best|final|lowest|last|validation|val|loss"
    r"|[\d.]+))*"
    r"[\s*`\"(]*$",
    re.IGNORECASE,
)
WITH_AFTER = re.compile(
    r"[\s*`\")]*(?:의 [가-힣a-z ()]{1,16}?)?"
    r"(?:보다|에 비해|에 비하면|대비|[와과](?:는)? (?:달리|다르게|같|동일)|처럼|만큼"
    r"|의 (?:약 |거의 )?\d[\d.]* ?배"
    r"|(?:의? ?바로)? (?:이전|다음|앞|전)(?:의|에 돌린)? (?:런|실험|학습|케이스))",
    re.IGNORECASE,
)
"""Around a run that another is compared with: what is said there is said of the other."""
WHICH = re.compile(r"[\s`*]*,? (?:which|whose|where)\b")
"""After a run of which something is told in passing: that is said of it all the same."""
MOMENT = re.compile(r"(20\d{2}-\d{2}-\d{2})[ T]+(\d{1,2}:\d{2})")

Mention = tuple[int, int, str, str | None]


@dataclass(slots=True)
class Names:
    """Aliases of one document. `clashes`: an alias with a second name, and where that stands.

    `starts`: the run that began at a minute, where one alone did. `torn`: aliases that headings
    and tables give to several runs. `shorts`: beginnings of names that are one run's alone.
    """

    known: Collection[str]
    labels: Mapping[str, str]
    starts: Mapping[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    clashes: list[tuple[str, str, Piece]] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)
    shorts: dict[str, str] = field(default_factory=dict)
    cached: dict[str, list[Mention]] = field(default_factory=dict)

    def mentions(self, text: str) -> list[Mention]:
        """Every case in a text: start, end, as written, and its training name where it is told."""
        if (found := self.cached.get(text)) is None:
            found = sorted(self._mentions(text), key=lambda mention: mention[0])
            if len(self.cached) > 60_000:
                self.cached.clear()
            self.cached[text] = found
        return found

    def only(self, text: str) -> tuple[str, str | None] | None:
        """The one case that a text names, None where it names none or several."""
        return one_case(self.mentions(text))

    def subjects(self, text: str) -> list[Mention]:
        """The cases of which a text speaks, without those that it only compares them with."""
        if not (found := self.mentions(text)):
            return found
        return [
            mention
            for mention in found
            if WHICH.match(text, mention[1])
            or not (_compared_before(text, mention[0]) or WITH_AFTER.match(text, mention[1]))
        ]

    def _mentions(self, text: str) -> Iterator[Mention]:
        found = aliases_in(text)
        for start, end, alias in found:
            if alias in self.torn:
                runs = _runs_in(self, text)
                alone = len(found) == len(runs) == 1
                yield start, end, alias, runs.pop() if alone else None
            elif alias in self.aliases or alias.startswith("Case "):
                yield start, end, alias, self.aliases.get(alias)
        for match in LETTER.finditer(text) if self.letters else ():
            letter = match["id"] or match["second"]
            if letter in self.letters:
                yield match.start(), match.start() + 1, letter, self.aliases.get(letter)
        if "_" in text or any(label in text for label in self.labels):
            yield from self._names(text)

    def _names(self, text: str) -> Iterator[Mention]:
        for label, name in self.labels.items():
            place = text.find(label)
            if place >= 0:
                yield place, place + len(label), label, name
        for match in NAME.finditer(text):
            if run := run_name(match[0], self.known):
                start = match.start() + match[0].index(run)
                yield start, start + len(run), run, run
            elif whole := self.shorts.get(short := match[0].rstrip(".-_+")):
                yield match.start(), match.start() + len(short), short, whole

    def of_section(self, section: Section | None) -> tuple[str, str | None] | None:
        """The one case that a heading above names, or the run that began when it says."""
        while section is not None:
            if section.title and self.mentions(section.title):
                return self.only(section.title)
            moment = MOMENT.search(section.title) if self.starts else None
            if moment and (name := self.starts.get(f"{moment[1]} {moment[2]:0>5}")):
                return moment[0], name
            section = section.parent
        return None


def one_case(found: list[Mention]) -> tuple[str, str | None] | None:
    """The case that all mentions are of, None where they are of several or of none."""
    if len({name or alias for _, _, alias, name in found}) != 1:
        return None
    return found[0][2], next((name for _, _, _, name in found if name), None)


def _compared_before(text: str, place: int) -> bool:
    """Whether what stands before a place says that the run there is only compared with."""
    before = text[max(0, place - 60) : place]
    return bool(WITH.search(small(before)) and WITH_BEFORE.search(before))


def aliases_in(text: str) -> tuple[tuple[int, int, str], ...]:
    """ "Case 2", "실험 A": start, end, and the alias in one spelling; short texts once."""
    return (_remembered if len(text) <= SHORT else _aliases)(text)


def _aliases(text: str) -> tuple[tuple[int, int, str], ...]:
    if not KIND.search(small(text)):
        return ()
    return tuple((match.start(), match.end(), _alias(match)) for match in CASE.finditer(text))


_remembered = lru_cache(maxsize=16384)(_aliases)


def _alias(match: re.Match[str]) -> str:
    kind = match["kind"].lower()
    number = str(int(match["id"])) if match["id"].isdigit() else match["id"]
    return f"{KINDS.get(kind, kind.title())} {number}"


def read_names(
    document: Document,
    known: Collection[str],
    labels: Mapping[str, str],
    starts: Mapping[str, str] | None = None,
) -> Names:
    """The document's own aliases: headings first, then tables, then lines that tie the two.

    Where it numbers no run itself, "Case 1" is the study's.
    """
    named = {label: name for label, name in labels.items() if not CASE.fullmatch(label)}
    names = Names(known, named, starts or {}, shorts=_shorts(known))
    for piece in document.pieces:
        if piece.kind == "heading":
            _tie(names, piece.text, piece)
    rows = list(_rows(document))
    for text, head, row in rows:
        _tie(names, text, row[0])
        _tie_letter(names, head, row)
    for piece in document.pieces:
        if piece.kind not in ("heading", "cell"):
            _tie(names, piece.text, piece, weak=True)
            _tie_section(names, piece)
    for text, _, _ in rows:
        _tie_by_date(names, text)
    if not any(CASE.fullmatch(alias) for alias in names.aliases):
        _tie_by_study(names, labels)
    names.torn = {alias for alias, _, _ in names.clashes}
    names.cached.clear()
    return names


def _tie_by_study(names: Names, labels: Mapping[str, str]) -> None:
    for label, name in labels.items():
        if CASE.fullmatch(label):
            names.aliases[aliases_in(label)[0][2]] = name


def _shorts(known: Collection[str]) -> dict[str, str]:
    """ "sim_left" of "sim_left_20261001": beginnings, two words or longer, of one name alone."""
    found: dict[str, str | None] = {}
    for name in known:
        words = name.split("_")
        for count in range(2, len(words)):
            short = "_".join(words[:count])
            found[short] = None if short in found else name
    return {short: name for short, name in found.items() if name and short not in known}


def _rows(document: Document) -> Iterator[tuple[str, list[str], list[Piece]]]:
    """The rows of all tables, each with its text and heads.

    A column that calls some runs by number does not tell which number another's name has.
    """
    for rows in document.tables:
        head = [clean(cell.text).lower() for cell in rows[0]] if rows else []
        cells = [[_numbered(head, n, cell.text) for n, cell in enumerate(row)] for row in rows[1:]]
        mixed = {n for texts in cells for n, text in enumerate(texts)
                 if "_" not in text and aliases_in(text)}  # fmt: skip
        for row, texts in zip(rows[1:], cells, strict=True):
            if row:
                told = [text for n, text in enumerate(texts)
                        if n not in mixed or aliases_in(text)]  # fmt: skip
                yield " | ".join(told), head, row


def _numbered(head: list[str], place: int, text: str) -> str:
    """A cell's text, "Case 3" where it is a bare number that says so."""
    return (case_number(head[place], text) if place < len(head) else None) or text


def run_name(token: str, known: Collection[str]) -> str | None:
    """A training name in a token: one that evidence knows, or one dated as the lab dates them."""
    if token in known:
        return token
    if "_" not in token and "-" not in token and "." not in token:
        return None
    token = token.rstrip(".-_+")
    log = token.endswith((".txt", ".log"))
    for ending in (".json", ".yaml", ".txt", ".log"):
        token = token.removesuffix(ending)
    if token in known:
        return token
    match = None if log else RUN_NAME.fullmatch(token)  # a log has a name of its own
    return match[0] if match and not token.lower().startswith("episode") else None


def case_number(head: str, cell: str) -> str | None:
    """ "Case 3" of a cell that holds a bare number under a head that speaks of cases."""
    text = clean(cell)
    if ("case" in head or "케이스" in head or head == "#") and text.isdigit() and len(text) < 4:
        return f"Case {int(text)}"
    return None


def _runs_in(names: Names, text: str) -> set[str]:
    if "_" not in text:
        return set()
    return {name for match in NAME.finditer(text) if (name := run_name(match[0], names.known))}


def _tie(names: Names, text: str, piece: Piece, *, weak: bool = False) -> None:
    aliases = {alias for _, _, alias in aliases_in(text)}
    if not aliases:
        return
    for match in SAID.finditer(text):
        if name := run_name(match["name"], names.known):
            names.aliases.setdefault(aliases_in(match[0])[0][2], name)
    found = _runs_in(names, text)
    if len(aliases) != 1 or len(found) != 1:
        return
    (alias,), (name,) = aliases, found
    before = names.aliases.setdefault(alias, name)
    if before != name and not weak:
        names.clashes.append((alias, name, piece))


def _tie_letter(names: Names, head: list[str], row: list[Piece]) -> None:
    """A row "A | name" of a table whose first column numbers the runs by letter."""
    letter = clean(row[0].text)
    if not (head and head[0] in ("id", "#", "no", "run", "case", "번호", "기호", "구분")):
        return
    found = {name for cell in row[1:] for name in _runs_in(names, cell.text)}
    if len(letter) == 1 and "A" <= letter <= "Z" and len(found) == 1:
        name = found.pop()
        names.letters.add(letter)
        for alias in (letter, *(f"{k} {letter}" for k in ("Case", "Run", "Experiment", "Model"))):
            names.aliases.setdefault(alias, name)


def _tie_by_date(names: Names, text: str) -> None:
    """A case that the document never names: the one run whose name bears its date and directions.

    Nothing is tied where two runs could be meant.
    """
    alias = next((alias for _, _, alias in aliases_in(text)), None)
    date = re.search(r"(20\d{2})-(\d{2})-(\d{2})", text)
    if alias is None or date is None or alias in names.aliases:
        return
    ways = {way for word in re.finditer(WAY, text, re.IGNORECASE) for way in ways_of(word[0])}
    taken = set(names.aliases.values())
    dated = [name for name in names.known if "".join(date.groups()) in name and name not in taken]
    exact = [name for name in dated if ways and claimed_directions(name) == ways]
    loose = [name for name in dated if not claimed_directions(name)]
    found = exact or loose
    if len(found) == 1:
        names.aliases[alias] = found[0]


def _tie_section(names: Names, piece: Piece) -> None:
    """A line below the heading "Case 2" that names its run: `Config: …`, `실험명: …`."""
    if not piece.section.title or "_" not in piece.text:
        return
    aliases = {alias for _, _, alias in aliases_in(piece.section.title)}
    found = _runs_in(names, piece.text) if len(aliases) == 1 else set()
    if len(found) == 1:
        names.aliases.setdefault(aliases.pop(), found.pop())
