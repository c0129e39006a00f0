"""Scanned runs as a table, one row a run, with what is amiss below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobile_vla.casebook.foreign.scan import Scanned
from mobile_vla.casebook.model import RunView
from mobile_vla.casebook.table import NOTHING, WIDE, foreign_data, foreign_data_told

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = ("Run", "Date", "Made by", "Data", "Epochs", "Validation loss", "Trained", "Checkpoints",
            "State")  # fmt: skip


def print_scanned(scanned: Scanned, console: Console | None = None) -> None:
    """Print every run, why its state is so, and what contradicts or could not be read."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=WIDE)
    drawn = Table(
        title="Runs that other programs made (data: training + validation episodes)",
        title_justify="left",
    )
    for heading in HEADINGS:
        drawn.add_column(heading, overflow="fold")
    for run in scanned.runs:
        drawn.add_row(*(Text(cell) for cell in cells(run)))
    console.print(drawn)
    for line in told(scanned):
        console.print(line, markup=False, highlight=False)


def cells(run: RunView) -> list[str]:
    """One row, in the order of `HEADINGS`."""
    found = run.foreign
    assert found is not None
    started = run.started.date().isoformat() if run.started else None
    trained = found.trained_parameters
    return [
        run.case,
        found.date or started or NOTHING,
        found.maker,
        foreign_data(run) or NOTHING,
        f"{run.epochs or 0} of {found.max_epochs or '?'}",
        _loss(run),
        NOTHING if trained is None else f"{trained / 1e6:.1f} M",
        _checkpoints(run),
        run.state,
    ]


def told(scanned: Scanned) -> list[str]:
    """Each run's reason with its evidence, its contradictions, and what told of no run."""
    lines = []
    for run in scanned.runs:
        lines += ["", f"{run.case} ({run.path}): {run.state}. {run.why}"]
        lines += [f"  read: {e.file} {e.where} {e.blake3[:12]}".rstrip() for e in run.evidence[:3]]
        lines += [f"  data: {data}"] if (data := foreign_data_told(run)) else []
        lines += [f"  note: {conflict}" for conflict in run.conflicts]
    lines += [f"not read: {problem}" for problem in scanned.problems]
    if scanned.own:
        lines.append(f"{len(scanned.own)} runs of mobile-vla itself: `mvla status` reads them.")
    return lines


def _loss(run: RunView) -> str:
    losses = run.foreign.val_losses if run.foreign else []
    if not losses:
        return NOTHING
    best = "unknown" if run.best_val_loss is None else f"{run.best_val_loss:.4g}"
    where = f" (epoch {losses[-1].epoch})" if losses[-1].epoch is not None else ""
    return f"best {best}, final {losses[-1].value:.4g}{where}"


def _checkpoints(run: RunView) -> str:
    views = run.foreign.checkpoints if run.foreign else None
    if views is None:
        return "not scanned"
    good = sum(view.problem is None for view in views)
    size = sum(view.bytes for view in views)
    return f"{good} of {len(views)} load, {size / 1e9:.2g} GB" if views else "none"
