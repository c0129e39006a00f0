"""Which evaluation episodes a run has seen in training, by content, and what to say of them."""

from __future__ import annotations

from collections.abc import Sequence

from mobile_vla.evidence.model import RunView


def leakage(a: Sequence[RunView], b: Sequence[RunView]) -> tuple[frozenset[str], list[str]]:
    """Content hashes of evaluation episodes that a run of either arm trained on, and the reasons.

    What evaluation itself cut (near-duplicates among it) counts for both arms.
    """
    runs = (*a, *b)
    measured = scored(runs)
    cut = {episode for run in runs if run.offline for episode in run.offline.set.leaked}
    trained = {episode for run in runs for episode in run.train_hashes}
    leaked = frozenset(cut | measured & trained)
    near = {episode for run in runs if run.offline for episode in run.offline.set.near}
    reasons = [_left_out(len(leaked), len(measured | cut))] if leaked else []
    if near:
        reasons.append(f"{len(near)} of those left out only show almost the same pictures")
    return leaked, reasons + _validation(a[-1], b[-1]) + _validation(b[-1], a[-1])


def scored(runs: Sequence[RunView]) -> set[str]:
    """Content hashes of the episodes on which any of the runs was evaluated."""
    results = [run.offline.policy for run in runs if run.offline]
    return {score.episode for result in results for score in result.episodes}


def _left_out(count: int, whole: int) -> str:
    return (
        f"{count} of {whole} evaluation episodes are training episodes "
        "of one of them, by content, and are left out"
    )


def _validation(one: RunView, other: RunView) -> list[str]:
    seen = set(one.train_hashes) & set(other.validation_hashes)
    if not seen:
        return []
    return [
        f"{len(seen)} validation episodes of {other.case} are training episodes "
        f"of {one.case}: their validation losses do not compare"
    ]
