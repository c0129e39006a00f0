"""Verdicts on episodes: how many, of which split, in which directions."""

from __future__ import annotations

import re

from mobile_vla.audit.tolerance import ABOUT, agrees
from mobile_vla.evidence.facts import CaseFacts, Fact, RunFacts
from mobile_vla.evidence.model import Evidence
from mobile_vla.old_claims.model import Claim, Judged, english, say

TRAINED_ON = re.compile(r"train(ed|s) (on|with)|로[^.]{0,20}학습(했|하|함)")


def judge_episodes(claim: Claim, facts: CaseFacts) -> Judged:  # noqa: PLR0911 - a verdict a line
    """Counts of episodes, in all or by direction, shares of a split, directions alone."""
    run = facts.speaking
    if run is None:
        return say(
            claim, "unsupported", f"{facts.view.name} has no run ({english(facts.view.why)})"
        )
    if claim.quantity == "share":
        return _share(claim, run)
    known = run.episodes.get(claim.split)
    if known is None:
        return say(claim, "unsupported", f"no file of {run.run.case} tells how many it read")
    if claim.ways:
        return _by_direction(claim, run, *known)
    fact = Fact(known[0], known[1])
    if agrees(claim, fact):
        return say(claim, "supported", "", _count(run, claim.split), evidence=known[1])
    train = run.episodes.get("train")
    if not claim.split and claim.qualifier != "total" and train and agrees(claim, Fact(*train)):
        if TRAINED_ON.search(claim.text):
            return say(claim, "supported", "", _count(run, "train"), evidence=train[1])
        told = "that is the training split alone"
        return say(claim, "ambiguous", told, _count(run, ""), evidence=train[1])
    return say(
        claim, "contradicted", "", _count(run, claim.split), str(known[0]), evidence=known[1]
    )


def _by_direction(claim: Claim, run: RunFacts, total: int, at: Evidence) -> Judged:
    counts = run.counts.get(claim.split)
    shown = _count(run, claim.split)
    if counts is None:
        claimed = sum(claim.parts) or claim.number
        whole = claim.only or len(claim.parts) > 1 or len(claim.ways) > 1
        if claimed is not None and _far(claim, claimed, total, whole=whole):
            return say(claim, "contradicted", "", shown, None, evidence=at)
        told = "the files tell how many, not in which directions"
        return say(claim, "unsupported", told, shown, evidence=at)
    told_ways = counts.by_direction()
    mine = sum(told_ways.get(way, 0) for way in claim.ways)  # type: ignore[call-overload]
    others = set(told_ways) - set(claim.ways)
    trained = run.counts.get("train")
    alone = not claim.only or set(trained.by_direction() if trained else ()) <= set(claim.ways)
    if not claim.split and trained is not None and claim.number is not None and alone:
        of_training = sum(trained.by_direction().get(way, 0) for way in claim.ways)  # type: ignore[call-overload]
        if agrees(claim, Fact(of_training, at)):
            return say(claim, "supported", "", _count(run, "train"), evidence=at)
    if claim.number is not None and not agrees(claim, Fact(mine, at)):
        return say(claim, "contradicted", "", shown, str(mine) if mine else None, evidence=at)
    missing = [way for way in claim.ways if way not in told_ways and claim.number != 0]
    if (claim.only and others) or (missing and (len(claim.ways) > 1 or not mine)):
        return say(claim, "contradicted", "", shown, None, evidence=at)
    return say(claim, "supported", "", shown, evidence=at)


def _far(claim: Claim, claimed: float, total: int, *, whole: bool) -> bool:
    """Whether a count by direction cannot be: more than there are, or not all of them."""
    slack = ABOUT * total if claim.about else 0.0
    return claimed > total + slack or (whole and abs(claimed - total) > slack)


def _share(claim: Claim, run: RunFacts) -> Judged:
    part, whole = run.episodes.get(claim.split), run.episodes.get("")
    if part is None or whole is None or not whole[0]:
        return say(claim, "unsupported", f"no file of {run.run.case} tells its splits")
    share = part[0] / whole[0]
    shown = f"{100 * share:.4g}"
    if agrees(claim, Fact(share, part[1])):
        return say(claim, "supported", "", f"{shown} %", evidence=part[1])
    return say(claim, "contradicted", "", f"{shown} %", shown, evidence=part[1])


def _count(run: RunFacts, split: str) -> str:
    counts, known = run.counts.get(split), run.episodes.get(split)
    if counts is not None:
        return " + ".join(f"{n} {way}" for way, n in counts.by_direction().items()) or "0"
    if known is None:
        return "unknown"
    if not split and "train" in run.episodes and "val" in run.episodes:
        train, val = run.episodes["train"][0], run.episodes["val"][0]
        return f"{known[0]} ({train} train + {val} val)"
    return str(known[0])
