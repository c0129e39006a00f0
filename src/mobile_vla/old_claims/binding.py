"""Of which run a value of a sentence speaks: by the runs named around it, and those before."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mobile_vla.old_claims.model import Claim
from mobile_vla.old_claims.naming import Mention
from mobile_vla.old_claims.source import Piece
from mobile_vla.old_claims.tokens import Found, small

Case = tuple[str, str | None]
SEVERAL: Case = ("several runs", None)
SETTINGS = frozenset(
    {"lora_r", "lora_alpha", "lora_dropout", "learning_rate", "weight_decay", "accumulate", "batch",
     "window", "chunk", "seed", "epochs", "vlm", "init", "regime"}
)  # fmt: skip
"""What runs that are named together may be said to share."""
JOINED = re.compile(
    r"[\s`*\"]*(?:,|&|\+|/|,?\s*and\b|vs\b\.?|versus\b|와|과|이랑|랑|하고|및)[\s`*\"]*",
    re.IGNORECASE,
)
"""Between runs that are named together."""
WHOSE = re.compile(r"[\s*`)]*(?:[a-z]+ )?(?:for|of|in|with) [\s*`(]*", re.IGNORECASE)
"""Between a value and the run that it is said to be of."""
NEXT = re.compile(
    r"[\s*`]*(?:,\s*and|,|and|와|과|및|/|vs\.?)[\s*`]*(?P<num>\d+(?:\.\d+)?)(?![\d.,e]*\d)"
)
"""Another number of a list."""
EACH = re.compile(r"both\b|each\b|all(?<!\wall)\b|둘 다|셋 다|모두")
TOGETHER = re.compile(r"together|in total|altogether|combined|합쳐|합하|합계|총")
DEICTIC = re.compile(
    r"^\W*(?:\d{1,2}:\d\d\S*\s+\S+\s+)?(?:아\W+)?(?:그리고 |또한? )?"
    r"(?:[이그] ?(?:실험|런|학습|케이스|모델|case|run|것)"
    r"|이건|그건|얘[는가]"
    r"|(?:and |also |but )?(?:its?\b|th(?:is|at) (?:run|case|experiment|training|model)"
    r"|the run\b(?! (?:before|after|of|with|that|which|from|on|in|by)\b)))"
    r"|^\W*\d{1,2}:\d\d\S*\s+\S+\s+(?:\w+ )?(?:그리고 )?(?:final|best|최종|최저|마지막)"
)
"""In small letters: how a sentence begins that goes on about the run named before."""


def says_each(text: str) -> bool:
    """Whether a text says that something holds of each of several runs."""
    return bool(EACH.search(small(text[:40])))


def claim_of(
    piece: Piece, item: Found, case: Case | None, *, span: tuple[int, int], line: int,
    pair: tuple[str, ...], time: str | None,
) -> Claim:  # fmt: skip
    """A value found in a piece, at a span and a line of the file, as a claim of a run."""
    return Claim(
        line=line,
        start=span[0],
        end=span[1],
        quantity=item.quantity,
        value=piece.text[item.start : item.end],
        text=piece.text.strip()[:300],
        case=case[0] if case else None,
        name=case[1] if case else None,
        qualifier=item.qualifier,
        split=item.split,
        number=item.number,
        step=item.step,
        about=item.about,
        ways=item.ways,
        only=item.only,
        parts=item.parts,
        pair=pair,
        time=time,
    )


def goes_on(text: str) -> bool:
    """Whether a sentence goes on about the run that was spoken of before."""
    return bool(DEICTIC.match(small(text[:80])))


def bind(
    text: str,
    found: Sequence[Found],
    mentions: Sequence[Mention],
    case: Case | None,
    *,
    early: bool = False,
) -> list[tuple[Found, Case | None]]:
    """Each value of a text with its run: the last one named before it, else the first after it.

    Of runs named together ("A and B"), values of one kind are theirs in turn where there are as
    many; a word, or what each is said to have, is all of theirs; else it is not told whose. Where
    the text names no run, the values are of `case`; with `early`, those before the first too.
    """
    early = early and case is not None
    if len(mentions) < 2:
        of = mentions[0][2:] if mentions else case
        return [
            (item, case if early and mentions and item.end <= mentions[0][0] else of)
            for item in found
        ]
    bound: list[tuple[Found, Case | None]] = []
    groups = _groups(text, mentions)
    for item in found:
        group = _group_of(text, item, groups)
        if len(group) < 2:
            bound.append((item, group[0] if group else case))
            continue
        alike = [one for one in found if one.quantity == item.quantity
                 and _group_of(text, one, groups) is group]  # fmt: skip
        if len(alike) == 1 and item.number is not None:
            alike = _listed(text, item, len(group))
        if len(alike) == len(group):
            bound.extend((one, group[n]) for n, one in enumerate(alike) if item in (one, alike[0]))
        elif NEXT.match(text, item.end):
            bound.append((item, SEVERAL))
        elif (item.number is None or EACH.search(small(text))) and not TOGETHER.search(small(text)):
            bound.extend((item, one) for one in group)
        else:
            bound.append((item, SEVERAL))
    return bound


def _listed(text: str, first: Found, count: int) -> list[Found]:
    """A value and those listed after it, as many as there are runs; itself where there are not."""
    found = [first]
    while len(found) < count and (match := NEXT.match(text, found[-1].end)):
        digits = match["num"].partition(".")[2]
        found.append(
            msgspec.structs.replace(
                first, start=match.start("num"), end=match.end("num"),
                number=float(match["num"]), step=10.0 ** -len(digits),
            )
        )  # fmt: skip
    return found if len(found) == count and first.step < 1e6 else [first]


def _groups(text: str, mentions: Sequence[Mention]) -> list[tuple[int, int, list[Case]]]:
    """Runs that are named together: first letter, letter after the last, the runs."""
    groups: list[tuple[int, int, list[Case]]] = []
    for start, end, alias, name in mentions:
        case = (alias, name)
        if groups and JOINED.fullmatch(text, groups[-1][1], start):
            before = groups[-1]
            told = before[2] if any((c[1] or c[0]) == (name or alias) for c in before[2]) else [
                *before[2], case]  # fmt: skip
            groups[-1] = (before[0], end, told)
        else:
            groups.append((start, end, [case]))
    return groups


def _group_of(text: str, item: Found, groups: list[tuple[int, int, list[Case]]]) -> list[Case]:
    chosen = groups[0] if groups else (0, 0, [])
    for group in groups:
        if group[0] >= item.end and WHOSE.fullmatch(text, item.end, group[0]):
            return group[2]
        if group[1] <= item.start:
            chosen = group
    return chosen[2]
