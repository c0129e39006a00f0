"""Runs of scanned folders as cases, beside those of a workspace."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mobile_vla.evidence.model import CaseView, RunView


def joined_cases(cases: Sequence[CaseView], runs: Sequence[RunView]) -> list[CaseView]:
    """Cases of the workspace, then those of scanned runs; a planned case gives way to a run."""
    by_case: dict[str, list[RunView]] = {}
    for run in runs:
        by_case.setdefault(run.case, []).append(run)
    joined = [
        msgspec.structs.replace(case, runs=[*by_case[case.name], *case.runs])
        if case.name in by_case else case
        for case in cases if case.name not in by_case or case.run is not None
    ]  # fmt: skip
    names = {case.name for case in joined}
    scanned = [scanned_case(name, group) for name, group in by_case.items() if name not in names]
    return joined + scanned


def scanned_case(name: str, runs: Sequence[RunView]) -> CaseView:
    """A case of scanned runs: the latest finished one stands for it, else the latest known."""
    finished = [run for run in runs if run.state in ("finished", "unverified")]
    decided = [run for run in runs if run.state != "unknown"]
    run = (finished or decided or list(runs))[-1]
    return CaseView(
        name=name, label=None, role="case", planned=None, after=[], attempts=len(runs),
        runs=list(runs), run=run, state=run.state, why=run.why,
    )  # fmt: skip
