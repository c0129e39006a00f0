"""Scanned runs as a table, one row a run, with what is amiss below it."""

from __future__ import annotations

from mobile_vla.cli.status_table import NOTHING, draw, foreign_data, foreign_data_told, wide
from mobile_vla.evidence.importers.scan_folders import Scanned
from mobile_vla.evidence.model import Foreign, RunView
from mobile_vla.messages.catalogue import sentence


def print_scanned(scanned: Scanned) -> None:
    """Print every run, why its state is so, and what contradicts or could not be read."""
    console = wide()
    title = "Runs that other programs made (data: training + validation episodes)"
    draw(console, [(run, run.foreign) for run in scanned.runs], _COLUMNS, title)
    for line in told(scanned):
        console.print(line, markup=False, highlight=False)


def told(scanned: Scanned) -> list[str]:
    """Each run's reason with its evidence, its contradictions, and what told of no run."""
    lines = []
    for run in scanned.runs:
        lines += ["", f"{run.case} ({run.path}): {run.state}. {sentence(run.why, 'en')}"]
        lines += [f"  read: {e.file} {e.where} {e.blake3[:12]}".rstrip() for e in run.evidence[:3]]
        lines += [f"  data: {data}"] if (data := foreign_data_told(run)) else []
        lines += [f"  note: {sentence(conflict, 'en')}" for conflict in run.conflicts]
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


def _date(run: RunView, found: Foreign) -> str:
    return found.date or (run.started.date().isoformat() if run.started else NOTHING)


def _trained(found: Foreign) -> str:
    count = found.trained_parameters
    return NOTHING if count is None else f"{count / 1e6:.1f} M"


_COLUMNS = {
    "Run": lambda row: row[0].case,
    "Date": lambda row: _date(*row),
    "Made by": lambda row: row[1].maker,
    "Data": lambda row: foreign_data(row[0]) or NOTHING,
    "Epochs": lambda row: f"{row[0].epochs or 0} of {row[1].max_epochs or '?'}",
    "Validation loss": lambda row: _loss(row[0]),
    "Trained": lambda row: _trained(row[1]),
    "Checkpoints": lambda row: _checkpoints(row[0]),
    "State": lambda row: row[0].state,
}
