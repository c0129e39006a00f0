"""A run folder as one answer: its state, its numbers and its factors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from mobile_vla.evidence.model import RunView
from mobile_vla.evidence.read_run import Facts, read_run
from mobile_vla.evidence.run_factors import read_factors, split_counts
from mobile_vla.evidence.run_state import judge, process_table
from mobile_vla.evidence.timeline import Timeline, timeline
from mobile_vla.evidence.verify_checkpoint import relative
from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.runs.workspace import Workspace

Result = TypeVar("Result", Offline, Rollouts)


def view_run(
    folder: RunFolder, base: Path, now: datetime, *, results: bool = True, with_factors: bool = True
) -> RunView:
    """Read and judge one run. `base`: the workspace. Never fails on what the folder holds.

    `results`: with its evaluation. `with_factors`: with its factors and the hashes of the files
    that they rest on.
    """
    try:
        return _view(folder, base, now, results=results, with_factors=with_factors)
    except Exception as error:  # values that each reader accepts may still not fit together
        return _unreadable_run(folder, base, error)


def _view(
    folder: RunFolder, base: Path, now: datetime, *, results: bool, with_factors: bool
) -> RunView:
    facts = read_run(folder, base, results=results, hashed=with_factors)
    line = timeline(facts.events)
    state = judge(facts, line, process_table(line), now)
    conflicts = list(state.conflicts)
    facts = _without_foreign_results(facts, line, conflicts)
    manifest, report = facts.manifest, facts.load_report
    episodes = manifest.episodes if manifest else []
    losses = [epoch.val_loss for _, epoch in line.epochs if epoch.val_loss is not None]
    return RunView(
        path=facts.name,
        case=facts.case.case if facts.case else _case_of(folder.path, base),
        resolved=facts.case,
        state=state.state,
        why=state.why,
        evidence=state.evidence,
        started=line.started,
        last_sign=line.last[1].time if line.last else None,
        steps=line.steps,
        total_steps=line.total_steps,
        seconds_per_step=line.seconds_per_step(),
        epochs=len(line.epochs) if line.starts else None,
        train=split_counts(manifest, "train") if manifest else None,
        validation=split_counts(manifest, "val") if manifest else None,
        manifest_hash=manifest.hash if manifest else None,
        train_hashes=[e.hash for e in episodes if e.split == "train"],
        trained_parts={part: t.parameters for part, t in report.trainable.items()}
        if report
        else {},
        best_val_loss=min(losses, default=None),
        final_val_loss=losses[-1] if losses else None,
        best=facts.best,
        latest=facts.latest,
        offline=facts.offline,
        rollouts=facts.rollouts,
        conflicts=conflicts,
        validation_hashes=[e.hash for e in episodes if e.split == "val"],
        factors=read_factors(facts, line) if with_factors else {},
        checkpoints=facts.checkpoints,
        chained=facts.chained,
    )


def _unreadable_run(folder: RunFolder, base: Path, error: Exception) -> RunView:
    """The view of a run that cannot be judged."""
    return RunView(
        path=relative(folder.path, base),
        case=_case_of(folder.path, base),
        resolved=None,
        state="unknown",
        why=reason("run.not_judged", cause=reason_of(error)),
        evidence=[],
        started=None,
        last_sign=None,
        steps=None,
        total_steps=None,
        seconds_per_step=None,
        epochs=None,
        train=None,
        validation=None,
        manifest_hash=None,
        train_hashes=[],
        trained_parts={},
        best_val_loss=None,
        final_val_loss=None,
        best=None,
        latest=None,
        offline=None,
        rollouts=None,
        conflicts=[],
    )


def _case_of(folder: Path, base: Path) -> str:
    """The case by where its run lies: `runs/<case>/<run>`, or `runs/<case>` that cannot be read."""
    return folder.name if folder.parent == Workspace(base).runs else folder.parent.name


def _without_foreign_results(facts: Facts, line: Timeline, conflicts: list[Reason]) -> Facts:
    """Results of a checkpoint that this run never wrote are a conflict and speak for nothing."""
    written = {event.blake3 for _, event in line.checkpoints}

    def if_of_this_run(result: Result | None, file: str) -> Result | None:
        if result is None or result.checkpoint_blake3 in written:
            return result
        conflicts.append(reason("run.foreign_result", file=f"{facts.name}/{file}"))
        return None

    return replace(
        facts,
        offline=if_of_this_run(facts.offline, "evaluation/offline.json"),
        rollouts=if_of_this_run(facts.rollouts, "evaluation/rollouts.json"),
    )
