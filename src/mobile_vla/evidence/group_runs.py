"""Runs gathered under their cases: which run speaks, and what is planned, blocked or queued."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import mobile_vla
from mobile_vla.evidence.model import CaseView, RunView, State
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.study.load_study import profile_of, resolve
from mobile_vla.study.models import Case, ResolvedCase, Study

PACKAGE = "package:"


def group_by_case(
    runs: Sequence[RunView], study: Study | None, profile: str | None, study_path: Path
) -> list[CaseView]:
    """The study's cases in its order, then cases that only runs know, by name.

    Runs of another profile are listed with their case and never speak for it.
    """
    ordered = sorted(runs, key=lambda run: (run.case, run.foreign is None, _began(run), run.path))
    by_case: dict[str, list[RunView]] = {}
    for run in ordered:
        by_case.setdefault(run.case, []).append(run)
    views: list[CaseView] = []
    if study is not None and profile is not None:
        profile_of(study, profile, study_path)
        planned_views: dict[str, CaseView] = {}
        for case in _after_their_needs(study):
            case_runs = by_case.pop(case.name, [])
            coming = next_attempts(
                study, case, profile, study_path, len(of_profile(case_runs, profile))
            )
            waits = _before(case, coming, planned_views)
            planned_views[case.name] = _planned_view(case, coming[-1], case_runs, waits)
        views = [planned_views[case.name] for case in study.cases]
    return views + [
        _unplanned_view(name, case_runs, profile) for name, case_runs in sorted(by_case.items())
    ]


def representative_run(runs: Sequence[RunView], profile: str | None) -> RunView | None:
    """The run that speaks for its case: the latest finished, else the latest.

    Runs of our own stand behind scanned ones; of those, one that ended in some way speaks first.
    """
    profile_runs = of_profile(runs, profile)
    finished = [run for run in profile_runs if run.state == "finished"]
    with_outcome = [run for run in profile_runs if run.foreign is None or run.state != "unknown"]
    chosen = finished or with_outcome or profile_runs
    return chosen[-1] if chosen else None


def of_profile(runs: Sequence[RunView], profile: str | None) -> list[RunView]:
    """The runs of one profile; all where None is asked, and runs that tell none."""
    return [
        run
        for run in runs
        if profile is None or run.resolved is None or run.resolved.profile == profile
    ]


def next_attempts(
    study: Study, case: Case, profile: str, path: Path, done: int
) -> list[ResolvedCase]:
    """The attempts that the study still has after `done` runs; the last one where none is left."""
    first = min(done, len(case.attempts) - 1)
    return [resolve(study, case, profile, n, path) for n in range(first, len(case.attempts))]


def missing_weights(case: ResolvedCase) -> Reason | None:
    """The first of a case's weights that lies nowhere, as it is written; None where all exist."""
    for source in (case.vlm, case.init):
        if source is not None and (source.path is None or not _exists(source.path)):
            if source.path is None:
                return reason("case.weights_without_path", name=source.name)
            return reason("case.weights_at", name=source.name, path=source.path)
    return None


def _exists(written: str) -> bool:
    """As training looks for them: with the package, or from the folder the command runs in."""
    if written.startswith(PACKAGE):
        package = Path(mobile_vla.__file__).parent
        return (package / "policy" / "assets" / Path(written.removeprefix(PACKAGE)).name).exists()
    return os.path.exists(written)  # noqa: PTH110  # `Path` raises where it may not look


def _began(run: RunView) -> str:
    return run.started.isoformat() if run.started else Path(run.path).name


def _after_their_needs(study: Study) -> list[Case]:
    """The cases, each behind those it comes after (a study has no cycle)."""
    done: dict[str, Case] = {}
    waiting = list(study.cases)
    while waiting:
        ready = [case for case in waiting if all(name in done for name in case.after)]
        done |= {case.name: case for case in ready or waiting}
        waiting = [case for case in waiting if case.name not in done]
    return list(done.values())


def _planned_view(
    case: Case, planned: ResolvedCase, runs: list[RunView], waits: tuple[State, Reason]
) -> CaseView:
    run = representative_run(runs, planned.profile)
    state, why = (run.state, run.why) if run else waits
    return CaseView(
        name=case.name,
        label=case.label,
        role=case.role,
        planned=planned,
        after=list(case.after),
        attempts=len(case.attempts),
        runs=runs,
        run=run,
        state=state,
        why=why,
        seeds=[attempt.seed for attempt in case.attempts if attempt.seed is not None],
    )


def _before(
    case: Case, coming: Sequence[ResolvedCase], others: Mapping[str, CaseView]
) -> tuple[State, Reason]:
    """Why a case without a run has not started."""
    why = waits_for(case.after, others)
    if why:
        return "blocked", why
    first, *further = [missing_weights(attempt) for attempt in coming]
    if first is None:
        return "planned", reason("case.not_begun")
    last = further[-1] if further else first
    if last is not None and all(further):
        return "blocked", reason("case.weights_missing", weights=last)
    attempts = 1 + len(further)
    return "planned", reason("case.first_attempt_refused", attempts=attempts, weights=first)


def waits_for(after: Sequence[str], others: Mapping[str, CaseView]) -> Reason | None:
    """Which case must finish first, and how that one stands; None where all have."""
    for name in after:
        other = others.get(name)
        if other is None:
            return reason("case.waits_for_no_case", case=name)
        if other.state != "finished":
            return reason("case.waits_for", case=other.label or name, state=other.state)
    return None


def _unplanned_view(name: str, runs: list[RunView], profile: str | None) -> CaseView:
    run = representative_run(runs, profile)
    resolved = next((r.resolved for r in reversed(runs) if r.resolved), None)
    return CaseView(
        name=name,
        label=resolved.label if resolved else None,
        role=resolved.role if resolved else "case",
        planned=None,
        after=[],
        attempts=1,
        runs=runs,
        run=run,
        state=run.state if run else "unknown",
        why=run.why if run else reason("case.other_profile"),
    )
