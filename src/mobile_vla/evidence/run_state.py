"""The state of one run: a pure function of what was read, the process table and the clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mobile_vla.evidence.model import Evidence, State
from mobile_vla.evidence.read_run import Facts
from mobile_vla.evidence.timeline import Timeline
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.events import Exit
from mobile_vla.runs.process import Process, is_alive, is_stopped

STALL_SECONDS = 60.0
STALL_FACTOR = 5.0
LOSS_TOLERANCE = 1e-4
"""Relative; `metrics.csv` keeps six digits."""

PASSING = frozenset({"run.in_future", "run.two_processes", "run.process_after_exit"})
"""Conflicts that may pass without any file changing."""


@dataclass(frozen=True, slots=True)
class Life:
    """`alive`: None where it cannot be known from this machine."""

    alive: bool | None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state, why, the evidence that it rests on, and what contradicts what."""

    state: State
    why: Reason
    evidence: list[Evidence] = field(default_factory=list)
    conflicts: list[Reason] = field(default_factory=list)


def process_table(line: Timeline) -> dict[Process, Life]:
    """Whether each process that began the run lives now, by pid, boot and start time together."""
    table = {}
    for _, start in line.starts:
        alive = is_alive(start.process)
        table[start.process] = Life(alive, bool(alive) and is_stopped(start.process.pid))
    return table


def judge(facts: Facts, line: Timeline, lives: Mapping[Process, Life], now: datetime) -> Judgement:
    """The state of a run. Conflicts are added to the unreadable files, never resolved."""
    judgement = _unless_broken(_state(facts, line, lives, now), facts, line)
    conflicts = [*facts.problems, *judgement.conflicts, *_clock(line, now), *_doubles(line, lives)]
    conflicts += _checkpoint_conflicts(facts, line) + _loss_conflicts(facts, line)
    return Judgement(
        judgement.state, judgement.why, judgement.evidence, list(dict.fromkeys(conflicts))
    )


def _unless_broken(judgement: Judgement, facts: Facts, line: Timeline) -> Judgement:
    """A run whose files differ from what its events recorded of them is in no other state."""
    conflicts = [*judgement.conflicts, *facts.breaks]
    if not facts.breaks or not line.starts:
        return replace(judgement, conflicts=conflicts)
    first = facts.breaks[0]
    why = reason("run.finished_but", cause=first) if judgement.state == "finished" else first
    return Judgement("unverified", why, [facts.at("events.jsonl"), *judgement.evidence], conflicts)


def _state(facts: Facts, line: Timeline, lives: Mapping[Process, Life], now: datetime) -> Judgement:
    if not line.starts:
        return _not_begun(facts, line)
    processes = [lives.get(start.process, Life(None)) for _, start in line.starts]
    living = [life for life in processes if life.alive]
    if line.exit is not None and not _another(line, lives):
        number, event = line.exit
        evidence = [facts.at("events.jsonl", f"line {number}")]
        return _left(facts, line, event, evidence)
    if living:
        return _living(facts, line, all(life.stopped for life in living), now)
    return _gone(facts, line) if processes[-1].alive is False else _elsewhere(facts, line)


def _another(line: Timeline, lives: Mapping[Process, Life]) -> int | None:
    """The pid of a living process that is not the one that left, None where there is none."""
    assert line.exit is not None
    number, left = line.exit
    later = line.segment[-1][0] > number
    living = [process.pid for process, life in lives.items() if life.alive]
    return next((p for p in living if later or (left.pid is not None and p != left.pid)), None)


def _not_begun(facts: Facts, line: Timeline) -> Judgement:
    events = f"{facts.name}/events.jsonl"
    if line.events or any(problem.fields.get("file") == events for problem in facts.problems):
        return Judgement("unknown", reason("run.events_unreadable"), [facts.at("events.jsonl")])
    if facts.console is not None:
        why = reason("run.stopped_before_first_event", exception=facts.console.text)
        return Judgement("failed", why, [facts.console.evidence])
    if facts.case is None:
        return Judgement("unknown", reason("run.folder_without_case"))
    return Judgement("queued", reason("run.prepared"), [facts.at("case.yaml")])


def _left(facts: Facts, line: Timeline, event: Exit, evidence: list[Evidence]) -> Judgement:
    """The process wrote how it ended."""
    if event.outcome == "finished":
        return _finished(facts, line, evidence)
    if event.outcome == "refused":
        return Judgement("failed", reason("run.refused", cause=event.reason), evidence)
    at = _progress(line)
    if event.outcome == "interrupted":
        why = reason("run.interrupted", progress=at, cause=event.reason)
        return Judgement("killed", why, evidence)
    if event.outcome == "nan":
        why = reason("run.stopped_on_nan", progress=at, cause=event.reason)
    else:
        why = reason("run.failed", progress=at, cause=_exception_text(event))
    return Judgement("failed", why, evidence)


def _finished(facts: Facts, line: Timeline, evidence: list[Evidence]) -> Judgement:
    """Its exit event says that it finished: do its steps, checkpoints and losses agree?"""
    if not (line.steps or line.epochs or line.checkpoints):
        return Judgement("queued", reason("run.preflight_only"), evidence)
    loads = [view for view in facts.checkpoints if view.problem is None]
    conflicts = _missing_files(facts)
    if line.total_steps is not None and line.steps is not None and line.steps < line.total_steps:
        why = reason("run.steps_missing", progress=_progress(line))
        return Judgement("unverified", why, evidence, [*conflicts, why])
    if not loads:
        why = reason("run.finished_but", cause=_why_none_loads(facts))
        of_checkpoints = [view.evidence for view in facts.checkpoints]
        return Judgement("unverified", why, [*evidence, *of_checkpoints], conflicts)
    wrong = _loss_conflicts(facts, line)
    if wrong:
        why = reason("run.finished_but", cause=wrong[0])
        return Judgement("unverified", why, evidence, conflicts)
    view = facts.best if facts.best in loads else loads[-1]
    why = reason("run.finished", progress=_progress(line))
    return Judgement(
        "finished", why, [*evidence, view.evidence if view else evidence[0]], conflicts
    )


def _why_none_loads(facts: Facts) -> Reason:
    if not facts.checkpoints:
        return reason("run.left_no_checkpoint")
    last = facts.checkpoints[-1]
    assert last.problem is not None
    return reason("run.no_checkpoint_loads", checkpoint=last.path, problem=last.problem)


def _living(facts: Facts, line: Timeline, stopped: bool, now: datetime) -> Judgement:
    assert line.last is not None
    number, event = line.last
    silent = (now - event.time).total_seconds()
    limit = max(STALL_SECONDS, STALL_FACTOR * line.slowest_gap())
    evidence, at = [facts.at("events.jsonl", f"line {number}")], _progress(line)
    if stopped:
        return Judgement("stalled", reason("run.process_stopped", progress=at), evidence)
    if silent > limit:
        why = reason("run.silent", silent=round(silent), progress=at, limit=round(limit))
        return Judgement("stalled", why, evidence)
    return Judgement("running", reason("run.alive", progress=at), evidence)


def _gone(facts: Facts, line: Timeline) -> Judgement:
    number, start = line.starts[-1]
    evidence, at = [facts.at("events.jsonl", f"line {number}")], _progress(line)
    if facts.console is not None and not _of_an_earlier_process(facts, line):
        why = reason("run.ended_with", progress=at, exception=facts.console.text)
        return Judgement("failed", why, [*evidence, facts.console.evidence])
    why = reason("run.process_gone", pid=start.process.pid, progress=at)
    return Judgement("killed", why, evidence)


def _elsewhere(facts: Facts, line: Timeline) -> Judgement:
    number, start = line.starts[-1]
    host, at = start.process.host, _progress(line)
    named = reason("run.elsewhere", host=host, progress=at) if host else None
    why = named or reason("run.on_nameless_machine", progress=at)
    return Judgement("unknown", why, [facts.at("events.jsonl", f"line {number}")])


def _exception_text(event: Exit) -> str:
    """As Python prints it; a `UserError` is a sentence that needs no class before it."""
    if event.exception in (None, "UserError", event.reason):
        return event.reason
    return f"{event.exception}: {event.reason}"


def _of_an_earlier_process(facts: Facts, line: Timeline) -> bool:
    """Whether the console's exception is that of an earlier process with an exit event of it."""
    text = facts.console.text if facts.console else ""
    exits = [e for _, e in line.events if isinstance(e, Exit) and e.outcome == "exception"]
    return any(text.endswith(_exception_text(event).partition("\n")[0]) for event in exits)


def _progress(line: Timeline) -> list[str | int | float | Reason | None]:
    """Steps done and steps in all; None where there is no forecast."""
    return [line.steps or 0, line.total_steps or None]


def _clock(line: Timeline, now: datetime) -> list[Reason]:
    conflicts = [reason("run.clock_set_back", line=number) for number in line.backward()]
    if line.last is not None and (line.last[1].time - now).total_seconds() > STALL_SECONDS:
        conflicts.append(reason("run.in_future", line=line.last[0]))
    return conflicts


def _doubles(line: Timeline, lives: Mapping[Process, Life]) -> list[Reason]:
    """Two processes that write one run, and events after its exit."""
    pids = [process.pid for process, life in lives.items() if life.alive][:2]
    both = [reason("run.two_processes", first=pids[0], second=pids[1])] if len(pids) > 1 else []
    if line.exit is None:
        return both
    number, left = line.exit
    if line.segment[-1][0] > number:
        return [*both, reason("run.events_after_exit", line=number)]
    pid = _another(line, lives)
    if pid is None or left.pid is None:
        return both
    return [*both, reason("run.process_after_exit", exited=left.pid, line=number, pid=pid)]


def _missing_files(facts: Facts) -> list[Reason]:
    needed = {
        "case.yaml": facts.case,
        "manifest.json": facts.manifest,
        "load_report.json": facts.load_report,
        "environment.json": facts.environment,
    }
    return [reason("run.file_missing", file=name) for name, value in needed.items() if not value]


def _checkpoint_conflicts(facts: Facts, line: Timeline) -> list[Reason]:
    """Checkpoints that do not load, and one that is lower by the log than what `best` links to."""
    conflicts = [
        reason("run.checkpoint_problem", checkpoint=view.path, problem=view.problem)
        for view in facts.checkpoints
        if view.problem
    ]
    written = {event.step: event for _, event in line.checkpoints}
    best = written.get(facts.best.step) if facts.best and facts.best.step is not None else None
    value = getattr(best, best.best_by) if best else None
    if facts.best is None or best is None or not isinstance(value, float):
        return conflicts
    saved = [(view.path, written[view.step]) for view in facts.checkpoints if view.step in written]
    values = [(path, getattr(event, best.best_by)) for path, event in saved]
    lower = [path for path, other in values if isinstance(other, float) and other < value]
    return conflicts + [
        reason("run.lower_checkpoint", linked=facts.best.path, lower=path, metric=best.best_by)
        for path in lower[:1]
    ]


def _loss_conflicts(facts: Facts, line: Timeline) -> list[Reason]:
    """A checkpoint's loss against its epoch's, and that against `metrics.csv`."""
    by_step = {epoch.step: epoch.val_loss for _, epoch in line.epochs}
    logs = [(number, event, by_step.get(event.step)) for number, event in line.checkpoints]
    conflicts = [
        reason("run.checkpoint_loss_differs", line=number, loss=six_digits(event.val_loss),
               logged=six_digits(logged))
        for number, event, logged in logs
        if event.val_loss is not None and logged is not None and not _same(event.val_loss, logged)
    ]  # fmt: skip
    curve = {value for _, value in facts.val_losses}
    for number, epoch in line.epochs if curve else []:
        loss = epoch.val_loss
        if loss is None or six_digits(loss) in curve:  # as `metrics.csv` writes it
            continue
        if not any(_same(loss, value) for value in curve):
            loss = six_digits(loss)
            conflicts.append(reason("run.loss_not_in_curve", loss=loss, line=number))
    return conflicts


def six_digits(value: float) -> float:
    """A number rounded to six significant digits.

    >>> six_digits(0.123456789)
    0.123457
    """
    return float(f"{value:.6g}")


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=LOSS_TOLERANCE, abs_tol=1e-9)
