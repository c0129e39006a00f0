"""Verdicts on "these two can be compared": the casebook's comparison decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mobile_vla.casebook.model import CaseView, Comparison, Evidence
from mobile_vla.documents.claims.model import Claim, ClaimVerdict, Judged
from mobile_vla.documents.claims.pairs import arms_of, question_asked
from mobile_vla.documents.wording import verdict_word
from mobile_vla.record.errors import UserError

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
    moved = [reason for reason in found.reasons if reason.startswith("moved as well")]
    reason = "; ".join(moved if found.verdict == "confounded" else found.reasons)
    evidence = next(
        (f.evidence_b or f.evidence_a for f in found.factors if f.name in found.confounds),
        _ended(views, arms),
    )
    return Judged(
        claim=claim,
        verdict=_verdict(claim, found, views, arms),
        reason=reason,
        expected=verdict_word(found.verdict, "en"),
        evidence=evidence,
    )


def _verdict(
    claim: Claim, found: Comparison, views: Mapping[str, CaseView], arms: tuple[str, ...]
) -> ClaimVerdict:
    possible = claim.quantity == "comparison"
    if found.verdict == "valid":
        return "supported" if possible else "contradicted"
    if found.verdict in ("confounded", "not_comparable"):
        return "contradicted" if possible else "supported"
    dead = any(views[arm].state in ("failed", "killed") for arm in arms)
    if dead:
        return "contradicted" if possible else "supported"
    return "unsupported"


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
