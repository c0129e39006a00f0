"""Verdicts on episodes, frames, shares, directions and globs."""

from __future__ import annotations

from fnmatch import fnmatchcase

from mobile_vla.audit.judge.context import Context
from mobile_vla.audit.judge.tolerance import agreement
from mobile_vla.audit.judge.verdict import (
    Judged,
    as_is,
    number_of,
    unsupported,
    verdict_by_fact,
)
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable
from mobile_vla.evidence.setup_facts import DIRECTIONS, glob_direction


def judge_count(claim: Claim, table: FactTable) -> Judged:
    """Episodes or frames, in all, of a split, of a direction."""
    fact = table.get(FactKey(claim.quantity, split=claim.split, group=claim.group))
    if fact is None and claim.group in DIRECTIONS:
        return _without_directions(claim, table)
    if fact is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    answer = agreement(claim, fact)
    if answer == "agrees":
        return verdict_by_fact(claim, "supported", fact, "agrees")
    for split in ("train", "val") if not claim.split else ():
        part = table.get(FactKey(claim.quantity, split=split, group=claim.group))
        if part is not None and agreement(claim, part) == "agrees":
            return verdict_by_fact(
                claim, "ambiguous", fact, "of_one_split", split=split, value=as_is(fact)
            )
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def _without_directions(claim: Claim, table: FactTable) -> Judged:
    """A count by direction, where files count episodes and no directions."""
    total = table.get(FactKey(claim.quantity, split=claim.split))
    if total is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    least = (claim.number or 0.0) - 0.5 * claim.step
    if least > number_of(total) and claim.comparator != "at_most":
        return verdict_by_fact(claim, "contradicted", total, "more_than_all", value=as_is(total))
    glob = _glob(claim, table)
    if glob is not None and glob_side(table, claim.split) is None:
        return verdict_by_fact(
            claim, "unsupported", glob, "glob_takes_all", glob=str(glob.value), value=as_is(total)
        )
    side = table.get(FactKey("direction", split=claim.split or "train"))
    if side is not None and side.value == claim.group:
        if agreement(claim, total) == "agrees":
            return verdict_by_fact(claim, "supported", total, "agrees")
        return verdict_by_fact(claim, "contradicted", total, "differs", value=as_is(total))
    return verdict_by_fact(claim, "unsupported", total, "directions_unknown", value=as_is(total))


def _glob(claim: Claim, table: FactTable) -> Fact | None:
    return table.get(FactKey("glob", split=claim.split or "train"))


def glob_side(table: FactTable, split: str) -> str | None:
    """The direction that the run's episodes go, None where no file gives it."""
    for name in (split, "train", ""):
        fact = table.get(FactKey("direction", split=name))
        if fact is not None:
            return str(fact.value)
    return None


def judge_direction(claim: Claim, table: FactTable, context: Context) -> Judged:
    """ "Right only": by counted directions, else by what the glob selects.

    A glob that selects no direction takes all files there are, which may all be of one direction:
    it excludes "right only" where another run's glob selects left files among them.
    """
    fact = table.get(FactKey("direction", split=claim.split)) or table.get(
        FactKey("direction", split="train")
    )
    word = claim.word or claim.value.lower()
    if fact is not None:
        if fact.value == word:
            return verdict_by_fact(claim, "supported", fact, "agrees")
        return verdict_by_fact(claim, "contradicted", fact, "direction_differs",
                               direction=str(fact.value))  # fmt: skip
    glob = _glob(claim, table)
    if glob is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    total = table.get(FactKey("episodes")) or table.get(FactKey("episodes", split="train"))
    value = as_is(total) if total is not None else "?"
    sides = _sides_within(str(glob.value), context)
    excluded = word in DIRECTIONS and bool(sides - {word})
    return verdict_by_fact(
        claim, "contradicted" if excluded else "unsupported", glob, "glob_takes_all",
        glob=str(glob.value), value=value,
    )  # fmt: skip


def _sides_within(glob: str, context: Context) -> set[str]:
    """Directions that narrower globs of other runs select among the files of this one."""
    sides = set()
    for record in context.records.all():
        for fact in record.speaking.table.of("glob") if record.speaking else ():
            if fnmatchcase(str(fact.value).rpartition("/")[2], glob.rpartition("/")[2]):
                sides.add(glob_direction(str(fact.value)))
    return sides - {""}


def judge_share(claim: Claim, table: FactTable) -> Judged:
    """A share of episodes: of a split among all, or of a direction in a split."""
    keys = [FactKey("share", split=claim.split, group=claim.group)]
    if not claim.split and not claim.group:
        keys.append(FactKey("share", split="train"))
    facts = [fact for key in keys if (fact := table.get(key)) is not None]
    if not facts:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    for fact in facts:
        if agreement(claim, fact) == "agrees":
            return verdict_by_fact(claim, "supported", fact, "agrees")
    share = round(number_of(facts[0]), 6)
    return verdict_by_fact(claim, "contradicted", facts[0], "share_differs", share=share)


def judge_glob(claim: Claim, table: FactTable) -> Judged:
    """A glob as the run's log or configuration gives it."""
    facts = list(table.of("glob", claim.split or None))
    if not facts:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    written = claim.value.strip("`'\" ")
    for fact in facts:
        pattern = str(fact.value)
        if written == pattern or written.rpartition("/")[2] == pattern:
            return verdict_by_fact(claim, "supported", fact, "agrees")
    if any(fnmatchcase(written, str(fact.value)) for fact in facts):
        return verdict_by_fact(claim, "ambiguous", facts[0], "differs", value=as_is(facts[0]))
    return verdict_by_fact(claim, "contradicted", facts[0], "differs", value=as_is(facts[0]))
