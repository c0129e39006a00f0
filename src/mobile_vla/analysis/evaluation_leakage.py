"""Which evaluation episodes a run has seen in training, by content, and what to say of them."""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.evidence.model import RunView
from mobile_vla.messages.reason import Reason, reason


def leakage(a: Sequence[RunView], b: Sequence[RunView]) -> tuple[frozenset[str], list[Reason]]:
    """Content hashes of evaluation episodes that a run of either arm trained on, and the reasons.

    What evaluation itself cut (near-duplicates among it) counts for both arms.
    """
    runs = (*a, *b)
    measured = scored(runs)
    cut = {episode for run in runs if run.offline for episode in run.offline.set.leaked}
    trained = {episode for run in runs for episode in run.train_hashes}
    leaked = frozenset(cut | measured & trained)
    near = {episode for run in runs if run.offline for episode in run.offline.set.near}
    reasons = []
    if leaked:
        total = len(measured | cut)
        reasons.append(reason("compare.left_out", leaked=len(leaked), total=total))
    if near:
        reasons.append(reason("compare.near_duplicates", count=len(near)))
    return leaked, reasons + _validation(a[-1], b[-1]) + _validation(b[-1], a[-1])


def scored(runs: Sequence[RunView]) -> set[str]:
    """Content hashes of the episodes on which any of the runs was evaluated."""
    results = [run.offline.policy for run in runs if run.offline]
    return {score.episode for result in results for score in result.episodes}


def _validation(run: RunView, other: RunView) -> list[Reason]:
    count = len(set(run.train_hashes) & set(other.validation_hashes))
    if not count:
        return []
    return [reason("compare.validation_leaked", count=count, run=other.case, trained=run.case)]
