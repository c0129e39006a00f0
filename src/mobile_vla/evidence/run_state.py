"""The state of one run: a pure function of what was read, the process table and the clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mobile_vla.evidence.model import Evidence, State
from mobile_vla.evidence.read_run import Facts
from mobile_vla.evidence.timeline import Timeline
from mobile_vla.runs.events import Exit
from mobile_vla.runs.process import Process, is_alive, is_stopped

STALL_SECONDS = 60.0
STALL_FACTOR = 5.0
LOSS_TOLERANCE = 1e-4
"""Relative; `metrics.csv` keeps six digits."""

DOUBLE = "both write this run"
FUTURE = "lies in the future of this clock"
"""Conflicts that may pass without any file changing."""


@dataclass(frozen=True, slots=True)
class Life:
    """`alive`: None where it cannot be known from this machine."""

    alive: bool | None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A state, why in one sentence, what it rests on, and what contradicts what."""

    state: State
    why: str
    evidence: list[Evidence] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def process_table(line: Timeline) -> dict[Process, Life]:
    """Whether each process that began the run lives now, by pid, boot and start time together."""
    table = {}
    for _, start in line.starts:
        alive = is_alive(start.process)
        table[start.process] = Life(alive, bool(alive) and is_stopped(start.process.pid))
    return table


def judge(facts: Facts, line: Timeline, lives: Mapping[Process, Life], now: datetime) -> Judgement:
    """The state of a run. Conflicts are added to the unreadable files, never resolved."""
    found = _state(facts, line, lives, now)
    conflicts = [*facts.problems, *found.conflicts, *_clock(line, now), *_doubles(line, lives)]
    conflicts += _checkpoint_conflicts(facts, line) + _loss_conflicts(facts, line)
    return Judgement(found.state, found.why, found.evidence, list(dict.fromkeys(conflicts)))


def _state(facts: Facts, line: Timeline, lives: Mapping[Process, Life], now: datetime) -> Judgement:
    if not line.starts:
        return _not_begun(facts, line)
    known = [lives.get(start.process, Life(None)) for _, start in line.starts]
    living = [life for life in known if life.alive]
    if line.exit is not None and not _another(line, lives):
        number, event = line.exit
        evidence = [facts.at("events.jsonl", f"line {number}")]
        return _left(facts, line, event, evidence)
    if living:
        return _living(facts, line, all(life.stopped for life in living), now)
    return _gone(facts, line) if known[-1].alive is False else _elsewhere(facts, line)


def _another(line: Timeline, lives: Mapping[Process, Life]) -> int | None:
    """The pid of a living process that is not the one that left, None where there is none."""
    assert line.exit is not None
    number, left = line.exit
    later = line.segment[-1][0] > number
    living = [process.pid for process, life in lives.items() if life.alive]
    return next((p for p in living if later or (left.pid is not None and p != left.pid)), None)


def _not_begun(facts: Facts, line: Timeline) -> Judgement:
    if line.events or any("events.jsonl" in problem for problem in facts.problems):
        why = "its events cannot be read back to a start, so what happened is not known"
        return Judgement("unknown", why, [facts.at("events.jsonl")])
    if facts.console is not None:
        why = f"it stopped before its first event: {facts.console.text}"
        return Judgement("failed", why, [facts.console.evidence])
    if facts.case is None:
        return Judgement("unknown", "neither a case nor an event can be read in its folder")
    why = "its folder is prepared and no process has begun it"
    return Judgement("queued", why, [facts.at("case.yaml")])


def _left(facts: Facts, line: Timeline, event: Exit, evidence: list[Evidence]) -> Judgement:
    """The process said how it ended."""
    if event.outcome == "finished":
        return _finished(facts, line, evidence)
    after = f"at step {_of_total(line)}"
    if event.outcome == "refused":
        return Judgement("failed", f"refused in preflight: {event.reason}", evidence)
    if event.outcome == "interrupted":
        return Judgement("killed", f"interrupted {after}: {event.reason}", evidence)
    if event.outcome == "nan":
        return Judgement(
            "failed", f"stopped {after} on a value that is no number: {event.reason}", evidence
        )
    return Judgement("failed", f"failed {after}: {_exception_text(event)}", evidence)


def _finished(facts: Facts, line: Timeline, evidence: list[Evidence]) -> Judgement:
    """It says that it finished: do its steps, its checkpoints and its losses agree?"""
    if not (line.steps or line.epochs or line.checkpoints):
        why = "its preflight passed and nothing was trained"
        return Judgement("queued", why, evidence)
    loads = [view for view in facts.checkpoints if view.problem is None]
    conflicts = _missing_files(facts)
    if line.total_steps is not None and line.steps is not None and line.steps < line.total_steps:
        said = f"it says it finished, but did {_of_total(line)} steps"
        return Judgement("unverified", said, evidence, [*conflicts, said])
    if not loads:
        return Judgement(
            "unverified",
            f"finished, but {_why_none_loads(facts)}",
            [*evidence, *(v.evidence for v in facts.checkpoints)],
            conflicts,
        )
    wrong = _loss_conflicts(facts, line)
    if wrong:
        return Judgement("unverified", f"finished, but {wrong[0]}", evidence, conflicts)
    view = facts.best if facts.best in loads else loads[-1]
    why = f"finished {_of_total(line)} steps, and its checkpoint loads"
    return Judgement(
        "finished", why, [*evidence, view.evidence if view else evidence[0]], conflicts
    )


def _why_none_loads(facts: Facts) -> str:
    if not facts.checkpoints:
        return "it left no checkpoint"
    worst = facts.checkpoints[-1]
    return f"no checkpoint loads: {worst.path}: {worst.problem}"


def _living(facts: Facts, line: Timeline, stopped: bool, now: datetime) -> Judgement:
    assert line.last is not None
    number, event = line.last
    silent = (now - event.time).total_seconds()
    limit = max(STALL_SECONDS, STALL_FACTOR * line.slowest_gap())
    evidence = [facts.at("events.jsonl", f"line {number}")]
    if stopped:
        return Judgement("stalled", f"its process is stopped at step {_of_total(line)}", evidence)
    if silent > limit:
        why = (
            f"its process lives, but has written nothing for {silent:.0f} s at step "
            f"{_of_total(line)} (its limit is {limit:.0f} s)"
        )
        return Judgement("stalled", why, evidence)
    return Judgement("running", f"its process lives and is at step {_of_total(line)}", evidence)


def _gone(facts: Facts, line: Timeline) -> Judgement:
    number, start = line.starts[-1]
    evidence = [facts.at("events.jsonl", f"line {number}")]
    if facts.console is not None and not _told_before(facts, line):
        why = f"its process ended at step {_of_total(line)} with {facts.console.text}"
        return Judgement("failed", why, [*evidence, facts.console.evidence])
    why = (
        f"its process {start.process.pid} is gone and left no exit event; "
        f"it was at step {_of_total(line)}"
    )
    return Judgement("killed", why, evidence)


def _elsewhere(facts: Facts, line: Timeline) -> Judgement:
    number, start = line.starts[-1]
    why = (
        f"it ran on {start.process.host or 'a machine without a name'}, so whether its process "
        f"lives cannot be told from here; it was at step {_of_total(line)}"
    )
    return Judgement("unknown", why, [facts.at("events.jsonl", f"line {number}")])


def _exception_text(event: Exit) -> str:
    """As Python prints it; a `UserError` is a sentence that needs no class before it."""
    if event.exception in (None, "UserError", event.reason):
        return event.reason
    if event.reason.startswith(f"{event.exception}:"):
        return event.reason
    return f"{event.exception}: {event.reason}"


def _told_before(facts: Facts, line: Timeline) -> bool:
    """Whether the console's exception belongs to an earlier process that told of it itself."""
    text = facts.console.text if facts.console else ""
    exits = [e for _, e in line.events if isinstance(e, Exit) and e.outcome == "exception"]
    said = [_exception_text(event).partition("\n")[0] for event in exits]
    return any(text.endswith(sentence) for sentence in said)


def _of_total(line: Timeline) -> str:
    steps = 0 if line.steps is None else line.steps
    return f"{steps} of {line.total_steps}" if line.total_steps else str(steps)


def _clock(line: Timeline, now: datetime) -> list[str]:
    found = [
        f"the clock was set back before line {number} of events.jsonl" for number in line.backward()
    ]
    if line.last is not None and (line.last[1].time - now).total_seconds() > STALL_SECONDS:
        found.append(f"line {line.last[0]} of events.jsonl {FUTURE}")
    return found


def _doubles(line: Timeline, lives: Mapping[Process, Life]) -> list[str]:
    pids = [p.pid for p, life in lives.items() if life.alive]
    found = [f"processes {pids[0]} and {pids[1]} {DOUBLE}"] if len(pids) > 1 else []
    if line.exit is not None and line.segment[-1][0] > line.exit[0]:
        found.append(f"events go on after the exit at line {line.exit[0]} of events.jsonl")
    elif line.exit is not None and (pid := _another(line, lives)):
        number, left = line.exit
        told = f"left at line {number} of events.jsonl while process {pid} lives"
        found.append(f"process {left.pid} {told}: {DOUBLE}")
    return found


def _missing_files(facts: Facts) -> list[str]:
    needed = {
        "case.yaml": facts.case,
        "manifest.json": facts.manifest,
        "load_report.json": facts.load_report,
        "environment.json": facts.environment,
    }
    return [f"{name} is missing or unreadable" for name, value in needed.items() if value is None]


def _checkpoint_conflicts(facts: Facts, line: Timeline) -> list[str]:
    """Those that do not load; and one that is better by the log than what `best` points to."""
    found = [f"{view.path}: {view.problem}" for view in facts.checkpoints if view.problem]
    written = {event.step: event for _, event in line.checkpoints}
    best = written.get(facts.best.step) if facts.best and facts.best.step is not None else None
    value = getattr(best, best.best_by) if best else None
    if facts.best is None or best is None or value is None:
        return found
    here = [(view.path, written[view.step]) for view in facts.checkpoints if view.step in written]
    values = [(path, getattr(event, best.best_by)) for path, event in here]
    lower = [path for path, other in values if other is not None and other < value]
    named = {"val_loss": "validation loss"}.get(best.best_by, best.best_by)
    told = f"`best` is {facts.best.path}, but {{}} has the lower {named} by the log"
    return found + [told.format(path) for path in lower[:1]]


def _loss_conflicts(facts: Facts, line: Timeline) -> list[str]:
    """A checkpoint's loss against its epoch's, and that against `metrics.csv`."""
    found = []
    by_step = {epoch.step: epoch.val_loss for _, epoch in line.epochs}
    for number, event in line.checkpoints:
        logged = by_step.get(event.step)
        if event.val_loss is not None and logged is not None and not _same(event.val_loss, logged):
            found.append(
                f"line {number} of events.jsonl gives its checkpoint the validation loss "
                f"{event.val_loss:g}, its epoch {logged:g}"
            )
    curve = {value for _, value in facts.val_losses}
    for number, epoch in line.epochs if curve else []:
        loss = epoch.val_loss
        if loss is None or float(f"{loss:.6g}") in curve:  # as `metrics.csv` writes it
            continue
        if not any(_same(loss, value) for value in curve):
            found.append(
                f"the validation loss {loss:g} at line {number} of events.jsonl "
                "is not in metrics.csv"
            )
    return found


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=LOSS_TOLERANCE, abs_tol=1e-9)
