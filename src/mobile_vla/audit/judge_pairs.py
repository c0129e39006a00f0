"""Verdicts on "these two can be compared": the casebook's comparison decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mobile_vla.analysis.effects import UNMEASURED
from mobile_vla.analysis.model import Comparison
from mobile_vla.analysis.wording import verdict_word
from mobile_vla.evidence.facts import CaseFacts, Fact, RunFacts
from mobile_vla.evidence.model import CaseView, Evidence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason
from mobile_vla.old_claims.model import Claim, ClaimVerdict, Judged, english
from mobile_vla.old_claims.pairs import arms_of, question_asked

OF_DATA = ("direction_balance", "data_amount", "initial_weights")
"""Factors whose absence from the files a reader must know beside what moved."""
Compare = Callable[[str, str, str | None], Comparison]


def judge_pair(claim: Claim, views: Mapping[str, CaseView], compare: Compare) -> Judged:
    """A claim that a comparison is possible, or is not."""
    arms, question = arms_of(claim.pair), question_asked(claim.pair)
    unknown = [arm for arm in arms if arm not in views]
    if unknown:
        return _by_weights(claim, arms, views)
    try:
        found = compare(arms[0], arms[1], question)
    except UserError as error:
        return Judged(claim=claim, verdict="unsupported", reason=str(error))
    moved = [english(why) for why in found.reasons if why.code == "compare.also_moved"]
    told = {factor.name for factor in found.factors if factor.relation != "unknown"}
    untold = [name for name in OF_DATA if name not in told and name != question]
    if untold and moved:
        moved.append(f"told by no file: {', '.join(untold)}")
    why = "; ".join(moved if found.verdict == "confounded" else map(english, found.reasons))
    evidence = next(
        (f.evidence_b or f.evidence_a for f in found.factors if f.name in found.confounds),
        _ended(views, arms),
    )
    return Judged(
        claim=claim,
        verdict=_verdict(claim, found, views, arms),
        reason=why,
        expected=verdict_word(found.verdict, "en"),
        evidence=evidence,
    )


def judge_better(
    claim: Claim, facts_of: Callable[[str], CaseFacts | None], compare: Compare
) -> Judged:
    """A claim that a run is better than others: their losses must be of one validation set."""
    mine, others = facts_of(claim.pair[0]), [facts_of(name) for name in claim.pair[1:]]
    known = [one for one in others if one is not None and _scored(one)]
    if mine is None or mine.speaking is None or not _scored(mine) or not known:
        return Judged(
            claim=claim, verdict="unsupported", reason="no file scores it and another run"
        )
    held = mine.speaking.episodes.get("val")
    for other in known:
        assert other.speaking is not None
        of_other = other.speaking.episodes.get("val")
        if held and of_other and held[0] != of_other[0]:
            told = (
                f"its loss was measured on another validation set ({held[0]} episodes) than that "
                f"of {other.view.name} ({of_other[0]} episodes), so the two do not compare"
            )
            so = verdict_word("not_comparable", "en")
            return Judged(claim=claim, verdict="contradicted", reason=told, expected=so,
                          evidence=of_other[1])  # fmt: skip
    return _by_loss(claim, mine.speaking, [one.speaking for one in known if one.speaking], compare)


def _by_loss(claim: Claim, mine: RunFacts, others: Sequence[RunFacts], compare: Compare) -> Judged:
    """Validation sets of one size: a lower loss is not yet a better method."""
    for other in others:
        a, b = _loss(mine), _loss(other)
        if a and b and a.number > b.number:
            told = f"its val loss is {a.number:.4g}, that of {other.run.case} {b.number:.4g}"
            return Judged(claim=claim, verdict="contradicted", reason=told,
                          expected=f"{other.run.case} is lower", evidence=b.evidence)  # fmt: skip
    try:
        found = compare(mine.run.case, others[0].run.case, None)
        why = "; ".join(map(english, found.reasons)) or found.verdict.replace("_", " ")
    except UserError as error:
        why = str(error)
    return Judged(claim=claim, verdict="unsupported",
                  reason=f"its val loss is lower; that alone shows nothing: {why}")  # fmt: skip


def _scored(facts: CaseFacts) -> bool:
    return facts.speaking is not None and _loss(facts.speaking) is not None


def _loss(run: RunFacts) -> Fact | None:
    return run.numbers.get(("val_loss", "best", "")) or run.numbers.get(("val_loss", "final", ""))


def _verdict(
    claim: Claim, found: Comparison, views: Mapping[str, CaseView], arms: tuple[str, ...]
) -> ClaimVerdict:
    possible = claim.quantity == "comparison"
    if found.verdict == "valid":
        return "supported" if possible else "contradicted"
    if found.verdict in ("confounded", "not_comparable"):
        return "contradicted" if possible else "supported"
    if any(views[arm].state in ("failed", "killed", "running") for arm in arms):
        return "contradicted" if possible else "supported"
    return "supported" if possible and _unmeasured_alone(found) else "unsupported"


def _unmeasured_alone(found: Comparison) -> bool:
    """Whether nothing else moved between two runs, and all that is missing is to evaluate them."""
    unknown = reason("compare.unknown_factors", factors=["evaluation_set"])
    return bool(found.factors) and all(
        why.code in UNMEASURED or why == unknown for why in found.reasons
    )


def _by_weights(claim: Claim, arms: tuple[str, ...], views: Mapping[str, CaseView]) -> Judged:
    """An arm named by its weights ("RoboVLMs"): impossible where no run from them has finished."""
    for arm in arms:
        if arm in views or "robovlm" not in arm.lower():
            continue
        runs = [
            run for view in views.values() for run in view.runs
            if (known := run.factors.get("initial_weights")) and "robovlm" in known.value.lower()
        ]  # fmt: skip
        begun = [run for run in runs if run.state != "unknown"]
        if begun and not any(run.state == "finished" for run in runs):
            run = begun[-1]
            return Judged(
                claim=claim,
                verdict="supported" if claim.quantity == "no_comparison" else "contradicted",
                reason=f"no run from RoboVLMs weights has finished: {run.case} {run.state}",
                expected="no finished run",
                evidence=run.evidence[0] if run.evidence else None,
            )
    return Judged(
        claim=claim,
        verdict="ambiguous",
        reason="the document does not say which runs it compares",
    )


def _ended(views: Mapping[str, CaseView], arms: tuple[str, ...]) -> Evidence | None:
    for arm in arms:
        run = views[arm].run
        if run is not None and run.evidence and run.state != "finished":
            return run.evidence[0]
    for arm in arms:
        run = views[arm].run
        if run is not None and run.evidence:
            return run.evidence[0]
    return None
