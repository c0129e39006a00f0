"""The table of what really exists, as plain rows for programs and as text for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mobile_vla.analysis.headline_metrics import (
    Rate,
    beats_replay,
    direction_accuracy,
    mean_error,
    success,
    unbeaten_replays,
)
from mobile_vla.evidence.drives import drives_reason
from mobile_vla.evidence.flatten import NONE
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.catalogue import sentence
from mobile_vla.study.models import Counts

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = "–"
WIDE = 240
Row = dict[str, Any]


def rows(cases: Sequence[CaseView]) -> list[Row]:
    """One row a case: what the run that speaks for it left; None where nothing tells."""
    return [_row(case) for case in cases]


def print_table(table: Sequence[Row], console: Console | None = None) -> None:
    """Print rows as the lab's first table, what is amiss, and the measured results if any.

    Where the output is no terminal, lines are as long as they need to be.
    """
    console = wide(console)
    draw(console, table, _FIRST, "What really exists (data: training + validation episodes)")
    for row in table:
        reasons = [row["why"]] if row["state"] not in ("finished", "planned") else []
        for reason in [*reasons, *row["earlier"], *row["conflicts"], *row["drives"]]:
            console.print(f"{row['label'] or row['name']}: {reason}", markup=False, highlight=False)
    evaluated = [row for row in table if row["mae"] is not None or row["success_left"] is not None]
    if evaluated:
        draw(console, evaluated, _RESULTS, "What was measured (95 % Wilson intervals)")


def data_text(train: Counts | None, validation: Counts | None) -> str | None:
    """Training + validation episodes by direction, for example "40+10 left, 40+10 right"."""
    if train is None:
        return None
    held = validation or Counts()
    parts = [
        f"{getattr(train, way)}+{getattr(held, way)} {way}"
        for way in ("left", "right", "straight")
        if getattr(train, way) or getattr(held, way)
    ]
    return ", ".join(parts) or "0"


def _row(case: CaseView) -> Row:
    run = case.run
    resolved = run.resolved if run and run.resolved else case.planned
    offline = run.offline if run else None
    rollouts = run.rollouts if run else None
    verified = _verified(run)
    return {
        "name": case.name,
        "label": case.label,
        "role": case.role,
        "date": _date(run),
        "vlm": resolved.vlm.name if resolved else _told(run, "vlm"),
        "init": (resolved.init.name if resolved.init else None)
        if resolved
        else _told(run, "initial_weights"),
        "data": (data_text(run.train, run.validation) or foreign_data(run)) if run else None,
        "checkpoint": verified,
        "val_loss": run.best_val_loss if run and verified else None,
        "state": case.state,
        "why": sentence(case.why, "en"),
        "profile": resolved.profile if resolved else None,
        "runs": len(case.runs),
        "earlier": [
            f"earlier run {run.path} {run.state}: {sentence(run.why, 'en')}"
            for run in _others(case)
        ],
        "conflicts": [sentence(why, "en") for why in run.conflicts] if run else [],
        "drives": [sentence(drives_reason(run.drives), "en")] if run and run.drives else [],
        "success_left": success(rollouts, "left"),
        "success_right": success(rollouts, "right"),
        "mae": mean_error(offline),
        "swap_change": offline.swap.change if offline else None,
        "swap_follows": offline.swap.follows if offline else None,
        "direction_accuracy": direction_accuracy(offline),
        "beats_replay": beats_replay(offline),
        "unbeaten_replays": unbeaten_replays(offline),
    }


def _others(case: CaseView) -> list[RunView]:
    """Runs of the case that neither speak for it nor finished."""
    spoken = case.run.path if case.run else None
    return [run for run in case.runs if run.path != spoken and run.state != "finished"]


def foreign_data(run: RunView) -> str | None:
    """Episodes that a foreign run read, for example "200+50, directions unknown"."""
    foreign = run.foreign
    if foreign is None or foreign.train is None:
        return None
    held = foreign.validation.episodes if foreign.validation else "?"
    return f"{foreign.train.episodes}+{held}, directions unknown"


def foreign_data_told(run: RunView) -> str | None:
    """The same in a sentence, with the glob, the samples of an epoch, and where it was read."""
    foreign = run.foreign
    if foreign is None or foreign.train is None:
        return None
    train, held = foreign.train, foreign.validation
    steps = f"; {foreign.steps_per_epoch} steps an epoch × batch {train.batch} = "
    return (
        f"{train.episodes} training and {held.episodes if held else 'an unknown number of'} "
        f"validation episodes by the glob {train.pattern}, directions unknown"
        f"{f'{steps}{foreign.samples_per_epoch} samples' if foreign.samples_per_epoch else ''} "
        f"({train.evidence.file} {train.evidence.where})"
    )


def _date(run: RunView | None) -> str | None:
    if run is not None and run.started is not None:
        return run.started.astimezone().strftime("%m-%d")
    return run.foreign.date[5:] if run and run.foreign and run.foreign.date else None


def _told(run: RunView | None, factor: str) -> str | None:
    """A foreign run's weights by the last part of their path; None where there are none."""
    value = run.factors.get(factor) if run and run.foreign else None
    name = value.value.rstrip("/").rpartition("/")[2] if value else ""
    return name if name not in ("", NONE) else None


def _verified(run: RunView | None) -> bool | None:
    """Whether a checkpoint loads; None where a foreign run's were not among what was scanned."""
    if run is not None and run.foreign is not None and run.foreign.checkpoints is None:
        return None
    views = (run.best, run.latest) if run else ()
    return any(view is not None and view.problem is None for view in views)


def _name(row: Row) -> str:
    return f"{row['name']} ({row['label']})" if row["label"] else str(row["name"])


def _checkpoint(row: Row) -> str:
    loss = row["val_loss"]
    if row["checkpoint"] is None:
        return "not scanned"
    return "no" if not row["checkpoint"] else "yes" if loss is None else f"yes, {loss:.3g}"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return NOTHING
    return f"{rate.k}/{rate.n} [{100 * rate.low:.0f}, {100 * rate.high:.0f}] %"


def _swap(row: Row) -> str:
    if row["swap_change"] is None:
        return NOTHING
    return f"{row['swap_change']:.3g} m/s, {100 * row['swap_follows']:.0f} % follow"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f} %"


def _replay(row: Row) -> str:
    """Yes, or which tape recorder does as well."""
    if row["unbeaten_replays"] is None:
        return NOTHING
    by = [name.removeprefix("replay_by_").replace("_and_", " × ")
          for name in row["unbeaten_replays"]]  # fmt: skip
    return "no: " + ", ".join(by) if by else "yes"


_FIRST = {
    "Training name": _name,
    "Date": lambda row: row["date"] or NOTHING,
    "VLM init": lambda row: row["init"] or row["vlm"] or NOTHING,
    "Data": lambda row: row["data"] or NOTHING,
    "Checkpoint": _checkpoint,
    "State": lambda row: row["state"],
}
_RESULTS = {
    "Case": lambda row: row["label"] or row["name"],
    "Success left": lambda row: _rate(row["success_left"]),
    "Success right": lambda row: _rate(row["success_right"]),
    "MAE": lambda row: NOTHING if row["mae"] is None else f"{row['mae']:.3g} m/s",
    "Direction": lambda row: _share(row["direction_accuracy"]),
    "Instruction swapped": _swap,
    "Beats replay": _replay,
}


def wide(console: Console | None = None) -> Console:
    """A console for tables: `console` or the output, and where that is no terminal a wide one."""
    from rich.console import Console

    console = console or Console()
    return console if console.is_terminal else Console(file=console.file, width=WIDE)


def draw(console: Console, table: Sequence[Any], columns: dict[str, Any], title: str) -> None:
    """Print a table of `columns`: heading and how a cell is made of a row."""
    from rich.table import Table
    from rich.text import Text

    printed = Table(title=title, title_justify="left")
    for heading in columns:
        printed.add_column(heading, overflow="fold")
    for row in table:
        printed.add_row(*(Text(str(cell(row))) for cell in columns.values()))
    console.print(printed)
