"""Cases without the values of each episode, drive and file: what `status --json` prints first."""

from __future__ import annotations

from msgspec.structs import replace

from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.runs.results import Offline, Scored


def brief_case(case: CaseView) -> CaseView:
    """A case whose `run` holds headline values, and whose `runs` hold their states."""
    return replace(
        case,
        run=brief_run(case.run) if case.run else None,
        runs=[_state_of(run) for run in case.runs],
    )


def brief_run(run: RunView) -> RunView:
    """A run without factors, hashes of episodes, values of each episode, and paths of drives."""
    return replace(
        run,
        train_hashes=[],
        validation_hashes=[],
        factors={},
        offline=_brief_offline(run.offline) if run.offline else None,
        rollouts=run.rollouts.without_paths() if run.rollouts else None,
    )


def _state_of(run: RunView) -> RunView:
    """A run without its results, factors and settings."""
    return replace(brief_run(run), resolved=None, offline=None, rollouts=None, checkpoints=[])


def _brief_offline(offline: Offline) -> Offline:
    return replace(
        offline,
        set=replace(offline.set, episodes=[]),
        policy=_brief_scored(offline.policy),
        baselines=[
            replace(_brief_scored(scored), metrics=scored.metrics[:1])
            for scored in offline.baselines
        ],
        hearing=[],
    )


def _brief_scored(scored: Scored) -> Scored:
    return replace(scored, episodes=[], by_direction={})
