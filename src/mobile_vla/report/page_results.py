"""The tables of measured results: rollouts, errors, baselines."""

from __future__ import annotations

from mobile_vla.analysis.headline_metrics import beats_replay, success, unbeaten_replays
from mobile_vla.analysis.wording import (
    ANSWERS,
    SIGNS,
    Language,
    metric_name,
    number,
    pick,
    plain,
    series_name,
    share_of,
)
from mobile_vla.evidence.model import RunView
from mobile_vla.report.headings import text
from mobile_vla.report.page_model import Cite, Line, Mark, Strong, Table
from mobile_vla.report.report_data import (
    ReportView,
    collisions,
    errors,
    metric,
    sided,
)
from mobile_vla.runs.results import Offline, Rollouts, Scored


def driving_table(view: ReportView, language: Language) -> Table | None:
    """Success by instruction, side and collisions of every run that was driven."""
    rows = tuple(
        _driving_row(view, case.name, case.run, case.run.rollouts, language)
        for case in view.cases
        if case.run is not None and case.run.rollouts is not None
    )
    keys = ("case", "success_left", "success_right", "sided", "collisions", "evidence")
    head = tuple(text(key, language) for key in keys)
    return Table(text("driving", language), head, rows) if rows else None


def offline_table(view: ReportView, language: Language) -> Table | None:
    """Errors, direction accuracy, the swap of instructions, and replay by step beside them."""
    runs = [
        (case.name, case.run, case.run.offline)
        for case in view.cases
        if case.run is not None and case.run.offline is not None
    ]
    names = list(dict.fromkeys(m.name for _, _, off in runs for m in errors(off.policy)))
    keys = ("direction", "swap", "follows", "replay", "leak", "evidence")
    head = (
        text("case", language),
        *(metric_name(name, language) for name in names),
        *(text(key, language) for key in keys),
    )
    rows = tuple(
        (
            (Strong(view.name(case)),),
            *_offline_cells(offline, names, language),
            (Cite(view.cited(run, "evaluation/offline.json")),),
        )
        for case, run, offline in runs
    )
    return Table(text("offline", language), head, rows) if rows else None


def against_table(view: ReportView, run: RunView, offline: Offline, language: Language) -> Table:
    """The policy and every baseline on the same episodes, all metrics."""
    names = list(dict.fromkeys(m.name for m in offline.policy.metrics))
    units = {m.name: m.unit for m in offline.policy.metrics}
    count = len(offline.set.episodes)
    caption = f"{text('against', language)} ({offline.set.name}, n = {count})"
    heads = (metric_name(name, language) + _in_unit(units[name]) for name in names)
    rows = [_series_row(offline.policy, "policy", names, language)]
    rows += [_series_row(scored, scored.name, names, language) for scored in offline.baselines]
    return Table(caption, (text("series", language), *heads), tuple(rows))


def replay_mark(offline: Offline, language: Language) -> Line:
    """Whether the mean error lies below that of every replay, and each that it does not beat."""
    below = beats_replay(offline)
    answer = "unknown" if below is None else "yes" if below else "no"
    mark = Mark(answer, SIGNS[answer], pick(ANSWERS[answer], language))
    unbeaten = ", ".join(series_name(name, language) for name in unbeaten_replays(offline) or ())
    return (mark, f": {unbeaten}") if unbeaten else (mark,)


def _driving_row(
    view: ReportView, case: str, run: RunView, rollouts: Rollouts, language: Language
) -> tuple[Line, ...]:
    rates = (
        success(rollouts, "left"),
        success(rollouts, "right"),
        sided(rollouts),
        collisions(rollouts),
    )
    return (
        (Strong(view.name(case)),),
        *((share_of(rate, language),) for rate in rates),
        (Cite(view.cited(run, "evaluation/rollouts.json")),),
    )


def _offline_cells(offline: Offline, names: list[str], language: Language) -> list[Line]:
    leaked = len(offline.set.leaked)
    found = [metric(offline.policy, name) for name in (*names, "direction_accuracy")]
    return [
        *((number(m.value, m.unit) if m else "–",) for m in found),
        (number(offline.swap.change, "m/s"),),
        (plain(offline.swap.follows),),
        replay_mark(offline, language),
        (f"{leaked} / {len(offline.set.episodes)}",),
    ]


def _series_row(
    scored: Scored, name: str, names: list[str], language: Language
) -> tuple[Line, ...]:
    cells = ((number(m.value),) if (m := metric(scored, key)) else ("–",) for key in names)
    return ((Strong(series_name(name, language)),), *cells)


def _in_unit(unit: str) -> str:
    return "" if unit in ("", "1") else f" ({unit})"
